"""Commands that people run on a login node leave it to the others: few CPU-seconds, one thread."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, TINY
from store_rows import at, make
from tiny import WIDE as STUDY

from sweeps.planning.cost import Costs
from sweeps.planning.plan import save
from sweeps.spec import flatten
from sweeps.store import EventLog, Results, Writer, spec_columns
from sweeps.study.overrides import select

WIDE = TINY.replace(":tiny", ":wide")
# User and system together, with all processes that the command starts. About 1.5 here; an import of
# torch alone takes more than the rest.
CPU_SECONDS = 4.0


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 1,000 done trials of ten workers, each with four evaluations."""
    results = Results(tmp_path_factory.mktemp("large") / "results")
    selection = select(STUDY)
    assert len(selection.declared) == 1000
    save(results, selection, Costs(), WIDE)
    for worker in range(10):
        writer, log = Writer(results, f"w{worker}"), EventLog(results, f"w{worker}")
        log.append("worker_started", submission_id="s", executor="inline")
        for number, trial in enumerate(selection.declared[100 * worker : 100 * (worker + 1)]):
            ids: dict[str, Any] = {"trial_id": trial.trial_id, "attempt_id": f"a-{trial.trial_id}"}
            facts = ids | {"finished_at": at(number), "weights_sha256": trial.trial_id}
            own = {
                "cell_id": trial.cell_id,
                "spec": trial.spec.model_dump_json(),
                **spec_columns(flatten(trial.spec)),
            }
            writer.add("runs", [make("runs", **facts, **own)])
            evaluations = [
                make("evaluations", eval_id=one.eval_id, **facts) for one in trial.evaluations
            ]
            writer.add("evaluations", evaluations)
            log.append("started", resume_iteration=0, **ids)
            log.append("finished", trial_id=trial.trial_id, outcome="completed")
        writer.close()
        log.append("worker_ended", reason="done")
        log.close()
    return results.path


@pytest.fixture
def login_node(tmp_path: Path) -> str:
    """A PATH with a program that submits jobs, and without GPU."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text("#!/bin/sh\n")
    (folder / "sbatch").chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("arguments", [("plan", WIDE), ("status", "wide"), ("doctor", WIDE)])
def test_looking_at_a_thousand_trials_takes_few_cpu_seconds(
    results: Path, login_node: str, arguments: tuple[str, ...]
) -> None:
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--results", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": login_node},
    )
    assert process.stdout
    said = process.stdout.read().decode()
    process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    assert used.ru_utime + used.ru_stime < CPU_SECONDS, said
    expected = {
        "plan": "1,000 done",
        "status": "1,000 of 1,000 trials done",
        "doctor": "torch              not imported on a login node",
    }
    assert expected[arguments[0]] in said


@pytest.mark.parametrize(("command", "threads"), [("plan", "1"), ("status", "1"), ("run", None)])
def test_blas_has_one_thread_except_where_trials_start(command: str, threads: str | None) -> None:
    code = f"""
import os, sys
sys.argv = ["odesweep", {command!r}, "--help"]
from sweeps.cli import main
try:
    main()
finally:
    print("BLAS", os.environ.get("OPENBLAS_NUM_THREADS"))
"""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == f"BLAS {threads}"
