"""Dividing a study's trials into arrays of SLURM, as large as the cluster takes them, and what a task has to know. Pure."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.limits import Limits
from sweeps.profiles import Profile
from sweeps.shards import SHARDS_PER_SLOT, T, balance

# A task costs some ten seconds of waiting and imports before its first step; a shard should last much longer than that.
SHARD_SECONDS = 120.0
# Predictions are right within a factor; a shard planned to this share of the time limit mostly ends within it.
LIMIT_SHARE = 0.5
# Submitit renames one file per task once the array is queued, and tasks wait a minute for theirs.
LARGEST_ARRAY = 5_000


class Room(NamedTuple):
    """What the cluster takes: tasks in one array, and tasks altogether from now on (None: nobody knows a limit)."""

    array: int
    total: int | None = None


def shard_count(seconds: Sequence[float], profile: Profile, room: Room) -> int:
    """How many shards trials of these predicted seconds make.

    As the profile says; else such that a shard is worth a task and ends within the time limit, if possible in one array, with some tasks for
    each that may run at once.
    """
    if profile.trials_per_shard:
        return math.ceil(len(seconds) / profile.trials_per_shard)
    slots, total = profile.slots_per_task, sum(seconds)
    wanted = math.ceil(total / SHARD_SECONDS)
    if profile.throttle:
        wanted = min(wanted, SHARDS_PER_SLOT * profile.throttle * slots)
    wanted = min(wanted, _array(room) * slots)
    if profile.limit_seconds:
        wanted = max(
            wanted,
            math.ceil(total / (LIMIT_SHARE * (profile.limit_seconds - profile.signal_seconds))),
        )
    if room.total is not None:
        wanted = min(wanted, room.total * slots)
    return max(1, min(len(seconds), max(wanted, slots)))


def divide(tasks: Sequence[T], profile: Profile, room: Room) -> tuple[list[list[list[T]]], list[T]]:
    """Arrays of shards, the longest first, and the trials for which there is no room now."""
    count = shard_count([task.predicted_seconds for task in tasks], profile, room)
    if profile.trials_per_shard:
        ordered = sorted(tasks, key=lambda task: task.predicted_seconds, reverse=True)
        shards = [ordered[number::count] for number in range(count)]
    else:
        shards = balance(tasks, count)
    slots = profile.slots_per_task
    taken = shards if room.total is None else shards[: room.total * slots]
    size = _array(room) * slots
    return [taken[start : start + size] for start in range(0, len(taken), size)], [
        task for shard in shards[len(taken) :] for task in shard
    ]


def _array(room: Room) -> int:
    return max(1, min(room.array, LARGEST_ARRAY))


def settings(
    profile: Profile,
    shards: int,
    limits: Limits,
    data_root: Path | None,
    threads: int | None,
    code: dict[str, Any],
    device: str = "auto",
) -> dict[str, Any]:
    """How the trials of one array run, as plain values for its submission. code: provenance that only the login node knows."""
    slots = profile.slots_per_task
    return {
        "shards": shards,
        "slots": slots,
        "cpus": profile.cpus,
        "threads": threads,
        "device": device,
        # Only a whole node for one trial makes its seconds mean something.
        "exclusive": slots == 1 and profile.sbatch.get("exclusive") is True,
        "data_root": str(data_root.absolute()) if data_root else None,
        "exclude": profile.sbatch.get("exclude"),
        "limit_seconds": profile.limit_seconds,
        "signal_seconds": profile.signal_seconds,
        "limits": asdict(limits),
        "code": code,
    }
