"""Writes finished rows to files: in time slices, with waiting while a disk is full.

It also deletes checkpoints that are no longer needed.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from odecore.training import checkpointing
from sweeps.store import FINAL_OUTCOMES, Results, Writer
from sweeps.worker.disk_retry import retrying
from sweeps.worker.messages import Context


class CannotPublish(Exception):
    """The disk did not take the rows within the allowed time.

    The message is the line for the user.
    """


class Publisher:
    """The buffer for the rows of one worker.

    stop_asked: ends the waiting for a disk early when it returns True. note: receives lines for the
    user.
    """

    def __init__(
        self,
        results: Results,
        worker_id: str,
        context: Context,
        stop_asked: Callable[[], bool],
        note: Callable[[str], None],
        tick: Callable[[], None],
    ) -> None:
        self.results, self.context, self.limits, self.stop_asked, self.note, self.tick = (
            results,
            context,
            context.limits,
            stop_asked,
            note,
            tick,
        )
        self.writer = Writer(results, worker_id, slice_seconds=context.limits.publish_slice_seconds)
        self._finished: list[Path] = []
        self._published: list[tuple[float, Path]] = []

    @property
    def pending(self) -> int:
        """Number of rows that are not yet published."""
        return self.writer.pending_rows

    def add(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Add finished rows.

        The checkpoints of final rows are deleted some time after their publication.
        """
        self.writer.add(table, rows)
        if table == "runs":
            self._finished += [
                folder / r["attempt_id"]
                for r in rows
                if r["outcome"] in FINAL_OUTCOMES
                for folder in self.context.checkpoints(r["trial_id"])
            ]

    def publish_if_due(self) -> None:
        """Publish if the time slice is over, and delete checkpoints that are no longer needed.

        Raises CannotPublish.
        """
        if self.writer.due():
            self.publish()
        now = time.monotonic()
        kept = []
        for published_at, folder in self._published:
            if now - published_at < self.limits.checkpoint_kept_seconds:
                kept.append((published_at, folder))
            else:
                checkpointing.remove(folder)
        self._published = kept

    def publish(self) -> None:
        """Publish all rows.

        While the disk does not take them, they stay in memory and the caller waits. Raises
        CannotPublish when the allowed time is over.
        """
        seconds = self.limits.publish_retry_seconds
        told = False

        def waiting(error: OSError) -> None:
            nonlocal told
            if not told:
                self.note(f"cannot write results ({error}); trying again for {seconds:.0f} s")
            told = True
            self.tick()

        try:
            retrying(self.writer.publish, seconds, self.stop_asked, waiting)
        except OSError as error:
            line = (
                f"cannot write results ({error}); their checkpoints are kept. Make room in "
                f"{self.results.path}, then run again"
            )
            raise CannotPublish(line) from None
        self._published += [(time.monotonic(), folder) for folder in self._finished]
        self._finished.clear()

    def close(self) -> None:
        """Publish the remaining rows, then merge this worker's files into one.

        Raises CannotPublish.
        """
        self.publish()
        for _, folder in self._published:
            # `odesweep gc` does not see the disks of nodes.
            if self.context.checkpoint_dir in folder.parents:
                checkpointing.remove(folder)
        self.writer.close()
