"""What all commands print alike: the console, tables, counts and durations."""

import errno
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def count(n: int, noun: str, plural: str | None = None) -> str:
    """A text such as "1 trial" or "2 trials". plural: if it is not just the noun with an s."""
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}"


def counts(counter: Counter[str]) -> str:
    """A text such as "3 completed, 1 crashed"."""
    return ", ".join(f"{n} {name}" for name, n in counter.most_common())


def count_kind(n: int, kind: str) -> str:
    """A text such as "1 run" or "2 runs". kind: of rows or files, in the plural."""
    uncounted = kind == "weights" or kind.startswith("probe_")
    return f"{n:,} {kind.removesuffix('s') if n == 1 and not uncounted else kind}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever is most readable."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 3600:,.1f} h"


def console() -> Any:
    """The console: as wide as the terminal, and wide enough for a table if there is none."""
    from rich.console import Console

    found = Console(highlight=False, soft_wrap=True)
    if not found.is_terminal:
        found = Console(highlight=False, soft_wrap=True, width=max(found.width, 160))
    # By itself rich would end the command with 1.
    found.on_broken_pipe = _reader_gone
    return found


def _reader_gone() -> None:
    raise BrokenPipeError(errno.EPIPE, "the reader has gone")


def table(words: Sequence[str], numbers: Sequence[str], rest: Sequence[str] = ()) -> "Table":
    """A table without lines. Columns of numbers are on the right and never wrap."""
    from rich.table import Table

    found = Table(*words, *numbers, *rest, box=None, pad_edge=False, header_style="bold")
    for column in found.columns[len(words) : len(words) + len(numbers)]:
        column.justify, column.no_wrap = "right", True
    return found
