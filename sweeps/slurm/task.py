"""One task of an array, on a compute node: its signals, its slots side by side, and its end.

SIGUSR2 comes before the time limit: checkpoint, publish, then ask SLURM to requeue the task.
SIGTERM comes from preemption and from scancel: checkpoint, publish, then wait to be killed. SLURM
requeues a preempted task only if it did not end by itself, and a cancelled one must not come back.
Where SLURM does not bring a task back, the task says so and ends: the next `run` goes on.
"""

import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from uuid import uuid4

from sweeps.execute.signals import StopRequest
from sweeps.execute.worker import WHOLE, Part, Worker, host_name
from sweeps.slurm.arrays import Layout
from sweeps.slurm.auto_slots import slots_here
from sweeps.slurm.bad_nodes import bad_nodes_if_here, exclude_nodes, tell_excluded
from sweeps.slurm.commands import NoAnswer, ask, show_job
from sweeps.slurm.inflight import task_of_worker, worker_name
from sweeps.store import EventLog, EventReader, Results, is_cancelled, read_submission
from sweeps.worker.attempts import YIELDED
from sweeps.worker.gpus import of_slots
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.shard import BUDGET_USED, NO_TIME
from sweeps.worker.tasks import Task

REQUEUE_SECONDS = 60.0
# Answers to `scontrol requeue` that stay the same: there is no scontrol on this node, the job may
# not be requeued, or its owner may not ask.
_NEVER = re.compile(r"not on this machine|disabled|permission denied", re.IGNORECASE)
ONLY_RUN = "only the next `odesweep run` goes on with what is left"
# A task that SLURM sends to a bad node again and again finally runs there.
TURNS_ELSEWHERE = 5


def run_task(submission: str, index: int) -> None:
    """Run the shards of one task and end the process. submission: path of the submission's file."""
    signals = Signals()
    path = Path(submission)
    results, submission_id = Results(path.parents[1]), path.stem
    sent = read_submission(results, submission_id)
    settings = sent.settings()
    task = TaskId.here(index)

    def may_requeue() -> bool:
        return not signals.terminated and not is_cancelled(results, submission_id)

    events = EventReader(results).poll()
    if task.restart < TURNS_ELSEWHERE and (nodes := bad_nodes_if_here(events)):
        # Variables that are set replace the profile's values.
        exclude_nodes(task.job_id, [*filter(None, [settings["exclude"]]), *nodes])
        tell_excluded(results, sent, nodes)
        if may_requeue() and requeue(task.requeue_id, may_requeue) is None:
            wait_for_end("everything fails on this node; requeued on another node")
    if task.restart:
        close_earlier_starts(results, submission_id, task, events)
    shards = Layout.of(settings).shards_of(index)
    left = time_left(settings["limit_seconds"], settings["signal_seconds"])
    slots, line = settings["slots"], ""
    parts = [(shard, WHOLE) for shard in shards]
    if settings.get("auto_slots"):
        asked = (results, sent, index, task.worker_id(), events)
        best, line = slots_here(*asked, lambda: signals.signal is not None)
        say(line)
        slots = best.count
        # Its task has one shard.
        parts = [(shard, Part(number, slots)) for shard in shards for number in range(slots)]
    gpus = of_slots(slots)
    with ThreadPoolExecutor(len(parts)) as pool:
        futures: list[Future[ShardReport]] = []
        for (shard, part), gpu in zip(parts, gpus, strict=False):
            started = StartRecorder()
            worker = Worker(
                results, submission_id, started, worker_id=task.worker_id(), gpu=gpu, part=part
            )
            if line:
                worker.log(line)
            futures.append(pool.submit(_run_shard, worker, shard, started, signals, left))
        reports = _results(futures)
    if {signal.SIGUSR2.name, NO_TIME} & {report.stopped for report in reports} and may_requeue():
        refused = requeue(task.requeue_id, may_requeue)
        if refused is None:
            wait_for_end("requeued by SLURM for another turn")
        if not signals.terminated:
            say(f"{refused}; {ONLY_RUN}")
    if signals.terminated:
        if why := stays_away(settings, task.requeue_id):
            say(f"SIGTERM: everything is published, and {why}; {ONLY_RUN}")
        else:
            wait_for_end(
                "SIGTERM: everything is published; waiting until SLURM ends this task, "
                "which it may then start anew"
            )
    sys.exit(_exit_code(ShardReport.merged(reports)))


class Signals(StopRequest):
    """Handles SIGUSR2, SIGTERM and SIGINT from now on. terminated: whether SIGTERM came."""

    def __init__(self) -> None:
        super().__init__()
        self.terminated = False
        for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler."""
        self.terminated = self.terminated or number == signal.SIGTERM
        self.signal = self.signal or number


@dataclass(frozen=True)
class TaskId:
    """Which task this is, and how often it was started.

    requeue_id: for scontrol; the bare job id of an array's last task would requeue the whole array.
    """

    job_id: str
    index: int
    restart: int
    requeue_id: str

    @classmethod
    def here(cls, index: int) -> "TaskId":
        """From SLURM's environment variables."""
        array = os.environ.get("SLURM_ARRAY_JOB_ID")
        job_id = array or os.environ["SLURM_JOB_ID"]
        requeue_id = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else job_id
        return cls(job_id, index, int(os.environ.get("SLURM_RESTART_COUNT", "0")), requeue_id)

    def worker_id(self) -> str:
        """The id of a new worker."""
        return worker_name(host_name(), self.job_id, self.index, self.restart, uuid4().hex[:8])


class StartRecorder(Watcher):
    """Records whether the slot has started any trial since the last requeue."""

    any_trial = False

    def began(self, task: Task, attempts: int) -> None:  # noqa: ARG002 - the watcher's signature
        """See `Watcher.began`."""
        self.any_trial = True


def close_earlier_starts(
    results: Results, submission_id: str, task: TaskId, events: list[dict[str, Any]]
) -> None:
    """End the attempts that earlier starts of this task left open.

    SLURM started the task again because of its node or of preemption, not because of a trial.
    """
    workers: set[str] = set()
    unfinished: dict[str, set[str]] = defaultdict(set)
    for event in events:
        worker = event["worker"]
        if event["event"] == "worker_started" and event.get("submission_id") == submission_id:
            other = task_of_worker(worker)
            if other and other[0] == task.index and other[1] < task.restart:
                workers.add(worker)
        if worker in workers and event["event"] == "started":
            unfinished[worker].add(event["trial_id"])
        elif event["event"] in ("finished", "interrupted", "died", YIELDED):
            unfinished[worker].discard(event["trial_id"])
        elif event["event"] == "worker_ended":
            unfinished[worker].clear()
    for worker, trials in unfinished.items():
        if not trials:
            continue
        # A new file in that worker's name. If that worker still writes, it uses its own file.
        log = EventLog(results, worker)
        for trial_id in sorted(trials):
            log.append("interrupted", trial_id=trial_id, cause="started anew by SLURM")
        log.close()


def _run_shard(
    worker: Worker,
    shard: int,
    started: StartRecorder,
    signals: "Signals",
    left: Callable[[], float],
) -> ShardReport:
    """Run one slot of the task."""

    def fits(task: Task) -> bool:
        # The first trial may be longer than any turn: the next turn resumes its checkpoint.
        return not started.any_trial or task.predicted_seconds <= left()

    with contextlib.closing(worker.slot()) as slot:
        return worker.run(shard, slot, signals.cause, fits)


def time_left(limit_seconds: float | None, signal_seconds: float) -> Callable[[], float]:
    """Seconds until the warning before the time limit; infinite if no limit is known."""
    end_time = os.environ.get("SLURM_JOB_END_TIME")  # from SLURM 23.02 on
    known = time.time() + limit_seconds if limit_seconds else float("inf")
    end = float(end_time) if end_time else known
    return lambda: end - signal_seconds - time.time()


def _results(futures: list[Future[ShardReport]]) -> list[ShardReport]:
    """All reports.

    It waits in short intervals, so that this thread, the main one, handles signals.
    """
    while wait(futures, timeout=0.5).not_done:
        pass
    return [future.result() for future in futures]


def _exit_code(report: ShardReport) -> int:
    """The exit code, which sacct shows.

    0 nothing is left to do here, 1 something is, 3 infrastructure failure.
    """
    why = report.infrastructure or report.stopped
    if why:
        print(why, file=sys.stderr, flush=True)
    wanted = why is None or why == "cancelled" or why.startswith(BUDGET_USED)
    return 3 if report.infrastructure else int(not wanted)


def stays_away(settings: Mapping[str, Any], requeue_id: str) -> str | None:
    """Why SLURM does not start this task anew once it is preempted; None if it may."""
    if os.environ.get("SLURM_JOB_PARTITION") in settings.get("cancelling", ()):
        return "SLURM cancels preempted tasks here (PreemptMode=CANCEL)"
    with contextlib.suppress(NoAnswer):
        if show_job(requeue_id).get("Requeue") == "0":
            return "SLURM may not requeue this task (Requeue=0)"
    return None


def requeue(requeue_id: str, may_requeue: Callable[[], bool]) -> str | None:
    """Ask SLURM for another turn of this task, for up to a minute while it may be requeued.

    None once SLURM has agreed, otherwise why it has not.
    """
    deadline, refused = time.monotonic() + REQUEUE_SECONDS, "the task is being ended"
    while may_requeue():
        try:
            ask("scontrol", "requeue", requeue_id)
        except NoAnswer as error:
            refused = f"SLURM gives no other turn: {error}"
        else:
            return None
        if _NEVER.search(refused) or time.monotonic() >= deadline:
            break
        say(f"scontrol requeue {requeue_id}: {refused}")
        time.sleep(5.0)
    return refused


def wait_for_end(why: str) -> NoReturn:
    """Wait for SLURM to end this task."""
    say(why)
    while True:
        time.sleep(1.0)


def say(line: str) -> None:
    """One line for the task's log."""
    print(f"{socket.gethostname()}: {line}", file=sys.stderr, flush=True)
