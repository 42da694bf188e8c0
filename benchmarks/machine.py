"""What all benchmarks share.

These are the line that names the machine, rounds in which variants take turns, and ratios within a
round.
"""

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

PACKAGES = ("torch", "torchdiffeq", "ray", "submitit", "pyarrow")


def machine_line() -> str:
    """Date, processor, the CPUs that this process may use, and versions."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d} · {_processor()} · {len(os.sched_getaffinity(0))} CPUs · "
        f"Python {platform.python_version()} · {_versions()}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def _versions() -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join(found)


def interleaved(
    variants: Mapping[str, Callable[[], object]], rounds: int, repetitions: int = 1
) -> dict[str, list[float]]:
    """Seconds per call of every variant in every round, after one round that is not counted.

    The variants take turns, so that other load of the machine affects all of them. repetitions:
    calls per turn.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for counted in (False, *[True] * rounds):
        for name, call in variants.items():
            start = time.perf_counter()
            for _ in range(repetitions):
                call()
            if counted:
                seconds[name].append((time.perf_counter() - start) / repetitions)
    return seconds


def ratio(baseline: list[float], ours: list[float]) -> tuple[float, float, float]:
    """Median, smallest and largest of baseline / ours over the rounds; above 1, ours is faster."""
    found = [theirs / mine for theirs, mine in zip(baseline, ours, strict=True)]
    return statistics.median(found), min(found), max(found)


def show_ratio(found: tuple[float, float, float]) -> str:
    """A text such as "6.75x (6.1 to 7.2)"."""
    median, low, high = found
    return f"{median:.3g}x ({low:.3g} to {high:.3g})"
