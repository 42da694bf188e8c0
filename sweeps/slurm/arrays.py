"""How trials become job arrays as large as the cluster allows, and what a task has to know."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sweeps.planning.shards import SHARDS_PER_SLOT, T, balance, in_turn
from sweeps.profiles import Profile
from sweeps.slurm.auto_slots import most_slots_per_task
from sweeps.slurm.profile import (
    limit_seconds,
    signal_seconds,
    slots_per_task,
    task_cpus,
)

# A task waits and imports for about ten seconds before its first step; a shard should last much
# longer.
SHARD_SECONDS = 120.0
# Predictions may be wrong by a factor of two: a shard is planned to this share of the time limit.
LIMIT_SHARE = 0.5
# Submitit renames one file per task once the array is queued, and each task waits up to a minute
# for its file.
LARGEST_ARRAY = 5_000


class Layout(NamedTuple):
    """Which task of an array runs which shards of its submission: `slots` of them side by side."""

    shards: int
    slots: int

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Layout":
        """That of a submission with these settings."""
        return cls(settings["shards"], settings["slots"])

    @property
    def tasks(self) -> int:
        """Tasks of the array."""
        return math.ceil(self.shards / self.slots)

    def shards_of(self, task: int) -> range:
        """The shards that a task runs at the same time."""
        return range(task * self.slots, min(self.shards, (task + 1) * self.slots))

    def task_of(self, shard: int) -> int:
        """The task that runs a shard."""
        return shard // self.slots


class Room(NamedTuple):
    """How many tasks the cluster takes: in one array, and in total (None: no known limit)."""

    array: int
    total: int | None = None


def shard_count(seconds: Sequence[float], profile: Profile, room: Room) -> int:
    """How many shards trials of these predicted seconds make.

    The profile decides if it sets trials_per_shard. Otherwise a shard is long enough to be worth a
    task and short enough for the time limit. If possible they form one array, with a few tasks for
    each task that may run at once.
    """
    if profile.trials_per_shard:
        return math.ceil(len(seconds) / profile.trials_per_shard)
    slots, total = slots_per_task(profile), sum(seconds)
    wanted = math.ceil(total / SHARD_SECONDS)
    if profile.throttle:
        wanted = min(wanted, SHARDS_PER_SLOT * profile.throttle * slots)
    wanted = min(wanted, _array(room) * slots)
    if profile.slots == "auto":
        # A task can only use as many slots as it has trials.
        wanted = min(wanted, len(seconds) // most_slots_per_task(profile))
    if limit := limit_seconds(profile):
        usable = LIMIT_SHARE * (limit - signal_seconds(profile))
        wanted = max(wanted, math.ceil(total / usable))
    if room.total is not None:
        wanted = min(wanted, room.total * slots)
    return max(1, min(len(seconds), max(wanted, slots)))


def divide(tasks: Sequence[T], profile: Profile, room: Room) -> tuple[list[list[list[T]]], list[T]]:
    """Arrays of shards, the longest first, and the trials for which there is no room now."""
    slots = slots_per_task(profile)
    shards: list[list[T]] = []
    for group in in_turn(tasks):
        left = None if room.total is None else max(0, room.total - math.ceil(len(shards) / slots))
        shards += _shards(group, profile, room._replace(total=left))
    taken = shards if room.total is None else shards[: room.total * slots]
    size = _array(room) * slots
    return [taken[start : start + size] for start in range(0, len(taken), size)], [
        task for shard in shards[len(taken) :] for task in shard
    ]


def _shards(tasks: Sequence[T], profile: Profile, room: Room) -> list[list[T]]:
    count = shard_count([task.predicted_seconds for task in tasks], profile, room)
    if not profile.trials_per_shard:
        return balance(tasks, count, profile.stack)
    ordered = sorted(tasks, key=lambda task: task.predicted_seconds, reverse=True)
    return [ordered[number::count] for number in range(count)]


def _array(room: Room) -> int:
    return max(1, min(room.array, LARGEST_ARRAY))


def settings(
    profile: Profile, shards: int, code: dict[str, Any], cancelling: Sequence[str] = ()
) -> dict[str, Any]:
    """What a task has to know besides `Scheduler.settings`, as plain values.

    code: provenance that only the login node knows. cancelling: partitions that cancel a preempted
    task.
    """
    slots = slots_per_task(profile)
    return {
        "shards": shards,
        "slots": slots,
        "auto_slots": profile.slots == "auto",
        # Of one slot; of auto those of the task, which divides them.
        "cpus": task_cpus(profile) if profile.slots == "auto" else profile.cpus,
        # Only a whole node for one trial makes its seconds comparable.
        "exclusive": profile.slots in (None, 1) and profile.options.get("exclusive") is True,
        "exclude": profile.options.get("exclude"),
        "limit_seconds": limit_seconds(profile),
        "signal_seconds": signal_seconds(profile),
        "cancelling": list(cancelling),
        "code": code,
    }
