"""What every executor must do, as a class that its test inherits.

An example: `class TestRay(ExecutorContract): arguments = ("--executor", "ray")`.
"""

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command import (
    LONG,
    TINY,
    events,
    odesweep,
    running,
    runs,
    science,
    start,
    trial_process,
    wait_for,
)

from sweeps.store import Results, accepted_evaluations, accepted_runs, list_submissions

OFTEN = {"ODESWEEP_CHECKPOINT_SECONDS": "0.1"}


@pytest.fixture(scope="session")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both trials of LONG, run inline without interruption.

    Every other way to run them must give bit-identical results.
    """
    results = tmp_path_factory.mktemp("uncut") / "results"
    code, _, err = odesweep("run", LONG, results=results)
    assert code == 0, err
    assert len(science(results)) == 2
    return results


def accepted_once(results: Path) -> bool:
    counts = Counter(row["trial_id"] for row in accepted_runs(Results(results)).to_pylist())
    return set(counts.values()) == {1}


class ExecutorContract:
    """Inherit and set `arguments`."""

    arguments: tuple[str, ...]

    def run(self, *arguments: str, results: Path, **environment: str) -> tuple[int, str, str]:
        return odesweep("run", *arguments, *self.arguments, results=results, **environment)

    def trial_of(self, event: dict[str, Any]) -> int:
        """The process that trains for the worker of an event."""
        return trial_process(event["pid"])

    def stop(self, driver: subprocess.Popen[str], worker: int, number: signal.Signals) -> None:
        """Ask the run to stop; where trials outlive the command, ask the worker."""
        driver.send_signal(number)

    def test_rows_a_second_run_a_seed_and_a_test_solver_added(self, tmp_path: Path) -> None:
        results = tmp_path / "results"
        code, out, err = self.run(TINY, results=results)
        assert code == 0, err
        assert "4 completed" in out
        first = science(results)
        assert len(first) == 4
        assert {row["executor"] for row in runs(results)} == {self.arguments[1]}
        assert accepted_evaluations(Results(results)).num_rows == 16
        submissions = len(list_submissions(Results(results)))

        assert self.run(TINY, results=results)[0] == 0
        assert len(list_submissions(Results(results))) == submissions

        code, out, err = self.run(TINY, "+seed=2", "+evaluations.solver=heun", results=results)
        assert code == 0, err
        grown = science(results)
        assert len(grown) == 6
        assert first.items() <= grown.items()
        assert len(runs(results)) == 6
        assert accepted_evaluations(Results(results)).num_rows == 36

        trial = next(iter(first))
        code, out, _ = odesweep("logs", trial[:12], results=results)
        assert code == 0
        assert "completed at iteration 10" in out
        assert out.count("== attempt") == 1 + 1  # trained, then evaluated under heun

    def test_a_fault_is_named_and_leaves_the_others_alone(self, tmp_path: Path) -> None:
        results = tmp_path / "results"
        code, out, err = self.run("faults", "seed=0", results=results, ODESWEEP_STALL_SECONDS="8")
        assert code == 1, err
        assert "Traceback" not in err + out
        ended = {
            row["model_fault"]: (row["outcome"], row["fingerprint"], row["outcome_detail"])
            for row in runs(results)
        }
        assert ended.keys() == {"none", "raise", "segfault", "kill_self", "hang", "allocate"}
        assert ended["none"][0] == "completed"
        assert ended["raise"][0] == "crashed"
        assert ended["raise"][1].startswith("RuntimeError-")
        for killed in ("segfault", "kill_self"):
            assert ended[killed] == ("crashed", "killed", "killed twice, cause unknown")
        assert ended["hang"][:2] == ("crashed", "hung")
        assert ended["allocate"][0] == "out_of_memory"
        [crashed] = [row for row in runs(results) if row["model_fault"] == "raise"]
        assert "planted fault" in crashed["traceback"]

    def test_a_killed_trial_goes_on_from_its_checkpoint(self, tmp_path: Path, uncut: Path) -> None:
        results = tmp_path / "results"
        driver = start("run", LONG, *self.arguments, results=results, **OFTEN)
        checkpoint = wait_for(lambda: events(results, "checkpoint"))[-1]
        os.kill(self.trial_of(checkpoint), signal.SIGKILL)
        out, err = driver.communicate(timeout=150)
        assert driver.returncode == 0, err
        assert "2 completed" in out
        assert "SIGKILL" in err
        assert science(results) == science(uncut)
        assert accepted_once(results)
        [row] = [row for row in runs(results) if row["trial_id"] == checkpoint["trial_id"]]
        assert row["attempts"] == 2
        assert not row["timing_valid"]
        resumed = [
            e for e in events(results, "started") if e["trial_id"] == checkpoint["trial_id"]
        ][-1]
        assert resumed["resume_iteration"] >= checkpoint["iteration"]

    def test_sigterm_means_checkpoint_publish_and_stop(self, tmp_path: Path, uncut: Path) -> None:
        self.check_signal(tmp_path / "results", uncut, signal.SIGTERM)

    def check_signal(self, results: Path, uncut: Path, number: signal.Signals) -> None:
        driver = start("run", LONG, *self.arguments, results=results, **OFTEN)
        worker = wait_for(lambda: events(results, "checkpoint"))[0]["pid"]
        child = trial_process(worker)
        self.stop(driver, worker, number)
        _, err = driver.communicate(timeout=100)
        assert driver.returncode == 1, err
        assert number.name in err
        assert "Traceback" not in err
        wait_for(lambda: not running(child), 10)
        interrupted = events(results, "interrupted")
        assert interrupted
        assert {e["cause"] for e in interrupted} == {number.name}
        assert self.run(LONG, results=results)[0] == 0
        for one in interrupted:
            resumed = [e for e in events(results, "started") if e["trial_id"] == one["trial_id"]][
                -1
            ]
            assert resumed["resume_iteration"] == one["iteration"]
        assert science(results) == science(uncut)
        assert accepted_once(results)

    def test_cancel_ends_it_before_its_next_trial(self, tmp_path: Path) -> None:
        results = tmp_path / "results"
        driver = start("run", "idle", *self.arguments, results=results)
        wait_for(lambda: events(results, "finished"))
        assert odesweep("cancel", "idle", results=results)[0] == 0
        _, err = driver.communicate(timeout=100)
        assert driver.returncode == 1, err
        assert "cancelled" in err
        assert 0 < len(runs(results)) < 40
        [status] = json.loads(odesweep("status", "idle", "--json", results=results)[1])
        assert status["done"] == len(runs(results))
        assert status["running"] == 0

    def test_exit_codes(self, tmp_path: Path) -> None:
        code, _, err = self.run(TINY, "+solver.steps=0", results=tmp_path / "results")
        assert (code, len(err.strip().splitlines())) == (2, 1)
        (tmp_path / "file").write_text("")
        code, _, err = self.run(TINY, results=tmp_path / "file" / "results")
        assert (code, len(err.strip().splitlines())) == (3, 1)
