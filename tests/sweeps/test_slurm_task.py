"""The task on the node.

Which id is requeued, what each signal means, what is forgiven after a requeue, and which trials
start near the time limit.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sweeps.slurm import task as slurm_task
from sweeps.slurm.bad_nodes import exclude_nodes
from sweeps.slurm.inflight import worker_name
from sweeps.slurm.task import Signals, TaskId, close_earlier_starts
from sweeps.store import EventLog, EventReader, Results
from sweeps.worker.attempts import History
from sweeps.worker.choose import Chooser
from sweeps.worker.messages import Context


@pytest.fixture
def handlers() -> Iterator[None]:
    numbers = (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_an_array_task_is_requeued_as_a_task_and_never_by_its_job_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As SLURM sets them in the last task of an array, where both ids are the same.
    for name, value in {
        "ARRAY_JOB_ID": "49",
        "JOB_ID": "49",
        "ARRAY_TASK_ID": "3",
        "RESTART_COUNT": "2",
    }.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    task = TaskId.here(3)
    assert (task.requeue_id, task.job_id, task.restart) == ("49_3", "49", 2)
    for name in ("ARRAY_JOB_ID", "ARRAY_TASK_ID", "RESTART_COUNT"):
        monkeypatch.delenv(f"SLURM_{name}")
    task = TaskId.here(0)
    assert (task.requeue_id, task.job_id, task.restart) == ("49", "49", 0)


@pytest.mark.parametrize(
    ("sent", "cause", "terminated"),
    [
        ((signal.SIGUSR2,), "SIGUSR2", False),
        ((signal.SIGTERM,), "SIGTERM", True),
        ((signal.SIGUSR2, signal.SIGTERM), "SIGUSR2", True),
        ((signal.SIGTERM, signal.SIGUSR2), "SIGTERM", True),
    ],
    ids=["limit", "preempted or cancelled", "limit, then cancelled", "preempted, then warned"],
)
def test_the_first_signal_is_the_cause_and_sigterm_is_never_forgotten(
    handlers: None, sent: tuple[signal.Signals, ...], cause: str, terminated: bool
) -> None:
    signals = Signals()
    assert signals.cause() is None
    for number in sent:
        os.kill(os.getpid(), number)
    assert (signals.cause(), signals.terminated) == (cause, terminated)


def test_requeue_is_given_up_as_soon_as_the_task_is_being_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$*" >> {calls}\nexit 1\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm_task.time, "sleep", lambda _seconds: None)
    assert slurm_task.requeue(
        "49_3", lambda: not calls.exists() or len(calls.read_text().splitlines()) < 2
    )
    assert calls.read_text().splitlines() == ["requeue 49_3"] * 2


REFUSED = "Requested operation is presently disabled for job 49"


@pytest.mark.parametrize(
    ("script", "words"),
    [(None, "scontrol is not on this machine"), (f"echo '{REFUSED}' >&2; exit 1", REFUSED)],
    ids=["no scontrol", "not requeued"],
)
def test_what_stays_refused_is_asked_once_and_said(
    script: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_seconds: float) -> None:
        raise AssertionError("it waits for an answer that will not change")

    if script:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    # Not time.sleep itself: subprocess uses it as well.
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=wait)
    monkeypatch.setattr(slurm_task, "time", clock)
    refused = slurm_task.requeue("49_3", lambda: True)
    assert refused == f"SLURM gives no other turn: {words}"
    exclude_nodes("49", ["n3"])


@pytest.mark.parametrize(
    ("partition", "requeue", "words"),
    [
        ("gone", "1", "PreemptMode=CANCEL"),
        ("low", "0", "Requeue=0"),
        ("low", "1", None),
        ("low", None, None),
    ],
    ids=["cancelled", "not requeued", "comes back", "nobody can tell"],
)
def test_after_sigterm_a_task_knows_whether_it_comes_back(
    partition: str,
    requeue: str | None,
    words: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if requeue:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho JobId=49 Requeue={requeue} x=y\n")
        (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_PARTITION", partition)
    why = slurm_task.stays_away({"cancelling": ["gone"]}, "49_3")
    assert words in why if words and why else why == words


def test_a_new_turn_forgives_what_the_last_one_left_open(tmp_path: Path) -> None:
    results, here = Results(tmp_path / "results"), TaskId("71", 4, 1, "71_4")

    def left(trial: str, index: int, restart: int, submission: str, *, ended: bool = False) -> None:
        log = EventLog(results, worker_name("n1", "71", index, restart, trial * 8))
        log.append("worker_started", submission_id=submission)
        log.append("started", trial_id=trial, attempt_id=trial, resume_iteration=0)
        if ended:
            log.append("interrupted", trial_id=trial, cause="SIGTERM")
        log.close()

    left("a", 4, 0, "mine")
    left("b", 4, 0, "mine", ended=True)
    left("c", 5, 0, "mine")
    left("d", 4, 0, "other")
    close_earlier_starts(results, "mine", here, EventReader(results).poll())
    history = History()
    history.add(EventReader(results).poll())
    gone: Any = lambda _host, _pid: False  # noqa: E731
    assert {
        trial: history.deaths_without_progress(trial, 0, 0.0, 180.0, gone) for trial in "abcd"
    } == {"a": 0, "b": 0, "c": 1, "d": 1}


@dataclass(frozen=True)
class Timed:
    trial_id: str
    predicted_seconds: float
    train: bool = True
    first: bool = False


def test_near_the_limit_only_trials_that_still_fit_are_begun(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    results.create()
    tasks: list[Any] = [Timed("a" * 32, 100.0), Timed("b" * 32, 50.0), Timed("c" * 32, 5.0)]
    context = Context(results=results.path, provenance={})
    chooser = Chooser(tasks, results, "w", context)
    assert chooser.next() is tasks[0]
    assert chooser.next(lambda task: task.predicted_seconds < 60) is tasks[1]
    assert chooser.next(lambda task: task.predicted_seconds < 6) is tasks[2]
    assert chooser.next(lambda _task: False) is None
    assert len(chooser.tasks) == 3, "they wait for the next turn"


def test_time_left_is_until_the_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(slurm_task.time, "time", lambda: now)
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    left = slurm_task.time_left(600.0, 60)
    now = 1100.0
    assert left() == 440.0
    assert slurm_task.time_left(None, 60)() == float("inf")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1500")
    assert slurm_task.time_left(600.0, 60)() == 340.0
