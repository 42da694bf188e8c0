"""Dividing a submission's trials into shards. A shard is a list of trials for one slot."""

import heapq
import math
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from odecore.config import TrialSpec
from odecore.config.stacks import stack_key
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

    @property
    def spec(self) -> TrialSpec:
        """What it trains."""
        ...


T = TypeVar("T", bound=Timed)


def balance(tasks: Sequence[T], shards: int, stack: int = 1) -> list[list[T]]:
    """At most `shards` lists of about equal predicted length; lists and tasks longest first.

    Each task, longest first, goes to the shard with least to do (Graham 1969: the longest shard is
    at most 4/3 of the best possible one). stack: so many tasks that can be one stack stay together.
    """
    together = sorted(_stacks(tasks, stack), key=_seconds, reverse=True)
    lists: list[list[T]] = [[] for _ in range(min(shards, len(together)))]
    heap = [(0.0, 0, index) for index in range(len(lists))]
    for members in together:
        # The count breaks ties, so that tasks without a predicted length are spread too.
        seconds, count, index = heapq.heappop(heap)
        lists[index] += members
        heapq.heappush(heap, (seconds + _seconds(members), count + len(members), index))
    return sorted(lists, key=_seconds, reverse=True)


def _seconds(tasks: Sequence[Timed]) -> float:
    return sum(max(0.0, task.predicted_seconds) for task in tasks)


def _stacks(tasks: Sequence[T], size: int) -> list[list[T]]:
    """Tasks that can be one stack, at most `size` of them together; all others alone."""
    if size == 1:
        return [[task] for task in tasks]
    found: dict[str | int, list[T]] = {}
    for number, task in enumerate(tasks):
        found.setdefault(stack_key(task.spec) or number, []).append(task)
    return [
        members[start : start + size]
        for members in found.values()
        for start in range(0, len(members), size)
    ]


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
