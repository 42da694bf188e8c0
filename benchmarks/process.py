"""One whole process in a separate folder, from start to exit: its time and the files it leaves.

One of the commands is `odesweep run idle`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# Overrides of the study `idle` that give it this many trials. The smaller number is the one that is
# compared.
OURS_TRIALS = {200: "+seed=10..49", 1000: "+seed=10..249"}
# One step that does not sleep instead of real training. All files are written: events, checkpoint,
# weights, row.
NO_OP = ("model.seconds=0", "train.iterations=1")


@dataclass(frozen=True)
class Measured:
    """One process: its time and the files it left in its folder.

    sbatch: number of batch scripts submitted. cpu_seconds: where all of it can be counted.
    """

    trials: int
    seconds: float
    files: int
    bytes: int
    sbatch: int
    cpu_seconds: float | None = None


def ours(executor: str, trials: int, *more: str) -> Measured:
    """`odesweep run idle` in a fresh folder. Raises RuntimeError if not every trial completes."""
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
    """Run Python on `command`, with a fresh folder for FOLDER in its arguments.

    Raises RuntimeError unless it prints what is expected.
    """
    # A short path: the paths of Ray's sockets have at most 107 bytes.
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
                f"{' '.join(arguments)} ended with {done.returncode}, without "
                f"{expected!r}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        # Results and the files beside them (results.state). Ray's own sessions and logs are not
        # counted for either side.
        left = [path for path in folder.glob("results*/**/*") if path.is_file()]
        # Submitit, ours and the peer's, writes one such script per call of sbatch.
        sbatch = sum(path.name.endswith("_submission.sh") for path in left)
        return Measured(
            trials, seconds, len(left), sum(path.stat().st_size for path in left), sbatch
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
