"""Seconds are valid only if the training had its CPU to itself."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_attempt import train

from sweeps.worker import run_one as worker


def answers(*seconds: float) -> Iterator[float]:
    yield from seconds


@pytest.mark.parametrize(("waited", "valid"), [(0.0, True), (60.0, False)])
def test_a_training_that_waited_for_a_cpu_has_no_valid_seconds(
    waited: float,
    valid: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    counted = answers(5.0, 5.0 + waited)
    monkeypatch.setattr(worker, "waited_seconds", lambda: next(counted))
    with caplog.at_level(logging.INFO, "odesweep"):
        sent = train(tmp_path)
    (row,) = next(one.rows for one in sent if one.table == "runs")
    assert row["timing_valid"] is valid
    assert ("waited for a CPU" in caplog.text) is not valid


BUSY = """
import os, sys, time
from sweeps.cpus import waited_seconds
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
before = waited_seconds()
while time.thread_time() < 1.0:
    pass
print(waited_seconds() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts how long a thread waits")
def test_processes_that_share_a_cpu_wait_for_it() -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) for _ in range(2)
    ]
    waited = [float(one.communicate()[0]) for one in both]
    # One of them begins later, or has a better priority in the end.
    assert max(waited) > 0.2
