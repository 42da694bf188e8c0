"""Running the real command line in a process of its own, and looking at what it left."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeps.store import EventReader, Results, accepted_runs, read_table

TINY = f"{Path(__file__).with_name('tiny.py')}:tiny"
LONG = f"{Path(__file__).with_name('tiny.py')}:long"
COMMAND = (sys.executable, "-c", "from sweeps.cli import main; main()")
# Columns that may differ between two runs of the same trial.
TIMES = {"train_seconds", "evaluate_seconds", "peak_memory_bytes"}


def start(
    *arguments: str, results: Path | None = None, **environment: str
) -> subprocess.Popen[str]:
    """The command, running."""
    folder = () if results is None else ("--results", str(results))
    return subprocess.Popen(
        [*COMMAND, *arguments, *folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def odesweep(
    *arguments: str, results: Path | None = None, **environment: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    process = start(*arguments, results=results, **environment)
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of `condition`; an error after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return value


def events(results: Path, name: str | None = None) -> list[dict[str, Any]]:
    """All events so far, or those of one name."""
    return [
        event for event in EventReader(Results(results)).poll() if name in (None, event["event"])
    ]


def children(pid: int) -> list[int]:
    """Processes that `pid` started."""
    try:
        return [
            int(child)
            for thread in Path(f"/proc/{pid}/task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def trial_process(worker: int) -> int:
    """The process in which `worker` trains, once it has loaded torch.

    Before that nothing can be interrupted.
    """

    def found() -> list[int]:
        return [
            child
            for child in children(worker)
            if _has(child, "cmdline", "sweeps.worker.child") and _has(child, "maps", "libtorch_cpu")
        ]

    return wait_for(found)[0]


def _has(pid: int, file: str, text: str) -> bool:
    try:
        return text in Path(f"/proc/{pid}/{file}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def runs(results: Path) -> list[dict[str, Any]]:
    """All rows, accepted or not."""
    return read_table(Results(results), "runs").to_pylist()


def science(results: Path) -> dict[str, tuple[Any, ...]]:
    """What must be bit-identical, by accepted trial.

    Weights, metrics, evaluations, and the recorded rows without their times.
    """
    return {
        row["trial_id"]: (
            row["weights_sha256"],
            row["outcome"],
            row["accuracy_test"],
            row["loss_test"],
            row["loss_train"],
            row["nfe_forward"],
            row["nfe_backward"],
            tuple(
                tuple((k, v) for k, v in epoch.items() if k not in TIMES) for epoch in row["epochs"]
            ),
        )
        for row in accepted_runs(Results(results)).to_pylist()
    }


def drawn(results: Path, out: Path) -> dict[str, bytes]:
    """Every CSV of the demo at smoke scale, but its cost, which no two runs have in common."""
    given = ("--scale", "smoke", "--results", str(results), "--out", str(out))
    for command in (("plot", "demo"), ("figures", "ott2021/figure4", "--plan", "demo")):
        start = (sys.executable, "-c", "from analysis.cli import main; main()")
        subprocess.run([*start, *command, *given], check=True)
    return {path.name: path.read_bytes() for path in out.glob("*.csv") if "cost" not in path.name}
