"""Which figures and tables there are, what each lacks, and the command that fills it."""

import shlex
from dataclasses import dataclass
from importlib import import_module
from itertools import takewhile
from typing import TYPE_CHECKING, cast

from analysis import PAPERS
from analysis.errors import ReportError

if TYPE_CHECKING:
    from analysis.data import Data
    from analysis.save import Figure, Table

# More cells than this are counted, not listed: after a plan nothing has run, and all of them are missing.
MAX_LISTED = 12


def names(kind: str) -> list[str]:
    """All names of a kind, FIGURES or TABLES, as `paper/name`, in the papers' order."""
    return [f"{paper}/{name}" for paper in PAPERS for name in getattr(import_module(f"analysis.{paper}"), kind)]


def select(target: str | None, *kinds: str) -> list[str]:
    """Names of these kinds that `target` means: None all, a paper its own, `paper/name` one. Raises ReportError that lists the valid ones."""
    valid = [name for kind in kinds for name in names(kind)]
    chosen = [name for name in valid if target is None or name == target or name.partition("/")[0] == target]
    if not chosen:
        words = " or ".join(kind.lower()[:-1] for kind in kinds)
        raise ReportError(f"no {words} {target!r}; choose from {', '.join([*PAPERS, *valid])}")
    return chosen


def table_module(name: str) -> "Table":
    """The module of a table; a figure's numbers are a table as well."""
    return cast("Table", import_module(f"analysis.{name.replace('/', '.')}"))


def figure_module(name: str) -> "Figure":
    """The module of a figure."""
    return cast("Figure", import_module(f"analysis.{name.replace('/', '.')}"))


def not_planned(data: "Data", needs: tuple[str, ...]) -> list[str]:
    """Kinds of rows that a figure needs and this plan never asks for, such as trajectories of images."""
    return sorted(set(needs) - data.plan.kinds())


@dataclass(frozen=True)
class Finding:
    """What one figure or table lacks. summary: one sentence. cells: one line each. command: what fills them, empty if nothing is missing."""

    summary: str
    cells: list[str]
    command: str


def examine(data: "Data", needs: tuple[str, ...]) -> Finding:
    """The cells that `needs` asks of the plan and that have no row. A run that failed has its row and lacks nothing."""
    from analysis.caption import missing_text

    rows = data.missing(needs).to_dict("records")
    cells = [f"{row['kind']}: {row['axes']} seed={row['seed']}" + (f", {row['what']}" if row["what"] else "") for row in rows]
    if len(cells) > MAX_LISTED:
        cells = [*cells[:MAX_LISTED], f"and {len(cells) - MAX_LISTED} more"]
    summary = missing_text(data, needs) or f"complete, {len(data.planned_trials(needs))} trials."
    return Finding(summary, cells, filling_command(data, needs))


def filling_command(data: "Data", needs: tuple[str, ...]) -> str:
    """The command that makes what is missing: training where trials lack, otherwise evaluations and probes alone; empty if nothing is."""
    missing = data.missing(needs)
    if not len(missing):
        return ""
    # Each trial's command ends with its own axis values; what all of them share selects no less than the missing ones.
    places = zip(*(shlex.split(command) for command in missing["command"]), strict=False)
    shared = [words[0] for words in takewhile(lambda words: len(set(words)) == 1, places)]
    command = shlex.join([*shared, "--results", data.results])
    return command if "trial" in set(missing["kind"]) else command.replace("odesweep run ", "odesweep evaluate ", 1)
