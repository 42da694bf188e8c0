"""A real sweep on the device: whole trials by `odesweep run`, two processes at a time.

Two slots share the device, as two tasks of a cluster would.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sweeps.store import Results, read_table

COMMAND = "from sweeps.cli import main; main()"
STUDY = ("ott2021/sphere2-fixed", "--executor", "inline", "--threads", "1")
COLUMNS = ("outcome", "device", "numerics", "train_seconds")
# The solvers of the training, one for each process.
SLOTS = ("solver.name=euler", "solver.name=rk4_38")


def run(results: Path, scale: str, seconds: float) -> dict[str, Any]:
    """Run the study at this scale for so many seconds, stop as a scheduler would, count the rows.

    Returns trials, their outcomes, devices and numerics, seconds of training of one trial, and
    exit codes. Raises AssertionError if a process ended otherwise than it should.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                COMMAND,
                "run",
                *STUDY,
                "--scale",
                scale,
                slot,
                "--results",
                str(results),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for slot in SLOTS
    ]
    while time.monotonic() - start < seconds and any(p.poll() is None for p in processes):
        time.sleep(0.2)
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    errors = [process.communicate(timeout=60)[1] for process in processes]
    codes = [process.returncode for process in processes]
    found = read_table(Results(results), "runs", COLUMNS).to_pylist()
    assert found, f"no trial finished: exit codes {codes}; {' '.join(errors)[-500:]}"
    return {
        "seconds": time.monotonic() - start,
        "exit_codes": codes,
        "trials": len(found),
        "outcomes": sorted({row["outcome"] for row in found}),
        "devices": sorted({row["device"] for row in found}),
        "numerics": sorted({row["numerics"] for row in found}),
        "train_seconds": sorted(row["train_seconds"] for row in found),
    }
