"""The wall guard: a trial that shows no sign of life is ended and called hung."""

import time

from sweeps.worker.messages import Progress

# A step may take this many median steps before silence means a hang, however short the limit.
MEDIAN_STEPS_ALLOWED = 20
# Before its first sign of life a new process imports torch, which takes a minute on a cold shared disk.
START_SECONDS = 180.0


class Guard:
    """Knows when the slot last showed life. limit: max(stall_seconds, 20 median steps)."""

    def __init__(self, stall_seconds: float) -> None:
        self.stall_seconds = stall_seconds
        self.latest: Progress | None = None
        self.killed = False
        self._started = False
        self._alive_at = time.monotonic()

    @property
    def limit_seconds(self) -> float:
        """Silence allowed now."""
        if not self._started:
            return max(self.stall_seconds, START_SECONDS)
        return max(
            self.stall_seconds,
            MEDIAN_STEPS_ALLOWED * (self.latest.seconds_per_step if self.latest else 0.0),
        )

    def alive(self, progress: Progress | None = None) -> None:
        """Note a sign of life."""
        self._started = True
        self._alive_at = time.monotonic()
        self.latest = progress or self.latest

    def hung(self) -> bool:
        """True when the silence is over the limit; remembered, so that the death that follows is known to be ours."""
        self.killed = self.killed or time.monotonic() - self._alive_at > self.limit_seconds
        return self.killed
