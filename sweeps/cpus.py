"""How many CPUs this process may use."""

import os
from pathlib import Path

# Linux: nanoseconds on a CPU, nanoseconds ready to run without one, and how many turns.
_SCHEDULED = Path("/proc/thread-self/schedstat")


def available_cpus() -> int:
    """CPUs that the scheduler of the system gives this process; all where it does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def waited_seconds() -> float:
    """For how long this thread has been ready to run without a CPU; 0 if the system keeps no count.

    Other processes had the CPUs meanwhile.
    """
    try:
        return int(_SCHEDULED.read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
