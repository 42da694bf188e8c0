"""`slots = "auto"` under SLURM: what a task asks for, measures, takes from others, and divides."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import TINY, odesweep

from sweeps.execute import auto_slots as measuring
from sweeps.execute.scheduler import Setup
from sweeps.execute.worker import Part, Worker
from sweeps.notify import Notifier
from sweeps.planning.budget import Budget
from sweeps.planning.plan import plan
from sweeps.profiles import Profile
from sweeps.slurm import auto_slots
from sweeps.slurm.arrays import Room, shard_count
from sweeps.slurm.auto_slots import slots_here
from sweeps.slurm.inflight import TaskHistory, sent_array, worker_name
from sweeps.slurm.profile import sbatch_options
from sweeps.slurm.scheduler import Slurm
from sweeps.store import (
    EventLog,
    EventReader,
    Results,
    Submission,
    read_submission,
    write_submission,
)
from sweeps.studies import find
from sweeps.study.overrides import select
from sweeps.worker.report import Watcher
from sweeps.worker.tasks import Task

AUTO = Profile(slots="auto", cpus=4, gpus=1, options={"time": "12:00:00"})
METADATA = {"study": "demo", "scale": "paper", "executor": "slurm", "command": "odesweep"}
METADATA |= {"created_at": "2026-01-01T00:00:00+00:00"}


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Submission:
    """Eight trials in a task with four CPUs."""
    results = Results(tmp_path / "results")
    monkeypatch.setattr(Slurm, "_config", {})
    tasks = [Task.from_entry(entry) for entry in plan(select(find("demo"))).entries[:8]]
    settings = Slurm(results, Setup(profile=AUTO, budget=Budget("2gpuh", 7200.0))).settings([tasks])
    rows = [task.to_row(0, index) for index, task in enumerate(tasks)]
    submission = write_submission(results, rows, METADATA, settings)
    return read_submission(results, submission)


@pytest.fixture
def here(
    sent: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, int]]:
    """What a task finds whose processes are so fast, and how many measurements there were."""
    results, measured = Results(tmp_path / "results"), [0]

    def find_slots(rates: dict[int, float], *, stopped: bool = False) -> tuple[int, str, int]:
        def measure(*_: Any, **__: Any) -> dict[int, float]:
            measured[0] += 1
            return rates

        monkeypatch.setattr(auto_slots, "measure", measure)
        events = EventReader(results).poll()
        worker = worker_name("n1", "7", 0, 0, f"{measured[0]:08x}")
        best, line = slots_here(results, sent, 0, worker, events, lambda: stopped)
        return best.count, line, measured[0]

    return find_slots


def test_a_task_asks_for_the_profiles_cpus_and_gpus_and_gets_enough_trials() -> None:
    options = sbatch_options(AUTO)
    assert (options["cpus_per_task"], options["gpus_per_node"]) == (4, 1)
    assert shard_count([3600.0] * 50, AUTO, Room(1001)) == 50 // 4
    assert shard_count([3600.0] * 50, AUTO.model_copy(update={"gpus": 2}), Room(1001)) == 50 // 4
    assert shard_count([3600.0] * 3, AUTO, Room(1001)) == 1
    assert shard_count([3600.0] * 50, AUTO.model_copy(update={"cpus": 1}), Room(1001)) == 50
    # A task whose best number is one must end in time as well.
    short = AUTO.model_copy(update={"options": {"time": "04:00:00"}})
    assert shard_count([3600.0] * 50, short, Room(1001)) == 26


def test_the_command_line_says_it_instead_of_the_profile(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    shipped = ("--executor", "slurm", "--profile", "a100", "--dry-run")
    for slots, cpus in (("auto", 4), ("2", 8)):
        code, out, err = odesweep("run", TINY, *shipped, "--slots", slots, results=tmp_path / "r")
        assert code == 0, err
        assert f"#SBATCH --cpus-per-task={cpus}\n" in out


def test_a_measurement_is_made_once_for_all_tasks_on_such_a_device(
    here: Callable[..., tuple[int, str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    count, line, measured = here({1: 10.0, 2: 18.0, 4: 17.0})
    assert (count, measured) == (2, 1)
    assert line.startswith("slots = auto: 2 (steps per second with 1: 10, 2: 18, 4: 17) on ")
    count, line, measured = here({1: 10.0, 2: 1.0})
    assert (count, measured) == (2, 1)
    assert "as measured on " in line
    monkeypatch.setattr(auto_slots, "here", lambda: "another device")
    assert here({1: 10.0, 2: 1.0})[::2] == (1, 2)


@pytest.mark.parametrize(
    ("rates", "stopped"), [({1: 0.0}, False), ({1: 5.0, 2: 9.0}, True)], ids=["failed", "stopped"]
)
def test_what_was_not_measured_well_is_used_by_nobody_else(
    here: Callable[..., tuple[int, str, int]], rates: dict[int, float], stopped: bool
) -> None:
    first, _, _ = here(rates, stopped=stopped)
    assert first == max(rates)
    assert here({1: 1.0, 4: 2.0})[::2] == (4, 2)


def test_a_task_that_is_told_to_stop_does_not_end_its_measurement() -> None:
    spec = measuring.heaviest(
        [Task.from_entry(entry) for entry in plan(select(find("demo"))).entries]
    )
    assert spec
    started = time.monotonic()
    assert measuring.measure(spec, None, (1, 2), 2, stop=lambda: True) == {1: 0.0}
    assert time.monotonic() - started < 5


def test_slots_of_a_task_divide_its_trials_its_cpus_and_the_budget(
    sent: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    workers = [
        Worker(Results(tmp_path / "results"), sent.submission_id, Watcher(), part=Part(number, 2))
        for number in range(2)
    ]
    trials = [{task.trial_id for task in worker.trials(0)} for worker in workers]
    assert sum(map(len, trials)) == 8
    seconds = [[task.predicted_seconds for task in worker.trials(0)] for worker in workers]
    assert abs(sum(seconds[0]) - sum(seconds[1])) <= max(seconds[0] + seconds[1])
    assert trials[0] | trials[1] == {row["trial_id"] for row in sent.rows()}
    assert [worker.context.threads for worker in workers] == [2, 2]
    assert not workers[0].context.exclusive
    budget = workers[0].context.budget
    assert budget
    assert budget.slot_seconds == 2 * 2 * 3600


def test_a_task_is_over_when_all_slots_that_it_chose_have_ended(
    sent: Submission, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, told = Results(tmp_path / "results"), list[str]()
    monkeypatch.setattr(Notifier, "tell", lambda _self, event, *_: told.append(event))
    notifier = replace(Notifier.of(results, sent), profile="mine.toml")
    array = sent_array(sent.submission_id, sent.metadata, None)
    workers = [EventLog(results, worker_name("n1", "7", 0, 0, f"{slot:08x}")) for slot in range(2)]

    def tell(event: str, number: int, **fields: Any) -> tuple[bool, list[str]]:
        workers[number].append(event, **fields)
        history = TaskHistory()
        history.add(EventReader(results).poll())
        notifier.tell_end(None)
        return history.over(array, 0), told

    begin = {"submission_id": sent.submission_id, "shard": 0, "slots": 2}
    begin["command_id"] = sent.settings()["command_id"]
    assert tell("worker_started", 0, slot=0, **begin) == (False, [])
    assert tell("worker_ended", 0, reason="done") == (False, [])
    assert tell("worker_started", 1, slot=1, **begin) == (False, [])
    assert tell("worker_ended", 1, reason="done") == (True, ["done"])
