"""Colours, markers and legends of pictures of any study, in the house style."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.drawing.legend import handle, legend_below
from analysis.drawing.style import (
    NORM_COLOURS,
    PLAIN_COLOUR,
    SOLVER_MARKERS,
    Axes,
    sequential_colours,
)
from analysis.plot.chart import Chart
from analysis.plot.names import numeric
from analysis.plot.words import labels
from analysis.rows.data import Data

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

MARKER = "o"
# An average character of tick labels and legends, in inches.
CHARACTER = 0.055


def colours(values: Iterable[Any]) -> dict[Any, Any]:
    """Value -> its colour: of normalizations as everywhere, numbers from dark to light."""
    found = list(dict.fromkeys(values))
    if {*found, ""} - {""} <= set(NORM_COLOURS):
        return {value: NORM_COLOURS.get(value, "0.5") for value in found}
    if len(found) == 1:
        return {found[0]: PLAIN_COLOUR}
    if numeric(found):
        return dict(zip(sorted(found), sequential_colours(len(found)), strict=True))
    import seaborn as sns

    palette = sns.color_palette("colorblind")
    named = palette if len(found) <= len(palette) else sequential_colours(len(found))
    return dict(zip(found, named, strict=False))


def solver_markers(data: Data, column: str | None) -> dict[Any, str]:
    """Value of the axis -> marker of its solver; empty unless each value trains with one solver.

    At least two solvers: where all are the same, the marker would say nothing.
    """
    if column is None or column not in data.runs or not len(data.runs):
        return {}
    solvers = data.runs.groupby(column, sort=False)["solver_name"].unique()
    if any(len(found) != 1 or found[0] not in SOLVER_MARKERS for found in solvers):
        return {}
    markers = {value: SOLVER_MARKERS[str(found[0])] for value, found in solvers.items()}
    return markers if len(set(markers.values())) > 1 else {}


@dataclass(frozen=True)
class Look:
    """How one picture's values look.

    palette: colour by the words of `hue`. markers: by the words of `marked`, the axis of solvers.
    """

    chart: Chart
    palette: Mapping[str, Any]
    words: Mapping[Any, str]
    marked: str | None = None
    markers: Mapping[Any, str] = field(default_factory=dict)

    def colour(self, rows: pd.DataFrame) -> list[str]:
        """The words of the colour of each row."""
        hue = self.chart.hue
        return [self.words[value] for value in rows[hue]] if hue else [""] * len(rows)

    def marker(self, rows: pd.DataFrame) -> list[str]:
        """The marker of each row."""
        if self.marked is None:
            return [MARKER] * len(rows)
        return [self.markers.get(value, MARKER) for value in rows[self.marked]]

    def handles(self, line: bool) -> "list[Line2D]":
        """Legend entries of the colours, with markers if the colour is the solver."""
        solvers = self.marked == self.chart.hue
        return [
            handle(
                color=self.palette[word],
                label=word,
                linestyle="-" if line else "none",
                marker=self.markers.get(value, MARKER) if solvers else "" if line else MARKER,
            )
            for value, word in self.words.items()
        ]


def look(data: Data, chart: Chart, numbers: pd.DataFrame) -> Look:
    """The look of a picture with these numbers."""
    there = list(dict.fromkeys(numbers[chart.hue])) if chart.hue else []
    # In the order of the study, of which the numbers may lack the first.
    known = list(dict.fromkeys(data.trials[chart.hue])) if chart.hue in data.trials else there
    values = [value for value in known if value in there] or there
    if numeric(values):
        values = sorted(values)
    words = labels(values)
    colour = colours(values)
    palette = {words[value]: colour[value] for value in values} or {"": PLAIN_COLOUR}
    for marked in chart.by if chart.kind in ("point", "line", "cost") else []:
        if markers := solver_markers(data, marked):
            return Look(chart, palette, words, marked, markers)
    return Look(chart, palette, words)


def below(ax: Axes, handles: "list[Any]", width: float, name: str | None) -> None:
    """The legend below all panels, in as many columns as fit. name: of the axis."""
    if not handles:
        return
    longest = max(len(str(one.get_label())) for one in handles)
    fit = max(1, int(width / (CHARACTER * (longest + 5))))
    columns = min(len(handles), fit)
    rows = math.ceil(len(handles) / columns)
    legend_below(ax, handles, math.ceil(len(handles) / rows), title=name, title_fontsize=6.5)


def failed_mark() -> "Line2D":
    """The legend's entry of cells in which every run failed."""
    return handle(color="0.35", linestyle="none", marker="x", label="every run failed")
