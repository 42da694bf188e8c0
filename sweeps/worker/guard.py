"""The stall guard: a trial without a heartbeat is killed and recorded as hung."""

import time
from collections.abc import Callable

from sweeps.worker.messages import Progress

# A step may take this many median steps before silence counts as a hang, even if the limit is
# shorter.
MEDIAN_STEPS_ALLOWED = 20
# Before its first heartbeat a new process imports torch, which can take a minute on a cold shared
# disk.
START_SECONDS = 180.0
# Somebody who looks this rarely was stopped, as by SIGSTOP, and knows nothing of the time between.
LOOK_SECONDS = 5.0


class Guard:
    """Knows the time of the slot's last heartbeat. limit: max(stall_seconds, 20 median steps).

    starved: seconds that the slot's process was ready and got no CPU, since it began. On a crowded
    machine they are no silence: a process that computes one long batch at low priority is healthy.
    """

    def __init__(self, stall_seconds: float, starved: Callable[[], float] = lambda: 0.0) -> None:
        self.stall_seconds, self._starved = stall_seconds, starved
        self.latest: Progress | None = None
        self.killed = False
        self._started = False
        self._alive_at, self._starved_then = time.monotonic(), starved()
        self._looked_at = self._alive_at

    @property
    def limit_seconds(self) -> float:
        """How long the slot may be silent now."""
        if not self._started:
            return max(self.stall_seconds, START_SECONDS)
        return max(
            self.stall_seconds,
            MEDIAN_STEPS_ALLOWED * (self.latest.seconds_per_step if self.latest else 0.0),
        )

    def alive(self, progress: Progress | None = None) -> None:
        """Record a heartbeat."""
        self._started = True
        self._alive_at, self._starved_then = time.monotonic(), self._starved()
        self.latest = progress or self.latest

    def hung(self) -> bool:
        """True if the slot was silent for longer than the limit.

        This is remembered, so that the process death that follows is known to be caused by the
        guard. The time in which nobody looked is no silence: a whole task may be suspended.
        """
        now = time.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._alive_at += now - self._looked_at
        self._looked_at = now
        silent = now - self._alive_at
        if not self.killed and silent > self.limit_seconds:
            self.killed = silent - (self._starved() - self._starved_then) > self.limit_seconds
        return self.killed
