"""Shards: nothing is lost, nothing is there twice, no slot is much longer than necessary.

Also the stall guard.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import ALIKE, Job

from odecore.config import TrialSpec
from sweeps.errors import UserError
from sweeps.limits import Limits
from sweeps.planning.shards import SHARDS_PER_SLOT, balance, local_slots, shard_count
from sweeps.profiles import Profile
from sweeps.worker.guard import START_SECONDS, Guard
from sweeps.worker.messages import Context, Progress
from sweeps.worker.repeated_crashes import shared_values
from sweeps.worker.report import exit_words
from sweeps.worker.slot import ChildSlot


@given(st.lists(st.floats(0, 1e4), max_size=60), st.integers(1, 12))
def test_shards_hold_every_task_once_and_are_balanced(seconds: list[float], shards: int) -> None:
    tasks = [Job(value, number) for number, value in enumerate(seconds)]
    lists = balance(tasks, shards)
    assert sorted(task.number for shard in lists for task in shard) == list(range(len(tasks)))
    assert len(lists) == min(shards, len(tasks))
    assert all(lists)
    loads = [sum(task.predicted_seconds for task in shard) for shard in lists]
    assert loads == sorted(loads, reverse=True)
    if lists:
        # Graham 1969: longest-first is within 4/3 - 1/(3m) of the best, which is at least the mean
        # and the longest task.
        best = max(sum(loads) / len(lists), max(seconds))
        assert loads[0] <= (4 / 3) * best + best * len(tasks) * 1e-9 or loads[0] <= sum(
            loads
        ) / len(lists) + max(seconds)
    for shard in lists:
        assert [task.predicted_seconds for task in shard] == sorted(
            (task.predicted_seconds for task in shard), reverse=True
        )


def test_tasks_of_no_predicted_length_spread_as_well() -> None:
    assert [len(shard) for shard in balance([Job(0.0, n) for n in range(12)], 4)] == [3, 3, 3, 3]


def test_trials_of_a_stack_stay_together() -> None:
    solver = {"solver": {"name": "euler", "steps": 4}}
    other = TrialSpec.model_validate(ALIKE.model_dump() | solver)
    jobs = [Job(1.0, n, spec=(ALIKE, other)[n % 2]) for n in range(12)]
    shards = balance(jobs, 8, stack=3)
    assert [[job.number for job in shard] for shard in shards] == [
        [0, 2, 4],
        [6, 8, 10],
        [1, 3, 5],
        [7, 9, 11],
    ]
    adaptive = {"solver": {"name": "dopri5", "tolerance": 1e-3}}
    cannot = TrialSpec.model_validate(ALIKE.model_dump() | adaptive)
    jobs = [Job(1.0, n, spec=cannot) for n in range(6)]
    assert [len(shard) for shard in balance(jobs, 3, stack=2)] == [2, 2, 2]


def test_how_many_shards() -> None:
    assert shard_count(100, Profile(), 3) == 3 * SHARDS_PER_SLOT
    assert shard_count(5, Profile(), 3) == 5
    assert shard_count(10, Profile(trials_per_shard=4), 3) == 3
    assert local_slots(Profile(slots=3)) == 3


class Watch:
    """A clock for the guard, which a worker that runs asks every second."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def hung_at(self, guard: Guard, second: float) -> bool:
        """Whether the guard sees a hang by then."""
        hung = False
        while self.now < second:
            self.now = min(self.now + 1.0, second)
            hung = guard.hung()
        return hung


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr("sweeps.worker.guard.time", found)
    return found


def test_silence_is_a_hang_only_after_the_limit_or_twenty_median_steps(watch: Watch) -> None:
    guard = Guard(10.0)
    assert guard.limit_seconds == START_SECONDS
    guard.alive()
    assert not watch.hung_at(guard, 10.0)
    guard.alive(Progress(1, 9, 0.5, seconds_per_step=2.0))
    assert not watch.hung_at(guard, 49.0)
    assert watch.hung_at(guard, 50.1)
    guard.alive()
    assert guard.hung(), "once ended, the death that follows is ours"


def test_time_without_a_cpu_is_no_silence(watch: Watch) -> None:
    starved = 3.0
    guard = Guard(10.0, lambda: starved)
    guard.alive()
    starved = 93.0
    assert not watch.hung_at(guard, 100.0), "of 100 seconds it was refused a CPU for 90"
    assert watch.hung_at(guard, 103.1)


def test_time_in_which_the_worker_itself_was_suspended_is_no_silence(watch: Watch) -> None:
    guard = Guard(10.0)
    guard.alive()
    assert not watch.hung_at(guard, 9.0)
    watch.now = 1000.0
    assert not guard.hung()
    assert not watch.hung_at(guard, 1001.0)
    assert watch.hung_at(guard, 1001.1)


def test_a_process_that_others_starve_is_seen_to_wait(tmp_path: Path) -> None:
    slot = ChildSlot(cast(Context, None), tmp_path / "log")
    assert slot.starved_seconds() == 0
    busy = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile True: pass"
    processes = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(3)]
    try:
        slot._process = processes[0]  # pyright: ignore[reportPrivateUsage]
        until = time.monotonic() + 20
        while slot.starved_seconds() < 0.3 and time.monotonic() < until:
            time.sleep(0.1)
        assert slot.starved_seconds() >= 0.3
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODESWEEP_STALL_SECONDS", "7")
    assert Limits.from_environment().stall_seconds == 7
    monkeypatch.setenv("ODESWEEP_STALL_SECONDS", "soon")
    with pytest.raises(UserError, match=r"ODESWEEP_STALL_SECONDS = 'soon'"):
        Limits.from_environment()


def test_what_crashed_trials_share_and_others_lack() -> None:
    everybody = [{"solver": s, "seed": n, "width": 4} for s in ("euler", "rk4") for n in range(3)]
    assert shared_values(everybody[:3], everybody) == "solver=euler"
    assert shared_values(everybody, everybody) == "no value that the other trials lack"
    assert exit_words(-9) == "signal SIGKILL"
    assert exit_words(3) == "exit code 3"
