"""What is on its way under SLURM: the tasks of submissions, as squeue lists them or, where it does not answer, as events tell."""

import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sweeps.slurm.commands import OVER, ArrayTask, NoAnswer, Queue, release
from sweeps.store import (
    Results,
    Sent,
    is_cancelled,
    list_submissions,
    read_sent,
    read_submission,
    settings_of,
)

# Without squeue a task that said something so recently is taken for running, whatever became of it.
RECENT_SECONDS = 600.0
# SLURM may list a job this late after sbatch was told to send it, when its controller is busy.
SENDING_SECONDS = 120.0
_WORKER = re.compile(r"-(\d+)_(\d+)\.(\d+)-[0-9a-f]{8}$")
# Trials that ended so in a task are not on its list any more; final ones are, until their rows are published.
_LEFT = ("crashed", "timed_out")


@dataclass(frozen=True)
class Sending:
    """A submission to SLURM that was not cancelled. slots: shards side by side in a task. job_id, user: None while nobody has noted them."""

    submission_id: str
    created_at: float
    shards: int
    slots: int
    job_id: str | None
    user: str | None

    @property
    def tasks(self) -> int:
        """Tasks of its array."""
        return math.ceil(self.shards / self.slots)

    def shards_of(self, index: int) -> range:
        """The shards that a task runs side by side."""
        return range(index * self.slots, min(self.shards, (index + 1) * self.slots))


@dataclass
class _Start:
    """One start of one task: its workers, and how each ended."""

    seen_at: float
    endings: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Told:
    """What the workers of submissions told; `add` takes more events.

    starts: submission -> task index -> restart count -> what happened in it. left: (submission, trial) that ended there without a final row.
    """

    starts: dict[str, dict[int, dict[int, _Start]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    left: set[tuple[str, str]] = field(default_factory=set)
    _place: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in events, those of one worker in its order."""
        for event in events:
            worker = event["worker"]
            if event["event"] == "worker_started" and (place := place_of(worker)):
                self._place[worker] = (event.get("submission_id", ""), *place)
            if worker not in self._place:
                continue
            submission, index, restart = self._place[worker]
            start = self.starts[submission][index].setdefault(restart, _Start(event["at"]))
            start.seen_at = max(start.seen_at, event["at"])
            start.endings[worker] = event["reason"] if event["event"] == "worker_ended" else None
            if event["event"] == "finished" and event.get("outcome") in _LEFT:
                self.left.add((submission, event["trial_id"]))

    def over(self, sending: Sending, index: int) -> bool:
        """Whether every slot of the task's latest start came to its end with nothing left to do."""
        starts = self.starts.get(sending.submission_id, {}).get(index, {})
        if not starts:
            return False
        latest = starts[max(starts)]
        return len(latest.endings) >= len(sending.shards_of(index)) and all(
            ending == "done" for ending in latest.endings.values()
        )

    def seen_at(self, submission: str, index: int) -> float:
        """When the task last said something; 0 if never."""
        return max(
            (start.seen_at for start in self.starts.get(submission, {}).get(index, {}).values()),
            default=0.0,
        )


@dataclass(frozen=True)
class InFlight:
    """trials: trial -> its task and the task's state, "123_4 PENDING". unknown: trials of which nobody can tell. tasks: how many in which state.

    problem: why squeue does not answer. waiting: submissions that SLURM has not shown yet.
    """

    trials: dict[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    tasks: dict[str, int] = field(default_factory=dict)
    problem: str | None = None
    waiting: frozenset[str] = frozenset()


def worker_name(host: str, job_id: str, index: int, restart: int, unique: str) -> str:
    """The id of a worker in a task of SLURM; says where it ran, and `place_of` finds the task in it again. unique: 8 hex digits."""
    return f"{host}-{job_id}_{index}.{restart}-{unique}"


def place_of(worker: str) -> tuple[int, int] | None:
    """Task index and restart count in a worker's id, None for a worker elsewhere."""
    matched = _WORKER.search(worker)
    return (int(matched.group(2)), int(matched.group(3))) if matched else None


def sending(submission_id: str, about: Mapping[str, str], sent: Sent | None) -> Sending:
    """A submission to SLURM from its metadata and what was noted of its job."""
    settings, created_at = (
        settings_of(about),
        datetime.fromisoformat(about["created_at"]).timestamp(),
    )
    ids = (sent.job_id, sent.user) if sent else (None, None)
    return Sending(submission_id, created_at, settings["shards"], settings["slots"], *ids)


def fly(
    open_: Sequence[Sending],
    trials: Mapping[str, Mapping[int, Sequence[str]]],
    queued: Sequence[ArrayTask] | None,
    told: Told,
    now: float,
) -> InFlight:
    """Which trials are on their way. trials: submission -> shard -> its trials. queued: squeue's answer, None if there was none."""
    flying: dict[str, str] = {}
    unknown: set[str] = set()
    waiting: set[str] = set()
    states: Counter[str] = Counter()
    listed = {(task.comment, task.index): task for task in queued or () if task.live}
    shown = {task.comment for task in queued or ()}
    for one in open_:
        for index in range(one.tasks):
            mine = [
                trial
                for shard in one.shards_of(index)
                for trial in trials[one.submission_id].get(shard, ())
            ]
            mine = [trial for trial in mine if (one.submission_id, trial) not in told.left]
            task = listed.get((one.submission_id, index))
            if told.over(one, index):
                continue
            if queued is None and now - told.seen_at(one.submission_id, index) < RECENT_SECONDS:
                flying |= dict.fromkeys(mine, f"{one.job_id or '?'}_{index} RUNNING")
            elif queued is None:
                unknown |= set(mine)
            elif task:
                states[task.state] += 1
                flying |= dict.fromkeys(mine, f"{task.name} {task.state}{_reason(task)}")
            elif (
                one.job_id is None
                and one.submission_id not in shown
                and now - one.created_at < SENDING_SECONDS
            ):
                waiting.add(one.submission_id)
                flying |= dict.fromkeys(mine, f"?_{index} SENDING")
    return InFlight(
        flying, frozenset(unknown - flying.keys()), dict(states), waiting=frozenset(waiting)
    )


def tasks(n: int) -> str:
    """1 task, 2 tasks."""
    return f"{n} task{'' if n == 1 else 's'}"


def _reason(task: ArrayTask) -> str:
    return (
        f" ({task.reason})" if task.state == "PENDING" and task.reason not in ("", "None") else ""
    )


class Sky:
    """The submissions of a results folder to SLURM and what is in flight of them; `look` is cheap enough to be called every second.

    cancelled: take in those that somebody cancelled, whose tasks may take a while to end.
    """

    def __init__(self, results: Results, *, cancelled: bool = False) -> None:
        self.results, self.cancelled, self.queue, self.told = results, cancelled, Queue(), Told()
        self._about: dict[str, dict[str, str]] = {}
        self._trials: dict[str, dict[int, list[str]]] = {}

    def know(self, submission_ids: Iterable[str]) -> None:
        """Take in submissions that were just written: on a network file system a listing may show them later."""
        self._about |= {one: read_submission(self.results, one).metadata for one in submission_ids}

    def look(self) -> InFlight:
        """What is in flight now. SLURM is asked only when a submission to it may not be over, and not every time."""
        open_ = self.open()
        if not open_:
            return InFlight()
        queued = self.queue.look({one.user for one in open_ if one.user})
        live = {task.comment for task in queued or () if task.live}
        # Long lists of old submissions are not read: what squeue does not list is not in flight.
        near = [
            one
            for one in open_
            if queued is None or one.submission_id in live or one.job_id is None
        ]
        found = fly(
            near,
            {one.submission_id: self.trials(one.submission_id) for one in near},
            queued,
            self.told,
            time.time(),
        )
        return replace(found, problem=self.queue.problem)

    def release_held(self) -> int:
        """Let those tasks run again that SLURM holds since their launch failed; how many. When it refuses, none: somebody will ask again."""
        mine = {one.submission_id for one in self.open()}
        held = {task.name for task in self.queue.queued if task.comment in mine and task.held}
        try:
            if held:
                release(held)
        except NoAnswer:
            return 0
        return len(held)

    def sendings(self) -> list[Sending]:
        """The submissions that SLURM was given and did not refuse."""
        self._about |= list_submissions(self.results, self._about)
        found = []
        for one, about in self._about.items():
            if about["executor"] == "slurm" and (
                self.cancelled or not is_cancelled(self.results, one)
            ):
                sent = read_sent(self.results, one)
                if sent is None or sent.job_id is not None:
                    found.append(sending(one, about, sent))
        return found

    def open(self) -> list[Sending]:
        """Submissions of which not every task has said that it is done."""
        return [
            one
            for one in self.sendings()
            if not all(self.told.over(one, index) for index in range(one.tasks))
        ]

    def ended(self, trials: Collection[str]) -> dict[str, int]:
        """How tasks of these trials ended that SLURM ended before their work was done: state -> tasks, as squeue or accounting remembers them."""
        if not trials:
            return {}
        near = {one.submission_id: one for one in self.open() if one.job_id}
        mine = {
            (one, index)
            for one, sending in near.items()
            for index in range(sending.tasks)
            if not self.told.over(sending, index)
            and any(
                trial in trials and (one, trial) not in self.told.left
                for shard in sending.shards_of(index)
                for trial in self.trials(one)[shard]
            )
        }
        if not mine:
            return {}
        by_job = {sending.job_id: one for one, sending in near.items()}
        shown = {(task.comment, task.index): task.state for task in self.queue.queued}
        missing = {
            job
            for job, one in by_job.items()
            if job and any(place not in shown for place in mine if place[0] == one)
        }
        accounted = {
            (by_job.get(task.job_id, ""), task.index): task.state
            for task in self.queue.ended(missing)
        }
        states = [accounted.get(place) or shown.get(place, "") for place in mine]
        return dict(Counter(state for state in states if state in OVER and state != "COMPLETED"))

    def trials(self, submission_id: str) -> dict[int, list[str]]:
        """Shard -> trials of a submission."""
        if submission_id not in self._trials:
            shards: dict[int, list[str]] = defaultdict(list)
            for row in read_submission(self.results, submission_id).rows():
                shards[row["shard"]].append(row["trial_id"])
            self._trials[submission_id] = dict(shards)
        return self._trials[submission_id]
