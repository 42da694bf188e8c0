"""What `odesweep doctor` checks of SLURM: the configuration, a partition, and a compute node by a tiny job."""
