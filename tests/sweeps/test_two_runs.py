"""Two commands in one results folder divide its trials and train none twice."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command import LONG, events, runs, start
from executor_contract import accepted_once
from one_attempt import DENSE, context
from store_rows import run
from tiny import TINY

from sweeps.execute import inline
from sweeps.execute.scheduler import Setup
from sweeps.limits import Limits
from sweeps.profiles import Profile
from sweeps.store import EventLog, Results, Writer
from sweeps.study.overrides import select
from sweeps.worker import choose
from sweeps.worker.attempts import RESUMES_ALLOWED, process_alive
from sweeps.worker.choose import Chooser, always
from sweeps.worker.messages import Assignment
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.shard import Shard
from sweeps.worker.slot import InProcessSlot, OnMessage
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
    given: dict[str, Any] = {"trial_id": TRIAL, "attempt_id": f"of-{worker}"} | fields
    log.append(event, **given)
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

    given: Sequence[Assignment] = ()

    def run(
        self,
        assignments: Sequence[Assignment],
        on_message: OnMessage,
        should_stop: Callable[[], bool],
    ) -> None:
        self.given = assignments


def run_unseen(
    results: Results, tmp_path: Path, tasks: list[Task], worker: str, begun: Begun
) -> NoSlot:
    """The slot of a shard that chose the first task before it saw that another had started it."""
    about = replace(context(results.path), stack=2)
    about = replace(about, provenance=about.provenance | {"worker_id": worker})
    slot = NoSlot(about)
    shard = Shard(tasks, about, slot, tmp_path / "log", lambda: None, begun, always, {})
    answers = iter([tasks[0], None])
    shard.chooser.next = lambda fits=always: next(answers)  # noqa: ARG005 - its signature
    says(results, "first", "started", trial_id=tasks[0].trial_id)
    shard.run()
    return slot


def test_starts_that_yield_are_no_attempts(results: Results, tmp_path: Path) -> None:
    begun = Begun()
    for number in range(RESUMES_ALLOWED + 1):
        assert not run_unseen(results, tmp_path, [TASK], f"later{number}", begun).given
    assert not begun.tasks
    one = chooser(results)
    one.refresh()
    assert one.verdict(TASK) == (0, None), "the trial is not given up for lack of progress"
    assert one.history.starts(TRIAL) == 1


def test_a_stack_goes_on_without_a_member_that_another_started_first(
    results: Results, tmp_path: Path
) -> None:
    alike = [one for one in select(TINY).declared if one.axes["solver.steps"] == 1]
    tasks = [Task(one.trial_id, one.spec, True, (), (), 0.0) for one in alike]
    slot = run_unseen(results, tmp_path, tasks, "later", Begun())
    assert [one.task for one in slot.given] == tasks[1:]
    assert len(tasks) == 2


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
    first_turn = threading.Event()

    class OneTrial:
        """A worker whose shard 0 has the trial that another one runs, until its second turn."""

        def __init__(self, *_: object, **__: object) -> None: ...

        def slot(self) -> InProcessSlot:
            return NoSlot(replace(context(results.path), limits=Limits(claim_seconds=5)))

        def run(self, shard: int, slot: InProcessSlot, *_: object, patient: Any) -> ShardReport:
            if shard:
                first_turn.wait(10)
            tasks = [TASK] if shard == 0 and not first_turn.is_set() else []
            ran.append((shard, patient()))
            given = (lambda: None, Watcher(), always, {}, patient)
            report = Shard(tasks, slot.context, slot, tmp_path / "log", *given).run()
            first_turn.set()
            return report

    sent = SimpleNamespace(rows=lambda: [{"shard": shard} for shard in range(3)])
    monkeypatch.setattr(inline, "read_submission", lambda *_: sent)
    monkeypatch.setattr(inline, "Worker", OneTrial)
    inline.Inline(results, Setup(profile=Profile(slots=2))).send("submission", Watcher())
    assert ran[0] == (0, False)
    assert (0, True) in ran[1:]
    assert sorted(shard for shard, _ in ran) == [0, 0, 1, 2]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_killed_process_is_gone_even_if_its_parent_does_not_ask() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_alive(socket.gethostname(), process.pid) is False
    process.wait()
