"""What `run` shows while it runs: bars on a terminal, plain lines in a log."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from sweeps.worker.messages import Ending
from sweeps.worker.messages import Progress as Step
from sweeps.worker.report import Watcher
from sweeps.worker.tasks import Task

# In a log a running trial is mentioned this often.
PLAIN_SECONDS = 30.0
COLORS = {
    "completed": "green",
    "diverged": "yellow",
    "solver_failed": "yellow",
    "evaluated": "green",
    "interrupted": "cyan",
}


class RunDisplay(Watcher):
    """Shows trials as they start, advance and end. Use as a context manager.

    follow: also show what the worker prints. bars: False leaves the terminal to a debugger.
    """

    def __init__(
        self, total: int, *, follow: bool = False, bars: bool = True, stream: TextIO | None = None
    ) -> None:
        self.console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self.total, self.done = total, 0
        self.live = self.console.is_terminal and bars
        self.follow = follow
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self.bars = Progress(
            *columns,
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.live,
        )
        self._all = self.bars.add_task("trials", total=total, note="")
        self._running: dict[str, TaskID] = {}
        self._mentioned_at = time.monotonic()
        self._tails: dict[Path, Tail] = {}

    def __enter__(self) -> "RunDisplay":
        self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.tick()
        self.bars.stop()

    def writes_to(self, log: Path) -> None:
        """See `Watcher.writes_to`."""
        if self.follow:
            self._tails.setdefault(log, Tail(log))

    def began(self, task: Task, attempts: int) -> None:
        """See `Watcher.began`."""
        words = "train" if task.train else "evaluate"
        self._remove(task)
        self._running[task.trial_id] = self.bars.add_task(
            f"{words} {escape(task.label)}", total=1, note=""
        )
        self._mentioned_at = time.monotonic()
        if attempts > 1:
            self.note(f"{task.label}: start number {attempts}")

    def progress(self, task: Task, progress: Step) -> None:
        """See `Watcher.progress`."""
        self.tick()
        note = f"loss {progress.loss:.4g}"
        if task.trial_id in self._running:
            self.bars.update(
                self._running[task.trial_id],
                completed=progress.iteration,
                total=progress.iterations,
                note=note,
            )
        if not self.live and time.monotonic() - self._mentioned_at >= PLAIN_SECONDS:
            self._mentioned_at = time.monotonic()
            self.console.print(
                f"        {task.label}: iteration {progress.iteration}/{progress.iterations}, "
                f"{note}",
                markup=False,
            )

    def ended(self, task: Task, ending: Ending) -> None:
        """See `Watcher.ended`."""
        self.done += ending.outcome not in ("interrupted", "infrastructure")
        self.bars.update(self._all, completed=self.done)
        self._remove(task)
        color = COLORS.get(ending.outcome, "red")
        accuracy = ending.finished.get("accuracy_test")
        facts = f"accuracy_test {accuracy:.3f}" if accuracy is not None else (ending.detail or "")
        self.tick()
        self.console.print(
            f"[{color}]{ending.outcome:>13}[/] {self.done:>4}/{self.total} {escape(task.label)}  "
            f"{escape(facts)}"
        )
        if ending.frames:
            self.console.print(
                f"{ending.frames.rstrip()}\ntrial {task.trial_id}, the whole traceback is in "
                f"{ending.log}",
                style="dim",
                markup=False,
            )

    def note(self, text: str) -> None:
        """See `Watcher.note`."""
        self.console.print(text, style="yellow", markup=False)

    def tick(self) -> None:
        """See `Watcher.tick`."""
        for tail in self._tails.values():
            if text := tail.new_text():
                self.console.print(text, end="", markup=False)

    def _remove(self, task: Task) -> None:
        """Remove the trial's bar, if it has one."""
        if (bar := self._running.pop(task.trial_id, None)) is not None:
            self.bars.remove_task(bar)


class Tail:
    """The new part of a growing file."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset = path, 0

    def new_text(self) -> str:
        """Whole lines added since the last call; empty while the file does not exist."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return ""
        end = data.rfind(b"\n") + 1
        self._offset += end
        return data[:end].decode(errors="replace")
