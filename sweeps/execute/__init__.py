"""Executors: the registry, the interface, and the executors of this machine and of Ray."""
