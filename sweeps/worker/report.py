"""What a shard reports: to a watcher while it runs, and to its caller at the end."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sweeps.worker.messages import Ending, Progress
from sweeps.worker.tasks import Task


@dataclass
class ShardReport:
    """What a shard did, by trial.

    unevaluated: why trained trials could not be evaluated. evaluated: how many trials were
    evaluated without training. unwaited: whether it left trials to the workers that run them, and
    waited for none. stopped: why the shard ended early. infrastructure: the line to show
    after an infrastructure failure.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    unevaluated: dict[str, str] = field(default_factory=dict)
    evaluated: int = 0
    unwaited: bool = False
    stopped: str | None = None
    infrastructure: str | None = None

    @classmethod
    def merged(cls, reports: Iterable["ShardReport"]) -> "ShardReport":
        """The reports of several shards as one.

        Everything they did, and the first reason of each kind.
        """
        whole = cls()
        for report in reports:
            for name in ("outcomes", "details", "unevaluated"):
                getattr(whole, name).update(getattr(report, name))
            whole.evaluated += report.evaluated
            whole.stopped = whole.stopped or report.stopped
            whole.infrastructure = whole.infrastructure or report.infrastructure
        return whole


class Watcher:
    """Receives what happens in a shard. The methods do nothing; override those you need."""

    def writes_to(self, log: Path) -> None:
        """The slot's process prints to this file."""

    def began(self, task: Task, attempts: int) -> None:
        """A trial starts, for the `attempts`-th time."""

    def progress(self, task: Task, progress: Progress) -> None:
        """A trial advanced."""

    def ended(self, task: Task, ending: Ending) -> None:
        """A trial ended, for any reason."""

    def note(self, text: str) -> None:
        """A line for the user."""

    def tick(self) -> None:
        """Called regularly, so that time can be noticed."""


def exit_words(code: int | None) -> str:
    """An exit code in words: the name of the signal if it was one."""
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
