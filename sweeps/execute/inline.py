"""Executor `inline`: one slot on this machine, a child process.

With `debug` this process itself.
"""

import contextlib
from collections.abc import Sequence

from sweeps.execute.scheduler import Scheduler, Shards
from sweeps.execute.signals import stop_on_signals
from sweeps.execute.worker import Worker
from sweeps.shards import balance
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.tasks import Task


class Inline(Scheduler):
    """Runs a submission of one shard and returns when it has ended."""

    def divide(self, trials: Sequence[Task]) -> tuple[list[Shards], list[Task]]:
        """One shard, the longest trial first."""
        return [balance(trials, 1)], []

    def send(self, submission_id: str, watcher: Watcher) -> ShardReport:
        """See `Scheduler.send`."""
        worker = Worker(self.results, submission_id, watcher)
        slot = worker.slot(debug=self.setup.debug)
        with stop_on_signals() as request, contextlib.closing(slot):
            return worker.run(0, slot, request.cause)
