"""Dividing a submission's trials into shards. A shard is a list of trials for one slot."""

import heapq
import math
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from sweeps.cpus import available_cpus
from sweeps.profiles import Profile

# Shards per slot: slots that finish early find another one, and each costs one start and one file.
SHARDS_PER_SLOT = 4


class Timed(Protocol):
    """Anything with a predicted duration."""

    @property
    def predicted_seconds(self) -> float:
        """Predicted duration, s."""
        ...

    @property
    def first(self) -> bool:
        """Whether it comes before others."""
        ...


T = TypeVar("T", bound=Timed)


def balance(tasks: Sequence[T], shards: int) -> list[list[T]]:
    """At most `shards` lists of about equal predicted length; lists and tasks longest first.

    Each task, longest first, goes to the shard with least to do (Graham 1969: the longest shard is
    at most 4/3 of the best possible one).
    """
    lists: list[list[T]] = [[] for _ in range(min(shards, len(tasks)))]
    heap = [(0.0, 0, index) for index in range(len(lists))]
    for task in sorted(tasks, key=lambda task: task.predicted_seconds, reverse=True):
        # The count breaks ties, so that tasks without a predicted length are spread too.
        seconds, count, index = heapq.heappop(heap)
        lists[index].append(task)
        heapq.heappush(heap, (seconds + max(0.0, task.predicted_seconds), count + 1, index))
    return sorted(
        lists, key=lambda shard: sum(task.predicted_seconds for task in shard), reverse=True
    )


def in_turn(tasks: Iterable[T]) -> list[list[T]]:
    """Those that come first, then the others; at most two lists, none of them empty."""
    first, others = [], []
    for task in tasks:
        (first if task.first else others).append(task)
    return [group for group in (first, others) if group]


def local_slots(profile: Profile) -> int:
    """Slots on this machine: as the profile says, else as many as the CPUs allow."""
    return profile.slot_count or max(1, available_cpus() // profile.cpus)


def shard_count(trials: int, profile: Profile, slots: int) -> int:
    """How many shards a submission has: as the profile says, else a few for every slot."""
    if profile.trials_per_shard:
        return math.ceil(trials / profile.trials_per_shard)
    return min(trials, SHARDS_PER_SLOT * slots)
