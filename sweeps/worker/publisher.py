"""From finished rows to files that last: slices, a disk that is full, and the checkpoints that become superfluous."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from odecore.training import checkpointing
from sweeps.limits import Limits
from sweeps.store import FINAL_OUTCOMES, Results, Writer

PAUSE_SECONDS = 1.0


class CannotPublish(Exception):
    """The disk did not take the rows for as long as allowed. The message is the line for the user."""


class Publisher:
    """The buffer of one worker's rows. stop_asked: waiting for a disk ends early when it says so. note: takes lines for the user."""

    def __init__(
        self,
        results: Results,
        worker_id: str,
        limits: Limits,
        stop_asked: Callable[[], bool],
        note: Callable[[str], None],
        tick: Callable[[], None],
    ) -> None:
        self.results, self.limits, self.stop_asked, self.note, self.tick = (
            results,
            limits,
            stop_asked,
            note,
            tick,
        )
        self.writer = Writer(results, worker_id, slice_seconds=limits.publish_slice_seconds)
        self._finished: list[Path] = []
        self._published: list[tuple[float, Path]] = []

    @property
    def pending(self) -> int:
        """Rows not yet published."""
        return self.writer.pending_rows

    def add(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Take finished rows; the checkpoints of final ones are removed some time after they are published."""
        self.writer.add(table, rows)
        if table == "runs":
            self._finished += [
                self.results.checkpoints / r["trial_id"] / r["attempt_id"]
                for r in rows
                if r["outcome"] in FINAL_OUTCOMES
            ]

    def publish_if_due(self) -> None:
        """Publish when the slice is over, and drop checkpoints that are no longer needed. Raises CannotPublish."""
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
        """Publish all rows. While the disk does not take them they stay in memory and the caller waits. Raises CannotPublish in the end."""
        deadline = time.monotonic() + self.limits.publish_retry_seconds
        told = False
        while True:
            try:
                self.writer.publish()
                break
            except OSError as error:
                if time.monotonic() >= deadline or self.stop_asked():
                    line = f"cannot write results ({error}); their checkpoints are kept: make room in {self.results.path}, then run again"
                    raise CannotPublish(line) from None
                if not told:
                    self.note(
                        f"cannot write results ({error}); trying again for {self.limits.publish_retry_seconds:.0f} s"
                    )
                    told = True
                self.tick()
                time.sleep(min(PAUSE_SECONDS, max(0.05, deadline - time.monotonic())))
        self._published += [(time.monotonic(), folder) for folder in self._finished]
        self._finished.clear()

    def close(self) -> None:
        """Publish the rest, then merge this worker's files into one. Raises CannotPublish."""
        self.publish()
        self.writer.close()
