"""What a shard tells: as it runs to whoever watches, and at its end."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sweeps.worker.messages import Ending, Progress
from sweeps.worker.tasks import Task


@dataclass
class ShardReport:
    """What a shard did, by trial. unevaluated: why trained trials could not be evaluated. evaluated: how many were without being trained.

    stopped: why the shard ended early. infrastructure: the line to show when the machine was in the way.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    unevaluated: dict[str, str] = field(default_factory=dict)
    evaluated: int = 0
    stopped: str | None = None
    infrastructure: str | None = None

    @classmethod
    def merged(cls, reports: Iterable["ShardReport"]) -> "ShardReport":
        """Of several shards: everything they did, and the first reason of each kind."""
        whole = cls()
        for report in reports:
            for name in ("outcomes", "details", "unevaluated"):
                getattr(whole, name).update(getattr(report, name))
            whole.evaluated += report.evaluated
            whole.stopped = whole.stopped or report.stopped
            whole.infrastructure = whole.infrastructure or report.infrastructure
        return whole


class Watcher:
    """What whoever started the shard may want to see. The methods do nothing; override what is needed."""

    def writes_to(self, log: Path) -> None:
        """Where the slot's process prints."""

    def began(self, task: Task, attempts: int) -> None:
        """A trial starts, for the `attempts`-th time."""

    def progress(self, task: Task, progress: Progress) -> None:
        """A trial advanced."""

    def ended(self, task: Task, ending: Ending) -> None:
        """A trial ended, one way or another."""

    def note(self, text: str) -> None:
        """One line worth knowing."""

    def tick(self) -> None:
        """A moment passed."""


def exit_words(code: int | None) -> str:
    """An exit code in words: the signal's name where there was one."""
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
