"""Everything of SLURM: the executor, its tasks, its commands, its profile keys and its checks."""
