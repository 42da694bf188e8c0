#!/bin/sh
# Installs what the devcluster needs, on Debian or Ubuntu, as root. Nothing has to be configured or started.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge slurmdbd mariadb-server iproute2
