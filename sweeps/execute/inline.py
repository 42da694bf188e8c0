"""Executor `inline`: one slot on this machine, a child process.

With `debug` this process itself.
"""

import contextlib
from collections.abc import Sequence

from sweeps.execute.scheduler import Scheduler, Shards
from sweeps.execute.signals import stop_on_signals
from sweeps.execute.worker import Worker, default_threads
from sweeps.shards import balance, in_turn
from sweeps.worker.gpus import listing
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.tasks import Task


class Inline(Scheduler):
    """Runs a submission of one shard and returns when it has ended."""

    def resources(self) -> tuple[float, float]:
        """The CPUs that its threads use, and one GPU if there is one."""
        return self.setup.threads or default_threads(), float(bool(listing()))

    def divide(self, trials: Sequence[Task]) -> tuple[list[Shards], list[Task]]:
        """One shard, the longest trial first."""
        return [[[task for group in in_turn(trials) for task in balance(group, 1)[0]]]], []

    def send(self, submission_id: str, watcher: Watcher) -> ShardReport:
        """See `Scheduler.send`."""
        worker = Worker(self.results, submission_id, watcher)
        slot = worker.slot(debug=self.setup.debug)
        with stop_on_signals() as request, contextlib.closing(slot):
            return worker.run(0, slot, request.cause)
