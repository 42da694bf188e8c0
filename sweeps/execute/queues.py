"""All executors that may have trials of a results folder in a queue."""

from collections import ChainMap, Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sweeps.execute.registry import executors, load_object
from sweeps.execute.scheduler import InFlight, QueueScheduler
from sweeps.store import Results


class Queues:
    """The schedulers of a results folder whose trials outlive the command that sent them."""

    def __init__(self, results: Results) -> None:
        self.schedulers: dict[str, QueueScheduler] = {
            name: load_object(executor.scheduler)(results)
            for name, executor in executors().items()
            if executor.queues
        }

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """See `Scheduler.add`."""
        events = list(events)
        for scheduler in self.schedulers.values():
            scheduler.add(events)

    def in_flight(self) -> InFlight:
        """What all of them have waiting or running."""
        flights = [scheduler.in_flight() for scheduler in self.schedulers.values()]
        trials = dict(ChainMap(*(dict(flight.trials) for flight in flights)))
        return InFlight(
            trials,
            frozenset[str]().union(*(flight.unknown for flight in flights)) - trials.keys(),
            sum((Counter(flight.jobs) for flight in flights), Counter()),
            "; ".join(flight.problem for flight in flights if flight.problem) or None,
        )

    def open_since(self) -> float | None:
        """See `QueueScheduler.open_since`."""
        times = [scheduler.open_since() for scheduler in self.schedulers.values()]
        return min((time for time in times if time is not None), default=None)

    def notes(self, trial_ids: Collection[str]) -> Iterator[str]:
        """See `Scheduler.notes`."""
        for scheduler in self.schedulers.values():
            yield from scheduler.notes(trial_ids)
