"""The training loop, its random streams, checkpoints, evaluations and probes."""
