"""One whole process in a folder of its own, from nothing to exit: how long it takes, what it leaves. Among them `odesweep run idle`."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# Overrides of the study `idle` that make it so many trials; the smaller number is the one that is compared.
OURS_TRIALS = {200: "+seed=10..49", 1000: "+seed=10..249"}
# Nothing is trained worth the name: one step that does not sleep. All that is durable is there: events, checkpoint, weights, row.
NO_OP = ("model.seconds=0", "train.iterations=1")


@dataclass(frozen=True)
class Measured:
    """One process: how long it took, what it left below its folder. sbatch: batch scripts sent. cpu_seconds: where all of it can be counted."""

    trials: int
    seconds: float
    files: int
    bytes: int
    sbatch: int
    cpu_seconds: float | None = None


def ours(executor: str, trials: int, *more: str) -> Measured:
    """`odesweep run idle` in a fresh folder; raises RuntimeError when not every trial completes."""
    command = "from sweeps.cli import main; main()"
    arguments = [
        "run",
        "idle",
        *NO_OP,
        OURS_TRIALS[trials],
        "--executor",
        executor,
        *more,
        "--threads",
        "1",
        "--results",
        "FOLDER/results",
    ]
    return measure(trials, command, arguments, f"{trials} completed")


def measure(trials: int, command: str, arguments: list[str], expected: str) -> Measured:
    """Run Python on `command`, FOLDER in its arguments being a fresh folder; raises RuntimeError unless it prints what is expected."""
    # A short path: Ray's sockets have at most 107 bytes for theirs.
    folder = Path(tempfile.mkdtemp(prefix="ob-"))
    try:
        start = time.perf_counter()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                command,
                *(argument.replace("FOLDER", str(folder)) for argument in arguments),
            ],
            capture_output=True,
            text=True,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[1],
        )
        seconds = time.perf_counter() - start
        if done.returncode or expected not in done.stdout:
            raise RuntimeError(
                f"{' '.join(arguments)} ended with {done.returncode}, without {expected!r}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        # Results and what lies beside them (results.state); Ray's own sessions and logs are not counted for either side.
        left = [path for path in folder.glob("results*/**/*") if path.is_file()]
        # Submitit, ours and the peer's, writes one such script for each call of sbatch.
        sbatch = sum(path.name.endswith("_submission.sh") for path in left)
        return Measured(
            trials, seconds, len(left), sum(path.stat().st_size for path in left), sbatch
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
