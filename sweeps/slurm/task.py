"""The far side of executor `slurm`: one task of an array, on a compute node. Signals, slots side by side, and what happens at the end.

SIGUSR2 comes before the time limit: checkpoint, publish, then ask SLURM for another turn. SIGTERM comes from preemption and from scancel:
checkpoint, publish, then stay until killed, because SLURM requeues a preempted job only if it did not end by itself, and a cancelled one
must not come back.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from uuid import uuid4

from sweeps.execute.base import Job, StopRequest, default_threads, host_name
from sweeps.limits import Limits
from sweeps.slurm.bad_nodes import here_is_bad, leave
from sweeps.slurm.inflight import place_of, worker_name
from sweeps.store import EventLog, EventReader, Results, is_cancelled, read_submission
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.shard import NO_TIME, run_shard
from sweeps.worker.slot import ChildSlot
from sweeps.worker.tasks import Task

REQUEUE_SECONDS = 60.0
# A task that SLURM sends to a bad node again and again takes what it gets in the end.
TURNS_ELSEWHERE = 5


def run_task(submission: str, index: int) -> None:
    """Run the shards of one array task; ends the process. submission: path of the submission's file."""
    signals = Signals()
    path = Path(submission)
    results, submission_id = Results(path.parents[1]), path.stem
    settings = read_submission(results, submission_id).settings()
    place = Place.here(index)
    may_requeue = lambda: not signals.terminated and not is_cancelled(results, submission_id)  # noqa: E731
    events = EventReader(results).poll()
    if place.restart < TURNS_ELSEWHERE and (nodes := here_is_bad(events)):
        # What is set replaces what the profile said.
        leave(place.job_id, [*filter(None, [settings["exclude"]]), *nodes])
        if may_requeue() and requeue(place.requeue_id, may_requeue):
            stay("everything fails on this node; requeued on another node")
    if place.restart:
        forgive(results, submission_id, place, events)
    first = index * settings["slots"]
    shards = range(first, min(first + settings["slots"], settings["shards"]))
    left = time_left(settings)
    with ThreadPoolExecutor(len(shards)) as pool:
        numbered = enumerate(shards)
        reports = _results(
            [
                pool.submit(
                    _run_shard, results, submission_id, settings, place, *one, signals, left
                )
                for one in numbered
            ]
        )
    if (
        {signal.SIGUSR2.name, NO_TIME} & {report.stopped for report in reports}
        and may_requeue()
        and requeue(place.requeue_id, may_requeue)
    ):
        stay("requeued by SLURM for another turn")
    if signals.terminated:
        stay(
            "SIGTERM: everything is published; staying until SLURM ends this task, which it may then start anew"
        )
    sys.exit(_exit_code(ShardReport.merged(reports)))


class Signals(StopRequest):
    """SIGUSR2, SIGTERM and SIGINT in place of whatever handled them before, to the end of the process. terminated: SIGTERM came."""

    def __init__(self) -> None:
        super().__init__()
        self.terminated = False
        for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler."""
        self.terminated = self.terminated or number == signal.SIGTERM
        self.signal = self.signal or number


class Place:
    """Which task this is. requeue_id: what scontrol is told; the bare job id of an array's last task would requeue the whole array."""

    def __init__(self, job_id: str, index: int, restart: int, requeue_id: str) -> None:
        self.job_id, self.index, self.restart, self.requeue_id = job_id, index, restart, requeue_id

    @classmethod
    def here(cls, index: int) -> "Place":
        """From SLURM's environment variables."""
        array = os.environ.get("SLURM_ARRAY_JOB_ID")
        job_id = array or os.environ["SLURM_JOB_ID"]
        requeue_id = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else job_id
        return cls(job_id, index, int(os.environ.get("SLURM_RESTART_COUNT", "0")), requeue_id)

    def worker_id(self) -> str:
        """A new worker's."""
        return worker_name(host_name(), self.job_id, self.index, self.restart, uuid4().hex[:8])


class Begun(Watcher):
    """Notes whether the slot has begun any trial in this turn."""

    anything = False

    def began(self, task: Task, attempts: int) -> None:  # noqa: ARG002 - the watcher's signature
        """See `Watcher.began`."""
        self.anything = True


def forgive(
    results: Results, submission_id: str, place: Place, events: list[dict[str, Any]]
) -> None:
    """Close what earlier turns of this task left open: SLURM started it anew because of its node or of preemption, not of a trial."""
    mine: set[str] = set()
    unfinished: dict[str, str] = {}
    for event in events:
        worker = event["worker"]
        if event["event"] == "worker_started" and event.get("submission_id") == submission_id:
            here = place_of(worker)
            if here and here[0] == place.index and here[1] < place.restart:
                mine.add(worker)
        if worker in mine and event["event"] == "started":
            unfinished[worker] = event["trial_id"]
        elif event["event"] in ("finished", "interrupted", "died", "worker_ended"):
            unfinished.pop(worker, None)
    for worker, trial_id in unfinished.items():
        # A new file in that worker's name: what it may still write itself goes to its own.
        log = EventLog(results, worker)
        log.append("interrupted", trial_id=trial_id, cause="started anew by SLURM")
        log.close()


def _run_shard(
    results: Results,
    submission_id: str,
    settings: dict[str, Any],
    place: Place,
    number: int,
    shard: int,
    signals: Signals,
    left: Callable[[], float],
) -> ShardReport:
    """One slot of the task. number: which of them."""
    begun, worker_id = Begun(), place.worker_id()
    data_root = Path(settings["data_root"]) if settings["data_root"] else None
    threads = settings["threads"] or default_threads(settings["cpus"])
    job = Job(
        results,
        submission_id,
        "slurm",
        begun,
        Limits(**settings["limits"]),
        data_root,
        threads,
        device(settings["device"], number, settings["slots"]),
        exclusive=settings["exclusive"],
    )
    context = job.context(worker_id)
    # The snapshot is no git checkout, or lies in somebody else's; the login node knew.
    context.provenance.update(settings["code"])
    log = results.logs / f"{worker_id}.log"
    slot = ChildSlot(context, log)
    try:
        return run_shard(
            job.tasks(shard),
            context,
            slot,
            submission_id=submission_id,
            worker_id=worker_id,
            log=log,
            stop_cause=signals.cause,
            watcher=begun,
            # The first trial of a turn may be longer than any turn is: it goes on from its checkpoint in the next.
            fits=lambda task: not begun.anything or task.predicted_seconds <= left(),
        )
    finally:
        slot.close()


def device(asked: str, number: int, slots: int) -> str:
    """The device of slot `number`: of several GPUs that the task sees, its own or its share."""
    if asked != "auto" or slots == 1:
        return asked
    import torch

    visible = torch.cuda.device_count()
    return f"cuda:{number * visible // slots}" if visible > 1 else asked


def time_left(settings: dict[str, Any]) -> Callable[[], float]:
    """Seconds until the warning that comes before the time limit; infinite when nobody knows the limit."""
    known = os.environ.get("SLURM_JOB_END_TIME")  # from Slurm 23.02 on
    limit = settings["limit_seconds"]
    end = float(known) if known else time.time() + limit if limit else float("inf")
    return lambda: end - settings["signal_seconds"] - time.time()


def _results(futures: list[Future[ShardReport]]) -> list[ShardReport]:
    """All reports. Waits in short turns, so that this thread, the main one, takes signals."""
    while wait(futures, timeout=0.5).not_done:
        pass
    return [future.result() for future in futures]


def _exit_code(report: ShardReport) -> int:
    """What sacct shows: 0 nothing is left to do here, 1 something is, 3 infrastructure failure."""
    if why := report.infrastructure or report.stopped:
        print(why, file=sys.stderr, flush=True)
    return 3 if report.infrastructure else int(report.stopped not in (None, "cancelled"))


def stay(why: str) -> NoReturn:
    """Wait for SLURM to end this task."""
    print(f"{socket.gethostname()}: {why}", file=sys.stderr, flush=True)
    while True:
        time.sleep(1.0)


def requeue(requeue_id: str, may_requeue: Callable[[], bool]) -> bool:
    """Ask SLURM for another turn of this task; a busy controller is asked again for a minute, unless the task is being ended meanwhile."""
    deadline = time.monotonic() + REQUEUE_SECONDS
    while may_requeue():
        done = subprocess.run(
            ["scontrol", "requeue", requeue_id],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode == 0:
            return True
        print(f"scontrol requeue {requeue_id}: {done.stderr.strip()}", file=sys.stderr, flush=True)
        if time.monotonic() >= deadline:
            print(
                "SLURM gave no other turn; the next `odesweep run` goes on with what is left",
                file=sys.stderr,
                flush=True,
            )
            break
        time.sleep(5.0)
    return False
