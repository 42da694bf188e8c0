#!/bin/sh
# Installs the packages of the devcluster on Debian or Ubuntu, as root.
# Nothing needs to be configured or started.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge slurmdbd mariadb-server iproute2
