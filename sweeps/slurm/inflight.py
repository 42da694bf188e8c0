"""Which trials wait or run under SLURM, from squeue or, if it does not answer, from events."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sweeps.execute.scheduler import InFlight, QueuedJob
from sweeps.slurm.arrays import Layout
from sweeps.slurm.commands import ArrayTask
from sweeps.slurm.paths import task_name
from sweeps.store import Sent, settings_of

# Without squeue, a task with an event this recent counts as running.
RECENT_SECONDS = 600.0
# A busy controller may list a job this long after sbatch was told to submit it.
SENDING_SECONDS = 120.0
_WORKER = re.compile(r"-(\d+)_(\d+)\.(\d+)-[0-9a-f]{8}$")
# A trial with such an outcome leaves its task's list at once; others leave it with their row.
_LEFT = ("crashed", "timed_out")


@dataclass(frozen=True)
class SentArray:
    """A submission that went to SLURM. job_id, user: None while nobody has recorded them."""

    submission_id: str
    created_at: float
    layout: Layout
    job_id: str | None
    user: str | None

    def task_name(self, index: int) -> str:
        """As submitit and squeue name the task."""
        return task_name(self.job_id, index, self.layout.tasks)


@dataclass
class TaskStart:
    """One start of one task: its workers, and how each ended.

    slots: how many workers it has, where the task chose that.
    """

    seen_at: float
    slots: int = 1
    endings: dict[str, str | None] = field(default_factory=dict)


@dataclass
class TaskHistory:
    """What the workers of array tasks reported; `add` takes more events.

    starts: submission -> task index -> restart count -> what happened in that start. failed:
    (submission, trial) that ended there without a final row.
    """

    starts: dict[str, dict[int, dict[int, TaskStart]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    failed: set[tuple[str, str]] = field(default_factory=set)
    _place: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Add events, those of one worker in its order."""
        for event in events:
            worker = event["worker"]
            if event["event"] == "worker_started" and (place := task_of_worker(worker)):
                self._place[worker] = (event.get("submission_id", ""), *place)
            if worker not in self._place:
                continue
            submission, index, restart = self._place[worker]
            start = self.starts[submission][index].setdefault(restart, TaskStart(event["at"]))
            start.seen_at = max(start.seen_at, event["at"])
            start.slots = max(start.slots, event.get("slots", 1))
            start.endings[worker] = event["reason"] if event["event"] == "worker_ended" else None
            if event["event"] == "finished" and event.get("outcome") in _LEFT:
                self.failed.add((submission, event["trial_id"]))

    def over(self, array: SentArray, index: int) -> bool:
        """Whether every slot of the task's latest start ended with nothing left to do."""
        starts = self.starts.get(array.submission_id, {}).get(index, {})
        if not starts:
            return False
        latest = starts[max(starts)]
        workers = max(latest.slots, len(array.layout.shards_of(index)))
        return len(latest.endings) >= workers and all(
            ending == "done" for ending in latest.endings.values()
        )

    def seen_at(self, submission: str, index: int) -> float:
        """When the task last reported something; 0 if never."""
        return max(
            (start.seen_at for start in self.starts.get(submission, {}).get(index, {}).values()),
            default=0.0,
        )

    def endings(self, submission: str, index: int) -> set[str | None]:
        """How the slots of the task's latest start ended; None for one that has not."""
        starts = self.starts.get(submission, {}).get(index, {})
        return set(starts[max(starts)].endings.values()) if starts else set()

    def stopped(self, submission: str) -> str | None:
        """Why a slot of the submission stopped before its work was done, if one did."""
        for starts in self.starts.get(submission, {}).values():
            for ending in starts[max(starts)].endings.values():
                if ending not in (None, "done"):
                    return ending
        return None


def worker_name(host: str, job_id: str, index: int, restart: int, unique: str) -> str:
    """The id of a worker in a task of SLURM; `task_of_worker` reads it. unique: 8 hex digits."""
    return f"{host}-{job_id}_{index}.{restart}-{unique}"


def task_of_worker(worker: str) -> tuple[int, int] | None:
    """Task index and restart count in a worker's id, None for a worker elsewhere."""
    matched = _WORKER.search(worker)
    return (int(matched.group(2)), int(matched.group(3))) if matched else None


def sent_array(submission_id: str, metadata: Mapping[str, str], sent: Sent | None) -> SentArray:
    """A submission to SLURM, from its metadata and the record of its job."""
    created_at = datetime.fromisoformat(metadata["created_at"]).timestamp()
    job_id, user = sent or (None, None)
    layout = Layout.of(settings_of(metadata))
    return SentArray(submission_id, created_at, layout, job_id, user)


def in_flight(
    arrays: Sequence[SentArray],
    trials: Mapping[str, Mapping[int, Sequence[str]]],
    queued: Sequence[ArrayTask] | None,
    history: TaskHistory,
    now: float,
) -> InFlight:
    """Which trials are queued or running.

    trials: submission -> shard -> its trials. queued: squeue's answer, None if there was none.
    """
    flying: dict[str, QueuedJob] = {}
    unknown: set[str] = set()
    states: Counter[str] = Counter()
    listed = {(task.comment, task.index): task for task in queued or () if task.live}
    shown = {task.comment for task in queued or ()}
    for array in arrays:
        submission = array.submission_id
        for index in range(array.layout.tasks):
            if history.over(array, index):
                continue
            members = [
                trial
                for shard in array.layout.shards_of(index)
                for trial in trials[submission].get(shard, ())
                if (submission, trial) not in history.failed
            ]
            task = listed.get((submission, index))
            job: QueuedJob | None = None
            if queued is None:
                if now - history.seen_at(submission, index) < RECENT_SECONDS:
                    job = QueuedJob(submission, f"{array.job_id or '?'}_{index}", "RUNNING")
                else:
                    unknown |= set(members)
            elif task:
                states[task.state] += 1
                job = QueuedJob(submission, task.name, f"{task.state}{_reason(task)}")
            elif (
                array.job_id is None
                and submission not in shown
                and now - array.created_at < SENDING_SECONDS
            ):
                job = QueuedJob(submission, f"?_{index}", "SENDING")
            if job:
                flying |= dict.fromkeys(members, job)
    return InFlight(flying, frozenset(unknown - flying.keys()), dict(states))


def _reason(task: ArrayTask) -> str:
    return (
        f" ({task.reason})" if task.state == "PENDING" and task.reason not in ("", "None") else ""
    )
