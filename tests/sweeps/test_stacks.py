"""Trials that train as one stack: their rows, deaths, stops, and time."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from command import LONG, events, odesweep, runs, start, trial_process, wait_for
from executor_contract import OFTEN, accepted_once

from odecore.training.stack import Stack
from sweeps.worker.attempts import History

# Two seeds at two learning rates, of which one diverges.
FOUR = (LONG, "solver=euler", "+seed=1", "train.optimizer.lr=1e-3,1e30")
SAME = ("outcome", "outcome_iteration", "nfe_forward", "nfe_backward")
NEARLY = ("accuracy_test", "accuracy_train", "loss_test", "loss_train")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The rows of the four trials, trained one after another."""
    results = tmp_path_factory.mktemp("alone")
    assert odesweep("run", *FOUR, results=results)[0] == 0
    return by_trial(results)


def by_trial(results: Path) -> dict[str, dict[str, Any]]:
    return {row["trial_id"]: row for row in runs(results)}


def assert_alike(results: Path, alone: dict[str, dict[str, Any]]) -> None:
    rows = by_trial(results)
    assert rows.keys() == alone.keys()
    for trial_id, expected in alone.items():
        row = rows[trial_id]
        assert [row[name] for name in SAME] == [expected[name] for name in SAME]
        assert [row[name] for name in NEARLY] == pytest.approx(
            [expected[name] for name in NEARLY], abs=2e-3, nan_ok=True
        )
    assert accepted_once(results)


def test_every_member_has_its_row_as_if_it_had_trained_alone(
    tmp_path: Path, alone: dict[str, dict[str, Any]]
) -> None:
    code, out, _ = odesweep("run", *FOUR, "--stack", "8", results=tmp_path)
    assert code == 0
    assert "2 completed" in out
    assert_alike(tmp_path, alone)
    rows = by_trial(tmp_path).values()
    assert {row["numerics"] for row in rows} == {"eager, 4 stacked"}
    assert {row["timing_valid"] for row in rows} == {False}
    names = [event["event"] for event in events(tmp_path)]
    assert names.index("finished") > max(i for i, name in enumerate(names) if name == "started")
    assert sorted(row["outcome"] for row in rows) == ["completed"] * 2 + ["diverged"] * 2


@pytest.mark.slow
def test_members_whose_process_dies_go_on_alone(
    tmp_path: Path, alone: dict[str, dict[str, Any]]
) -> None:
    driver = start("run", *FOUR, "--stack", "8", results=tmp_path, **OFTEN)
    wait_for(lambda: events(tmp_path, "checkpoint"))
    os.kill(trial_process(driver.pid), signal.SIGKILL)
    _, err = driver.communicate(timeout=100)
    assert driver.returncode == 0, err
    died = {event["trial_id"] for event in events(tmp_path, "died")}
    assert len(died) >= 2
    told = [
        (event["event"], event["trial_id"])
        for event in events(tmp_path)
        if event["event"] in ("started", "finished") and event["trial_id"] in died
    ]
    # Those that died began as a stack, and then each ended before the next began.
    again = told[len(died) :]
    assert [name for name, _ in again] == ["started", "finished"] * len(died)
    assert [trial for _, trial in again[::2]] == [trial for _, trial in again[1::2]]
    assert_alike(tmp_path, alone)


@pytest.mark.slow
def test_a_stack_that_is_told_to_stop_goes_on_as_a_stack(
    tmp_path: Path, alone: dict[str, dict[str, Any]]
) -> None:
    driver = start("run", *FOUR, "--stack", "8", results=tmp_path, **OFTEN)
    wait_for(lambda: events(tmp_path, "checkpoint"))
    driver.send_signal(signal.SIGTERM)
    driver.communicate(timeout=60)
    stopped = events(tmp_path, "interrupted")
    assert len(stopped) == 2
    assert len({event["iteration"] for event in stopped}) == 1
    assert odesweep("run", *FOUR, "--stack", "8", results=tmp_path)[0] == 0
    assert {event["resume_iteration"] for event in events(tmp_path, "started")[-2:]} == {
        stopped[0]["iteration"]
    }
    assert_alike(tmp_path, alone)


def test_a_stack_that_fails_trains_each_member_alone(
    tmp_path: Path, alone: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweeps.cli import main

    def fail(*_: Any) -> None:
        raise RuntimeError("nobody knows whose fault it is")

    monkeypatch.setattr(Stack, "run", fail)
    # Slots in this process, so that the failure is in it.
    from sweeps.execute.worker import Worker
    from sweeps.worker.slot import InProcessSlot

    monkeypatch.setattr(Worker, "slot", lambda self, **_: InProcessSlot(self.context))
    monkeypatch.setattr(
        "sys.argv", ["odesweep", "run", *FOUR, "--stack", "8", "--results", str(tmp_path)]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert_alike(tmp_path, alone)


def test_trials_of_a_stack_share_the_time_of_their_worker() -> None:
    base = {"host": "h", "pid": 1, "worker": "w"}
    found = History()
    found.add([{"event": "worker_started", "at": 0.0, **base, "command_id": "c"}])
    for trial, start_at, end in (("a", 10.0, 40.0), ("b", 10.0, 70.0), ("c", 90.0, 100.0)):
        about = base | {"trial_id": trial, "attempt_id": trial}
        found.add([{"event": "started", "at": start_at, **about}])
        found.add([{"event": "heartbeat", "at": end, **about}])
    assert found.busy_seconds("c") == 70
    assert found.unfinished == {"a", "b", "c"}
    found.add([{"event": "worker_ended", "at": 100.0, **base}])
    assert not found.unfinished
