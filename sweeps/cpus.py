"""How many CPUs this process may use."""

import os


def available_cpus() -> int:
    """CPUs that the scheduler of the system gives this process; all where it does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
