"""The interface for scripts and notebooks; `sweeps` itself has its public names."""
