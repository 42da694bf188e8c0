"""What the commands of `odereport` do with figures and tables.

They read the folder once, make what was asked for, and say what is missing.
"""

import contextlib
import errno
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table as PrintedTable

from analysis.check import examine, select
from analysis.drawing.figure import Figure, Table
from analysis.drawing.save import save_figure, save_table
from analysis.errors import ReportError
from analysis.rows.data import Data
from analysis.rows.read import Folder, NoPlan, load

OK, INCOMPLETE = 0, 1

# Lines are for people and for pipes: never wrapped, never recoloured. Tables in a pipe are wide
# enough for their columns.
CONSOLE = Console(
    soft_wrap=True, highlight=False, markup=False, width=None if sys.stdout.isatty() else 200
)


def _reader_gone() -> None:
    raise BrokenPipeError(errno.EPIPE, "the reader has gone")


# By itself rich would end the command with 1.
CONSOLE.on_broken_pipe = _reader_gone


class Reader:
    """Reads a results folder once for any number of figures.

    plan, scale: those given on the command line, or None.
    """

    def __init__(self, results: Path, plan: str | None = None, scale: str | None = None) -> None:
        if plan is not None and scale is not None and "@" in plan:
            raise ReportError(
                f"--plan {plan} already contains a scale; give --plan {plan.partition('@')[0]} "
                f"--scale {scale}, or leave out --scale"
            )
        self._results = results
        self.plan, self.scale = plan, scale
        self._read: dict[tuple[str | tuple[str, ...], str | None, str | None], Data] = {}

    @cached_property
    def folder(self) -> Folder:
        """The folder, opened when first needed. Raises ReportError if there is none."""
        return Folder(self._results)

    def __call__(
        self, study: str | tuple[str, ...], scale: str | None = None, added: str | None = None
    ) -> Data:
        """The data of one study or of several.

        scale: this one instead. added: as of `load`. Raises NoPlan if none of them has a plan
        here.
        """
        key = (study, scale, added)
        if key not in self._read:
            self._read[key] = load(self.folder, study, self.plan, scale or self.scale, added)
        return self._read[key]

    def trained(self, study: str | tuple[str, ...]) -> set[str]:
        """The trials of these studies and of seeds added to them that have a run.

        At all scales unless one was given.
        """
        scales: dict[str | None, None] = {self.scale: None}
        if self.plan is None and self.scale is None:
            scales = dict.fromkeys(self._scales())
        found: set[str] = set()
        for scale in scales:
            with contextlib.suppress(NoPlan):
                found |= set(self(study, scale, "+seed=").runs["trial_id"])
        return found

    def _scales(self) -> list[str]:
        """The scales of the saved plans."""
        names = self.folder.plan_names
        return list(dict.fromkeys(one.partition("@")[2].partition("+")[0] for one in names))

    def check_choice(self) -> None:
        """Raise ReportError if no saved plan is the one, or has the scale, that was given."""
        names = self.folder.plan_names
        if self.plan and self.plan not in {*names, *(one.partition("@")[0] for one in names)}:
            known = ", ".join(names) or "none"
            raise ReportError(f"no plan {self.plan} in {self.folder.path}; plans here: {known}")
        scales = self._scales()
        if self.scale and self.scale not in scales:
            raise ReportError(
                f"no plan at scale {self.scale} in {self.folder.path}; scales here: "
                f"{', '.join(scales) or 'none'}"
            )

    def concerns(self, target: str | None, study: str | tuple[str, ...]) -> bool:
        """Whether a figure of this study was asked for.

        With --plan and without a target, only figures that read the plan's study.
        """
        return (
            target is not None
            or self.plan is None
            or self.plan.partition("@")[0] in ((study,) if isinstance(study, str) else study)
        )

    def stem(self, name: str, data: Data, out: Path) -> Path:
        """Where the files of `name` go.

        The name is paper_name, followed by the scale or the plan if one was given.
        """
        stem = name.replace("/", "_")
        if self.plan is None:
            return out / (f"{stem}-{self.scale}" if self.scale else stem)
        named = next(
            (plan for plan in data.plans if plan.study == self.plan.partition("@")[0]),
            data.plans[0],
        ).name
        study, _, scale = named.partition("@")
        study = study.rpartition("/")[2]
        return out / "-".join([stem, study, *([] if scale in study.split("-") else [scale])])


def figures(target: str | None, reader: Reader, out: Path) -> int:
    """Draw the figures for `target`; returns the exit code."""

    def draw(figure: Any, data: Data) -> str | None:
        return _draw(figure, data, reader.stem(figure.name, data, out))

    return _each(("FIGURES",), target, reader, draw)


def save(figure: Figure, data: Data, stem: Path) -> int:
    """Draw one figure into the files `stem`, or say what it lacks; returns the exit code."""
    return _one(figure, data, lambda value, shown: _draw(value, shown, stem), True, False)


def _draw(figure: Figure, data: Data, stem: Path) -> str | None:
    """Save the figure; returns what was written, None without numbers."""
    numbers = figure.table(data)
    if numbers.empty:
        return None
    paths = save_figure(figure, numbers, figure.caption(data, numbers), stem)
    return f"{paths[0]} (also {', '.join(path.suffix for path in paths[1:])})"


def tables(target: str | None, reader: Reader, out: Path) -> int:
    """Write and print the tables for `target`; returns the exit code."""

    def write(table: Any, data: Data) -> str | None:
        numbers = table.table(data)
        if numbers.empty:
            return None
        shown, caption = table.readable(numbers), table.caption(data, numbers)
        paths = save_table(numbers, shown, caption, reader.stem(table.name, data, out))
        printed = PrintedTable(*shown.columns, title=table.name)
        for row in shown.to_numpy().tolist():
            printed.add_row(*row)
        CONSOLE.print(printed)
        CONSOLE.print(caption)
        return f"{paths[0]} (also {paths[1].suffix})"

    return _each(("TABLES",), target, reader, write)


def check(target: str | None, reader: Reader) -> int:
    """Say what each figure and table lacks; returns the exit code."""
    return _each(("FIGURES", "TABLES"), target, reader, None)


Make = Callable[[Any, Data], str | None]


def _each(kinds: tuple[str, ...], target: str | None, reader: Reader, make: Make | None) -> int:
    """`make` for every value, or only say what is missing.

    What the plans have no data for counts as lacking only when it was named.
    """
    if reader.plan and reader.folder.plan_names:
        reader.check_choice()
    named = target is not None and "/" in target
    chosen = [value for value in select(target, *kinds) if reader.concerns(target, value.study)]
    if not chosen:
        raise ReportError(
            f"plan {reader.plan} alone is not enough: also name a paper, e.g. ott2021"
        )
    codes, without_plan, advice = [], {}, ""
    for value in track(
        chosen,
        description=" and ".join(kinds).lower(),
        console=CONSOLE,
        transient=True,
        disable=not CONSOLE.is_terminal,
    ):
        try:
            codes.append(_one(value, reader(value.study), make, named, reader.plan is not None))
        except NoPlan as reason:
            without_plan.setdefault(str(reason).removesuffix(reason.advice), []).append(value.name)
            advice = reason.advice
    if without_plan and not codes:
        raise ReportError(next(iter(without_plan)) + advice)
    # A named plan is that of one study: what figures of other studies lack there is not worth a
    # line.
    for reason, lacking in without_plan.items() if named or reader.plan is None else ():
        CONSOLE.print(f"{', '.join(lacking)}: left out, {reason}")
    if advice and (named or reader.plan is None):
        CONSOLE.print(advice.removeprefix("; "))
    return max(codes, default=OK)


def _one(
    value: Figure | Table, data: Data, make: Make | None, named: bool, of_one_plan: bool
) -> int:
    if reason := value.not_planned(data):
        # A named plan was never meant for the other figures of its paper.
        if named or not make or not of_one_plan:
            CONSOLE.print(f"{value.name}: left out, {reason}")
        return INCOMPLETE if named and make else OK
    if make and (made := make(value, data)):
        CONSOLE.print(f"{value.name}: {made}")
        return OK
    finding = examine(data, value.needs)
    nothing = "nothing to show. " if finding.cells else "no row has its numbers. "
    CONSOLE.print(f"{value.name}: {nothing if make else ''}{finding.summary}")
    for cell in finding.cells:
        CONSOLE.print(f"  {cell}")
    for command in finding.commands:
        CONSOLE.print(f"  fill with: {command}")
    return INCOMPLETE if finding.cells else OK
