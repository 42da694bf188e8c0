"""Two commands in one results folder divide its trials and train none twice."""

import os
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import LONG, events, runs, start
from executor_contract import accepted_once
from one_attempt import DENSE, context
from store_rows import run

from sweeps.execute import inline
from sweeps.limits import Limits
from sweeps.store import EventLog, Results, Writer
from sweeps.worker import choose
from sweeps.worker.attempts import RESUMES_ALLOWED, process_alive
from sweeps.worker.choose import Chooser, always
from sweeps.worker.messages import Assignment
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.shard import Shard
from sweeps.worker.slot import InProcessSlot
from sweeps.worker.tasks import Task

TASK = Task(DENSE.trial_id, DENSE.spec, True, (), (), 0.0)
EVALUATED = replace(TASK, evaluations=tuple(one.evaluation for one in DENSE.evaluations))
TRIAL = DENSE.trial_id


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "results")
    found.create()
    return found


def chooser(results: Results, worker: str = "w", claim: float = 60.0, task: Task = TASK) -> Chooser:
    about = replace(context(results.path), limits=Limits(claim_seconds=claim))
    return Chooser([task], results, worker, about)


def says(results: Results, worker: str, event: str, **fields: Any) -> None:
    log = EventLog(results, worker)
    log.append(event, trial_id=TRIAL, attempt_id=f"of-{worker}", **fields)
    log.close()


def publish(results: Results, worker: str) -> None:
    """The row of the trial."""
    writer = Writer(results, worker)
    writer.add("runs", [run(TRIAL, f"of-{worker}")])
    writer.close()


def test_two_commands_that_begin_together_train_every_trial_once(tmp_path: Path) -> None:
    results = tmp_path / "results"
    both = [start("run", LONG, "train.iterations=300", results=results) for _ in range(2)]
    for one in both:
        _, err = one.communicate(timeout=100)
        assert one.returncode == 0, err
    began = len(events(results, "started")) - len(events(results, "yielded"))
    assert began == 2 == len(runs(results))
    assert accepted_once(results)


def test_the_trial_of_a_worker_that_lives_is_left_to_it(results: Results) -> None:
    says(results, "other", "started")
    one = chooser(results)
    assert one.next() is None
    assert one.elsewhere == [TRIAL]
    assert chooser(results, claim=0.0).next() is TASK, "silent for longer than the claim"
    says(results, "other", "interrupted")
    assert chooser(results).next() is TASK


def test_a_result_whose_row_is_still_in_memory_is_waited_for(results: Results) -> None:
    says(results, "other", "started")
    says(results, "other", "finished", outcome="completed")
    assert chooser(results).next() is None
    assert chooser(results, claim=0.0).next() is TASK, "its worker died with the row"
    says(results, "other", "worker_ended", reason="done")
    assert chooser(results).next() is TASK, "the row was lost, or withdrawn"


def test_of_two_that_started_in_one_moment_the_first_goes_on(results: Results) -> None:
    says(results, "b", "started")
    time.sleep(0.01)
    says(results, "a", "started")
    first, second = chooser(results, "b"), chooser(results, "a")
    for one in (first, second):
        one.read_events()
    assert not first.started_before(TRIAL)
    assert second.started_before(TRIAL)
    says(results, "b", "interrupted")
    second.read_events()
    assert not second.started_before(TRIAL), "the other has left it"


class Begun(Watcher):
    """Remembers what was shown as begun."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def began(self, task: Task, attempts: int) -> None:
        self.tasks.append(task)


class NoSlot(InProcessSlot):
    """Trains nothing, and remembers what it was given."""

    def run(self, assignments: Sequence[Assignment], *_: object) -> None:
        self.given = assignments


def test_starts_that_yield_are_no_attempts(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(results, "first", "started")
    for number in range(RESUMES_ALLOWED + 1):
        about = context(results.path)
        about = replace(about, provenance=about.provenance | {"worker_id": f"later{number}"})
        slot, begun = NoSlot(about), Begun()
        shard = Shard([TASK], about, slot, tmp_path / "log", lambda: None, begun, always, {})
        # Nobody had seen the first one when they chose.
        answers = iter([TASK, None])
        monkeypatch.setattr(shard.chooser, "next", lambda _fits, answers=answers: next(answers))
        shard.run()
        assert not begun.tasks
        assert not hasattr(slot, "given")
    one = chooser(results)
    one.refresh()
    assert one.verdict(TASK) == (0, None), "the trial is not given up for lack of progress"
    assert one.history.starts(TRIAL) == 1


def test_a_trial_that_another_took_since_the_last_look_is_left_to_it(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "LOOK_SHARE", 1e-9)
    one = chooser(results)
    assert one.next() is TASK
    says(results, "other", "started")
    assert one.next() is None
    assert one.elsewhere == [TRIAL]
    says(results, "other", "finished", outcome="completed")
    publish(results, "other")
    says(results, "other", "worker_ended", reason="done")
    one.read_events()
    assert one.next() is None
    assert one.settled == {TRIAL: "completed"}, "the row is there once its worker has ended"


def test_evaluations_whose_rows_are_still_in_memory_are_waited_for(results: Results) -> None:
    publish(results, "trainer")
    says(results, "other", "started")
    assert chooser(results, task=EVALUATED).next() is None
    says(results, "other", "finished", outcome="evaluated")
    assert chooser(results, task=EVALUATED).next() is None
    left = chooser(results, claim=0.0, task=EVALUATED).next()
    assert left, "its worker died with the rows"
    assert not left.train
    says(results, "other", "worker_ended", reason="done")
    assert chooser(results, task=EVALUATED).next(), "its rows were lost"


def test_a_slot_does_not_wait_for_others_while_there_are_shards_left(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(results, "other", "started")
    ran: list[tuple[int, bool]] = []

    class OneTrial:
        """A worker whose shard 0 has the trial that another one runs, until its second turn."""

        def __init__(self, *_: object, **__: object) -> None: ...

        def slot(self) -> InProcessSlot:
            return NoSlot(context(results.path))

        def run(self, shard: int, slot: InProcessSlot, *_: object, patient: Any) -> ShardReport:
            ran.append((shard, patient()))
            tasks = [TASK] if ran[-1] == (0, False) else []
            given = (lambda: None, Watcher(), always, {}, patient)
            return Shard(tasks, slot.context, slot, tmp_path / "log", *given).run()

    monkeypatch.setattr(inline, "Worker", OneTrial)
    report = inline.Inline(results)._side_by_side("submission", range(3), 1, Watcher())
    assert ran == [(0, False), (1, False), (2, False), (0, True)]
    assert report.stopped is None


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_killed_process_is_gone_even_if_its_parent_does_not_ask() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_alive(socket.gethostname(), process.pid) is False
    process.wait()
