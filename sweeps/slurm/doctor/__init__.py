"""What `odesweep doctor` checks of SLURM: configuration, partition, and nodes, by a tiny job."""
