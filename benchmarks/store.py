"""The results store at scale: `python -m benchmarks.store --runs 20000`.

It makes runs with 100 epochs each and times commands on them. Each command is a whole process, as a
user starts it; its largest memory is measured too. The same commands run before and after `odesweep
compact`, so that the ratio can be compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import pyarrow as pa

from benchmarks.machine import machine_line
from sweeps.store import SCHEMAS, PlanInfo, Results, publish_table, write_plan

EPOCHS = 100
# Runs in one Arrow table, which is then published many times with new ids.
BLOCK = 1_000
# The command, and on the last line of standard error its CPU seconds and largest memory in kB.
MEASURED = """
import atexit, re, resource, sys
def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Not ru_maxrss, which begins with that of the process that started this one.
    largest = re.search("VmHWM:(.*)kB", open("/proc/self/status").read())[1]
    print(used.ru_utime + used.ru_stime, largest, file=sys.stderr)
atexit.register(usage)
from sweeps.cli import main
main()
"""
COMMAND = (sys.executable, "-c", MEASURED)
# With compiled modules, as an installed package has them.
COMPILED = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
GROUP_BY = (
    "SELECT solver_name, solver_steps, count(*) AS runs, avg(accuracy_test) AS accuracy FROM runs "
    "GROUP BY ALL ORDER BY ALL"
)
CURVE = "SELECT solver_name, epoch, avg(loss_train) AS loss FROM epochs GROUP BY ALL ORDER BY ALL"
COMMANDS = {
    "status": ("status",),
    "status STUDY": ("status", "bench/grid"),
    "query, GROUP BY over runs": ("query", GROUP_BY, "--csv"),
    "query, GROUP BY over all epochs": ("query", CURVE, "--csv"),
}
SOLVERS = ("euler", "midpoint", "rk4", "dopri5")


def main(argv: list[str]) -> dict[str, Any]:
    """Make the folder, time the commands, compact, time them again; returns the seconds of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument(
        "--files",
        type=int,
        default=64,
        help="files of runs: 2,000 slices, of which each worker merged every 32",
    )
    parser.add_argument(
        "--only-compacted", action="store_true", help="do not time the commands on the part files"
    )
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="odesweep-bench-") as folder:
        results = Results(Path(folder) / "results")
        results.create()
        run(results, "query", "SELECT 1")  # compiles the modules
        generate(results, arguments.runs, arguments.files)
        print(
            f"{arguments.runs:,} runs of {EPOCHS} epochs, 2 evaluations each: {size(results)}",
            flush=True,
        )
        parts = (
            {}
            if arguments.only_compacted
            else {name: timed(results, *command) for name, command in COMMANDS.items()}
        )
        compacting, said = run(results, "compact")
        print(f"{said}compact {compacting}; now {size(results)}", flush=True)
        compacted = {name: timed(results, *command) for name, command in COMMANDS.items()}
    print("time, CPU time, largest memory; whole process, the median of 3")
    print(f"{'':34} {'parts':>25} {'compacted':>25}")
    for name, measured in compacted.items():
        print(f"{name:34} {parts.get(name, '')!s:>25} {measured!s:>25}")
    return {
        "runs": arguments.runs,
        "compact": compacting._asdict(),
        "parts": {name: one._asdict() for name, one in parts.items()},
        "compacted": {name: one._asdict() for name, one in compacted.items()},
    }


class Measured(NamedTuple):
    """Of a whole process: its time, its CPU time and its largest memory."""

    seconds: float
    cpu_seconds: float
    gigabytes: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.cpu_seconds:.2f} s, {self.gigabytes:.2f} GB"


def timed(results: Results, *command: str) -> Measured:
    """The run with the median time, of three."""
    return sorted(run(results, *command)[0] for _ in range(3))[1]


def run(results: Results, *command: str) -> tuple[Measured, str]:
    """What one command takes, and its output."""
    start = time.perf_counter()
    done = subprocess.run(
        [*COMMAND, *command, "--results", str(results.path)],
        capture_output=True,
        text=True,
        check=False,
        env=COMPILED,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    seconds, (cpu, kilobytes) = time.perf_counter() - start, done.stderr.split()[-2:]
    return Measured(seconds, float(cpu), float(kilobytes) / 1e6), done.stdout


def size(results: Results) -> str:
    """Files and gigabytes of rows."""
    files = [path for path in results.path.rglob("*.parquet") if path.parent != results.plans]
    return f"{len(files):,} files, {sum(path.stat().st_size for path in files) / 1e9:.2f} GB"


def generate(results: Results, runs: int, files: int) -> None:
    """Make a results folder.

    Rows of runs and evaluations, their plan, and the events of their workers.
    """
    random = np.random.default_rng(0)
    block = pa.Table.from_pylist(
        [row(index, random) for index in range(BLOCK)], schema=SCHEMAS["runs"]
    )
    planned: list[dict[str, Any]] = []
    per_file = max(1, -(-runs // files))
    for start in range(0, runs, per_file):
        count = min(per_file, runs - start)
        offset = start % BLOCK
        # `take`, because a file may go beyond the end of the block.
        rows = block.take(pa.array((offset + np.arange(count)) % BLOCK))
        ids = {
            name: [uuid4().hex for _ in range(count)]
            for name in ("trial_id", "attempt_id", "weights_sha256")
        }
        ids["weights_sha256"] = [2 * one for one in ids["weights_sha256"]]
        for name, values in ids.items():
            rows = rows.set_column(
                rows.schema.get_field_index(name), SCHEMAS["runs"].field(name), pa.array(values)
            )
        publish_table(results.parts("runs") / f"{uuid4().hex}.parquet", rows)
        evaluations = [
            one
            for index in range(count)
            for one in evaluations_of({name: values[index] for name, values in ids.items()})
        ]
        publish_table(
            results.parts("evaluations") / f"{uuid4().hex}.parquet",
            pa.Table.from_pylist(evaluations, schema=SCHEMAS["evaluations"]),
        )
        planned += [plan_row(start + index, ids["trial_id"][index]) for index in range(count)]
        (results.events / f"worker{start}.jsonl").write_text("".join(events(f"worker{start}", ids)))
    info = PlanInfo("bench/grid@paper", "bench/grid", reference="bench/grid", scale="paper")
    write_plan(results, info, planned)


def row(index: int, random: np.random.Generator) -> dict[str, Any]:
    """One run, with a value of the right type in every column."""
    numbers = random.random((EPOCHS, 8))
    epochs = [
        {
            **dict(
                zip(
                    ("loss_train", "accuracy_train", "loss_test", "accuracy_test", "learning_rate"),
                    values[:5],
                    strict=True,
                )
            ),
            **dict(
                zip(
                    ("gradient_norm_max", "train_seconds", "evaluate_seconds"),
                    values[5:],
                    strict=True,
                )
            ),
        }
        | {
            "iteration": 100 * epoch,
            "epoch": epoch,
            "nfe_forward": 6400,
            "nfe_backward": 6400,
            "peak_memory_bytes": 1 << 28,
        }
        for epoch, values in enumerate(numbers.tolist())
    ]
    text = {
        field.name: f"{field.name} of this run"
        for field in SCHEMAS["runs"]
        if field.type == pa.string()
    }
    number = {field.name: index for field in SCHEMAS["runs"] if pa.types.is_integer(field.type)}
    real = {
        field.name: float(random.random())
        for field in SCHEMAS["runs"]
        if pa.types.is_floating(field.type)
    }
    finished = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=index)
    given = {
        "outcome": "completed",
        "solver_name": SOLVERS[index % 4],
        "solver_steps": 1 << (index // 4 % 6),
        "seed": index // 24,
    }
    spec = json.dumps({name: name for name in SCHEMAS["runs"].names[4:32]})
    return (
        text
        | number
        | real
        | given
        | {"spec": spec, "started_at": finished, "finished_at": finished, "epochs": epochs}
    )


def evaluations_of(ids: dict[str, str]) -> list[dict[str, Any]]:
    """Two evaluations of one run."""
    filled: dict[str, Any] = {
        "outcome": "completed",
        "test_solver": "euler",
        "test_solver_steps": 64,
        "accuracy": 0.5,
        "loss": 0.5,
    }
    return [
        filled | ids | {"eval_id": f"{one}" * 32, "finished_at": datetime(2026, 1, 2, tzinfo=UTC)}
        for one in (1, 2)
    ]


def plan_row(index: int, trial: str) -> dict[str, Any]:
    """The run's trial in the plan: three axes and a seed."""
    axes = {
        "solver": SOLVERS[index % 4],
        "steps": 1 << (index // 4 % 6),
        "norm": f"norm{index // 24 % 5}",
    }
    no_axes = {"grid": [], "solver": None, "factor": [], "tolerance": None}
    given = {
        "evaluations": [
            {"eval_id": f"{steps}" * 32, **no_axes, "steps": steps} for steps in (1, 2)
        ],
        "probes": [],
    }
    return {
        "trial_id": trial,
        "cell_id": trial,
        "axes": axes,
        "seed": index // 120,
        "predicted_seconds": 60.0,
    } | given


def events(worker: str, ids: dict[str, list[str]]) -> Iterator[str]:
    """A start, two heartbeats and an end of each run."""
    head = {"worker": worker, "host": "elsewhere", "pid": 1}
    for at, (trial, attempt) in enumerate(zip(ids["trial_id"], ids["attempt_id"], strict=True)):
        for event, more in (
            (
                "started",
                {
                    "attempt_id": attempt,
                    "resume_iteration": 0,
                    "log": "logs/x.log",
                    "log_offset": 0,
                },
            ),
            (
                "heartbeat",
                {"iteration": 10, "iterations": 100, "seconds_per_iteration": 0.1, "loss": 0.5},
            ),
            (
                "heartbeat",
                {"iteration": 90, "iterations": 100, "seconds_per_iteration": 0.1, "loss": 0.5},
            ),
            ("finished", {"outcome": "completed", "fingerprint": None}),
        ):
            yield (
                json.dumps({"at": 1.7e9 + at, **head, "event": event, "trial_id": trial, **more})
                + "\n"
            )


if __name__ == "__main__":
    print(machine_line())
    main(sys.argv[1:])
