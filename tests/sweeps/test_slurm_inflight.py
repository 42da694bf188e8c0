"""What is in flight, from recorded answers of squeue and sacct and from events.

Also if neither answers.
"""

import getpass
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sweeps.slurm import commands
from sweeps.slurm.arrays import Layout
from sweeps.slurm.bad_nodes import bad_nodes
from sweeps.slurm.commands import ArrayTask, NoAnswer, parse_sacct, parse_squeue, parse_states
from sweeps.slurm.inflight import (
    SENDING_SECONDS,
    SentArray,
    TaskHistory,
    in_flight,
    task_of_worker,
    worker_name,
)
from sweeps.slurm.queue import Queue
from sweeps.slurm.scheduler import Slurm
from sweeps.store import (
    EventLog,
    EventReader,
    Results,
    Sent,
    cancel_submission,
    write_sent,
    write_submission,
)

RECORDED = Path(__file__).with_name("recorded")
ID, OTHER = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
QUEUED = parse_squeue((RECORDED / "squeue.txt").read_text())
NOW = 1_800_000_000.0
FIVE = SentArray(ID, NOW - 3600, Layout(5, 1), "71", "me")
TRIALS = {ID: {shard: [f"t{shard}"] for shard in range(5)}}


def worker(index: int, restart: int = 0, unique: str = "01234567") -> str:
    return worker_name("n1", "71", index, restart, unique)


def event(name: str, at: float, by: str, **more: Any) -> dict[str, Any]:
    return {
        "event": name,
        "at": at,
        "worker": by,
        "host": by.partition("-")[0],
        "submission_id": ID,
        **more,
    }


def reported(*events: dict[str, Any]) -> TaskHistory:
    found = TaskHistory()
    found.add(events)
    return found


def test_squeue_and_sacct_as_recorded() -> None:
    assert [task.name for task in QUEUED] == [
        "23",
        "21_0",
        "71_0",
        "71_1",
        "71_2",
        "71_3",
        "71_4",
        "72",
    ]
    assert [task.name for task in QUEUED if task.live] == ["71_0", "71_2", "71_3", "72"]
    assert QUEUED[4] == ArrayTask("71", 2, "PENDING", "", "Resources", ID)
    assert [
        (task.name, task.state, task.node)
        for task in parse_sacct((RECORDED / "sacct.txt").read_text())
    ] == [
        ("71_0", "TIMEOUT", "n1"),
        ("71_1", "CANCELLED", "n2"),
        ("72", "NODE_FAIL", "n3"),
    ]


def test_waiting_running_and_requeued_tasks_are_in_flight_and_ended_ones_are_not() -> None:
    flight = in_flight([FIVE], TRIALS, QUEUED, TaskHistory(), NOW)
    assert {trial: str(job) for trial, job in flight.trials.items()} == {
        "t0": "71_0 RUNNING",
        "t2": "71_2 PENDING (Resources)",
        "t3": "71_3 PENDING (BeginTime)",
    }
    assert flight.jobs == {"RUNNING": 1, "PENDING": 2}
    assert not flight.unknown


def test_a_task_that_says_it_is_done_is_over_while_squeue_still_shows_it() -> None:
    done = reported(
        event("worker_started", NOW, worker(0)),
        event("worker_ended", NOW, worker(0), reason="done"),
    )
    assert "t0" not in in_flight([FIVE], TRIALS, QUEUED, done, NOW).trials


@pytest.mark.parametrize("reason", ["SIGUSR2", "SIGTERM", "no time left for another trial"])
def test_a_task_that_ended_early_and_waits_again_is_in_flight(reason: str) -> None:
    early = reported(
        event("worker_started", NOW, worker(3)),
        event("worker_ended", NOW, worker(3), reason=reason),
    )
    assert "t3" in in_flight([FIVE], TRIALS, QUEUED, early, NOW).trials
    # Of two turns the later one counts.
    early.add(
        [
            event("worker_started", NOW, worker(3, 1)),
            event("worker_ended", NOW, worker(3, 1), reason="done"),
        ]
    )
    assert "t3" not in in_flight([FIVE], TRIALS, QUEUED, early, NOW).trials


def test_a_trial_that_crashed_in_a_running_task_may_be_sent_again_a_completed_one_may_not() -> None:
    finished = [
        event("finished", NOW, worker(0), trial_id=trial, outcome=outcome)
        for trial, outcome in (("a", "crashed"), ("b", "completed"))
    ]
    flight = in_flight(
        [FIVE],
        {ID: {0: ["a", "b", "c"]}},
        QUEUED,
        reported(event("worker_started", NOW, worker(0)), *finished),
        NOW,
    )
    assert flight.trials.keys() == {"b", "c"}


def test_slots_side_by_side_are_one_task() -> None:
    paired = SentArray(ID, NOW, Layout(5, 2), "71", "me")
    assert paired.layout.tasks == 3
    assert [list(paired.layout.shards_of(index)) for index in range(3)] == [[0, 1], [2, 3], [4]]
    assert in_flight([paired], TRIALS, QUEUED, TaskHistory(), NOW).trials.keys() == {
        "t0",
        "t1",
        "t4",
    }
    one_of_two = reported(
        event("worker_started", NOW, worker(0)),
        event("worker_ended", NOW, worker(0), reason="done"),
    )
    assert not one_of_two.over(paired, 0)


def test_without_squeue_an_event_younger_than_ten_minutes_decides_and_else_nobody_can_tell() -> (
    None
):
    talk = reported(
        event("worker_started", NOW - 7000, worker(0)),
        event("heartbeat", NOW - 599, worker(0)),
        event("worker_started", NOW - 7000, worker(1)),
        event("worker_ended", NOW - 6000, worker(1), reason="done"),
        event("worker_started", NOW - 7000, worker(2)),
        event("heartbeat", NOW - 601, worker(2)),
    )
    flight = in_flight([FIVE], TRIALS, None, talk, NOW)
    assert flight.trials.keys() == {"t0"}
    assert flight.unknown == {"t2", "t3", "t4"}


def test_a_job_that_nobody_noted_is_found_by_its_comment_and_one_not_shown_yet_is_waited_for() -> (
    None
):
    unnoted = SentArray(ID, NOW - SENDING_SECONDS + 1, Layout(5, 1), None, None)
    assert in_flight([unnoted], TRIALS, QUEUED, TaskHistory(), NOW).trials["t2"].name == "71_2"
    fresh = in_flight([unnoted], TRIALS, [], TaskHistory(), NOW)
    assert len(fresh.trials) == 5
    assert not in_flight([unnoted], TRIALS, [], TaskHistory(), NOW + 2).trials


def test_a_workers_name_says_its_task() -> None:
    assert task_of_worker(worker(17, 2)) == (17, 2)
    assert task_of_worker("n1-4711-01234567") is None
    assert task_of_worker(worker_name("a-100_2.3-x", "5", 6, 7, "89abcdef")) == (6, 7)


class Commands:
    """Answers of squeue and sacct, counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.broken: set[str] = set()
        self.now, self.takes, self.version = 0.0, 0.0, "slurm-wlm 22.05.8\n"
        monkeypatch.setattr(commands, "ask", self.ask)

    def ask(self, *command: str) -> str:
        if "--version" in command:
            return self.version  # the controller is not asked
        self.asked.append(command)
        self.now += self.takes
        if command[0] in self.broken:
            raise NoAnswer(f"{command[0]} is not on this machine")
        if "--only-job-state" in command:
            assert os.environ["SLURM_BITSTR_LEN"] == "0", "long lists would be cut"
            return (RECORDED / "squeue-only-job-state.txt").read_text()
        return (RECORDED / f"{command[0]}.txt").read_text()

    def clock(self) -> float:
        return self.now


def test_however_often_one_looks_slurm_is_asked_at_most_six_times_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slurm = Commands(monkeypatch)
    queue, at = Queue(slurm.clock), []
    for second in range(600):
        slurm.now, before = second / 2, len(slurm.asked)
        queue.tasks()
        queue.ended(["71"])
        at += [slurm.now] * (len(slurm.asked) - before)
    assert len(at) > 10
    assert max(sum(one <= other <= one + 60 for other in at) for one in at) <= 6


@pytest.mark.parametrize(("takes", "apart"), [(0.5, 20.0), (4.0, 20.0), (10.0, 50.0)])
def test_a_slow_controller_is_asked_less_often(
    takes: float, apart: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most a fifth of the time goes into asking."""
    slurm, at = Commands(monkeypatch), []
    slurm.takes = takes
    queue = Queue(slurm.clock)
    for _ in range(1000):
        before = (len(slurm.asked), slurm.now)
        queue.tasks()
        at += [before[1]] if len(slurm.asked) > before[0] else []
        slurm.now += 0.5
    gaps = [later - earlier for earlier, later in pairwise(at[1:])]
    assert gaps
    assert all(apart <= gap <= apart + 1.0 for gap in gaps)


def test_states_alone_as_written_by_squeue() -> None:
    """The format "%i=%T", as in SchedMD's own tests of the option.

    SchedMD/slurm, testsuite/python/tests, functions `test_array_job` and `test_het_job`.
    """
    states = parse_states((RECORDED / "squeue-only-job-state.txt").read_text())
    assert states == {
        "71_0": "COMPLETED",
        "71_1": "COMPLETED",
        "71_2": "PENDING",
        "71_3": "PENDING",
        "71_4": "FAILED",
        "72": "CANCELLED",
    }, "90 is a job of several parts, which odesweep does not send"
    assert parse_states("5_[0-8:4,11%3]=PENDING\nslurm_load_jobs error: x\n") == dict.fromkeys(
        ("5_0", "5_4", "5_8", "5_11"), "PENDING"
    )


@pytest.mark.parametrize(
    ("version", "alone"),
    [("slurm 24.05.3", True), ("slurm 25.11.0-rc1", True), ("slurm-wlm 23.11.4", False)],
)
def test_between_whole_answers_a_new_squeue_is_asked_for_states_alone(
    version: str, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = Commands(monkeypatch)
    slurm.version = f"{version}\n"
    queue = Queue(slurm.clock)
    assert queue.tasks() == QUEUED
    slurm.now = 30.0
    lean = queue.tasks() or []
    assert [command for command in slurm.asked if "--only-job-state" in command] == (
        [slurm.asked[-1]] if alone else []
    )
    if not alone:
        assert lean == QUEUED
        return
    [jobs] = [one for flag, one in pairwise(slurm.asked[-1]) if flag == "-j"]
    assert jobs == ",".join(sorted({task.job_id for task in QUEUED if task.live}))
    by_name = {task.name: task for task in lean}
    first = next(task for task in QUEUED if task.name == "71_0")
    assert (first.state, by_name["71_0"].state) == ("RUNNING", "COMPLETED")
    assert by_name["71_0"].comment == first.comment
    waiting = next(task for task in QUEUED if task.name == "71_2")
    assert by_name["71_2"] == waiting, "its reason is still true"
    before = len(slurm.asked)
    slurm.now = 60.0
    queue.tasks(job_ids=["99"])
    assert "-u" in slurm.asked[before], "a job that it has never seen is looked for"
    slurm.now = 300.0
    queue.tasks(job_ids=["99"])
    assert "-u" in slurm.asked[-1]


def test_accounting_that_is_missing_is_not_asked_again_and_squeue_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slurm = Commands(monkeypatch)
    slurm.broken = {"sacct", "squeue"}
    queue = Queue(slurm.clock)
    for slurm.now in (0.0, 100.0, 200.0):
        assert queue.tasks() is None
        assert queue.ended(["71"]) == []
    assert queue.problem == "squeue is not on this machine"
    assert [command[0] for command in slurm.asked] == ["squeue", "sacct", "squeue", "squeue"]
    slurm.broken, slurm.now = set(), 300.0
    assert queue.tasks() == QUEUED
    assert queue.problem is None


def test_other_senders_are_asked_for_by_name_if_this_machine_knows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slurm = Commands(monkeypatch)
    Queue(slurm.clock).tasks(["daemon", "no such user"])
    [command] = slurm.asked
    assert command[command.index("-u") + 1] == ",".join(sorted({"daemon", getpass.getuser()}))


def sent(results: Results, shards: int = 1, executor: str = "slurm") -> str:
    about = {
        "study": "s",
        "scale": "smoke",
        "executor": executor,
        "command": "c",
        "created_at": "2026-01-01T00:00:00+00:00",
    }
    empty = {
        "task": 0,
        "spec": "{}",
        "train": True,
        "evaluations": [],
        "probes": [],
        "predicted_seconds": 1.0,
        "axes": None,
    }
    rows = [{**empty, "shard": number, "trial_id": f"t{number}"} for number in range(shards)]
    return write_submission(results, rows, about, {"shards": shards, "slots": 1})


def test_slurm_is_not_asked_when_nothing_was_sent_or_all_of_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm, results = Commands(monkeypatch), Results(tmp_path / "results")
    assert not Slurm(results).in_flight().trials
    sent(results, executor="ray")
    refused, cancelled, over = sent(results), sent(results), sent(results)
    write_sent(results, refused, Sent(None, "me"))
    cancel_submission(results, cancelled)
    log = EventLog(results, worker(0))
    log.append("worker_started", submission_id=over)
    log.append("worker_ended", reason="done")
    log.close()
    scheduler = Slurm(results)
    scheduler.add(EventReader(results).poll())
    assert not scheduler.in_flight().trials
    assert slurm.asked == []
    assert len(Slurm(results).sent_arrays(cancelled=True)) == 2


def test_how_tasks_ended_is_told_with_and_without_accounting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm, results = Commands(monkeypatch), Results(tmp_path / "results")
    write_sent(results, sent(results, 2), Sent("71", "me"))
    scheduler = Slurm(results)
    assert not scheduler.in_flight().trials, "squeue shows other jobs only"
    assert scheduler.ended({"t0", "t1"}) == {"TIMEOUT": 1, "CANCELLED": 1}
    assert scheduler.ended({"t1"}) == {"CANCELLED": 1}
    slurm.broken = {"sacct"}
    without = Slurm(results)
    without.in_flight()
    assert without.ended({"t0", "t1"}) == {}


@pytest.mark.parametrize(
    ("state", "ending", "again"),
    [
        ("PREEMPTED", None, True),
        ("NODE_FAIL", None, True),
        ("TIMEOUT", "SIGUSR2", True),
        ("FAILED", "SIGUSR2", True),
        ("FAILED", "no time left for another trial", True),
        ("FAILED", None, False),
        ("FAILED", "three trials crashed alike", False),
        ("CANCELLED", "SIGTERM", False),
        ("PENDING", "SIGTERM", False),
        ("FAILED", "done", False),
    ],
)
def test_jobs_that_slurm_ended_for_good_are_told_from_cancelled_and_broken_ones(
    state: str, ending: str | None, again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(tmp_path / "results")
    submission = sent(results)
    write_sent(results, submission, Sent("71", "me"))
    monkeypatch.setattr(commands, "ask", lambda *_, **__: f"71|{state}|n1|None|{submission}\n")
    log = EventLog(results, worker(0))
    log.append("worker_started", submission_id=submission)
    if ending:
        log.append("worker_ended", reason=ending)
    log.close()
    scheduler = Slurm(results)
    scheduler.add(EventReader(results).poll())
    assert scheduler.cut_short({submission}) == ({(submission, "t0")} if again else set())
    assert scheduler.cut_short({"another"}) == set()


def test_a_node_is_bad_when_all_fails_there_and_something_works_elsewhere() -> None:
    def on(host: str, outcome: str, times: int, at: float = NOW) -> list[dict[str, Any]]:
        by = worker_name(host, "71", 0, 0, "01234567")
        return [
            event("finished", at, by, trial_id="t", outcome=outcome, fingerprint="RuntimeError-x")
            for _ in range(times)
        ]

    assert bad_nodes([*on("n1", "completed", 1), *on("n3", "crashed", 3)], (), NOW) == ["n3"]
    assert bad_nodes([*on("n1", "completed", 1), *on("n3", "crashed", 2)], (), NOW) == []
    assert bad_nodes([*on("n1", "crashed", 5), *on("n3", "crashed", 5)], (), NOW) == [], (
        "the code is bad, not the nodes"
    )
    assert (
        bad_nodes(
            [*on("n1", "completed", 1), *on("n3", "crashed", 9), *on("n3", "diverged", 1)], (), NOW
        )
        == []
    )
    assert (
        bad_nodes([*on("n1", "completed", 1), *on("n3", "crashed", 3, NOW - 90_000)], (), NOW) == []
    ), "a day later it may try again"
    failed = [
        ArrayTask("72", index, "FAILED", "n4", "NonZeroExitCode", OTHER) for index in range(3)
    ]
    assert bad_nodes(on("n1", "completed", 1), failed, NOW) == ["n4"]
