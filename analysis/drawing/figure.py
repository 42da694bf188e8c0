"""Figures and tables as values.

The rows that one needs, its numbers, its drawing or its printed rows, its caption.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.drawing.caption import STANDARD_NOTES, Notes
from analysis.drawing.style import Axes
from analysis.drawing.vega import VegaChart
from analysis.published import sources
from analysis.rows.data import AXIS, Data

Panels = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What a figure and a table share.

    name: `paper/name`. study: whose plan it reads, or whose several. numbers: the numbers, tidy;
    empty when nothing of what it needs exists. text: the caption's own words with fields in braces,
    of which `fields` gives the values; `{sources}` is where published values stand. notes: what the
    caption says of n, intervals, scale and missing rows. needs: the rows that it uses: "runs",
    "epochs", "evaluations", "probe_<name>", the last two also of one grid: "evaluations:<grid>".
    axes: those that every plan it reads must have. used: the part of a plan that it shows.
    """

    name: str
    study: str | tuple[str, ...]
    numbers: Callable[[Data], pd.DataFrame]
    text: str
    fields: Callable[[Data, pd.DataFrame], Mapping[str, object]] = lambda _data, _numbers: {}
    notes: Notes = STANDARD_NOTES
    needs: tuple[str, ...] = ("runs",)
    axes: tuple[str, ...] = ()
    used: Callable[[Data], Data] = lambda data: data

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies whose plans it reads."""
        return (self.study,) if isinstance(self.study, str) else self.study

    def table(self, data: Data) -> pd.DataFrame:
        """The numbers, tidy; empty if nothing that it needs exists."""
        return self.numbers(self.used(data))

    def caption(self, data: Data, numbers: pd.DataFrame) -> str:
        """What is shown, with n, interval, scale and what is missing."""
        used = self.used(data)
        fields = {"sources": sources(numbers), **self.fields(used, numbers)}
        parts = [self.text.format(**fields), *self.notes(used, self.needs, numbers)]
        return " ".join(" ".join(part.split()) for part in parts if part)

    def not_planned(self, data: Data) -> str:
        """Why these plans cannot give its numbers, such as an axis or a probe that they lack.

        Empty if they can.
        """
        if len(self.studies) > 1 and not set(self.studies) & {plan.study for plan in data.plans}:
            return f"{data.names} is a plan of none of {', '.join(self.studies)}"
        if absent := sorted(set(self.needs) - data.kinds()):
            return f"{data.names} does not plan {', '.join(absent)}"
        if absent := [axis for axis in self.axes if AXIS + axis not in data.trials]:
            return f"{data.names} has no {' or '.join(absent)} axis"
        return ""


@dataclass(frozen=True, kw_only=True)
class Table(Numbers):
    """Numbers that are printed. readable: the rows and columns to print, as strings."""

    readable: Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Figure(Numbers):
    """Numbers that are drawn. draw: draws what is in the numbers, or published, and nothing else.

    size_inches: width of the figure and height of one row of panels; the caption's height comes on
    top. panels: rows and columns of axes, or a function that gives them for these numbers. chart:
    how the report's page shows the numbers; None for the picture alone.
    """

    draw: Callable[[pd.DataFrame, Sequence[Axes]], None]
    size_inches: tuple[float, float]
    panels: Panels | Callable[[pd.DataFrame], Panels] = (1, 1)
    chart: VegaChart | None = None

    def shape(self, numbers: pd.DataFrame) -> Panels:
        """Rows and columns of axes for these numbers."""
        return self.panels(numbers) if callable(self.panels) else self.panels


def one_column_each(column: str) -> Callable[[pd.DataFrame], Panels]:
    """One row of panels with a panel for each value of this column."""
    return lambda numbers: (1, len(set(numbers[column])))


def one_row_each(column: str, across: int) -> Callable[[pd.DataFrame], Panels]:
    """A row of `across` panels for each value of this column."""
    return lambda numbers: (len(set(numbers[column])), across)


def two_in_a_row(count: int) -> Panels:
    """Rows of two panels."""
    return -(-count // 2), min(count, 2)


def by_row(
    words: Callable[[dict[Any, Any]], dict[str, str]],
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A `readable` that puts each row of the numbers into words."""
    return lambda numbers: pd.DataFrame([words(row) for row in numbers.to_dict("records")])
