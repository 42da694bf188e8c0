"""Colours, markers, places and panels of pictures of any study, in the house style."""

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.data import TEST, Data
from analysis.drawing import no_rows
from analysis.legend import handle, legend_below
from analysis.plot.chart import Chart
from analysis.plot.names import numeric, value_label
from analysis.plot.words import labels, short
from analysis.style import (
    COLUMN_INCHES,
    FULL_INCHES,
    NORM_COLOURS,
    PLAIN_COLOUR,
    SOLVER_MARKERS,
    sequential_colours,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

MARKER = "o"
DODGE = 0.7
# An average character of tick labels and legends, in inches.
CHARACTER = 0.055
LOG_FROM = 10


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


@dataclass(frozen=True)
class Across:
    """The horizontal axis. places: value -> place; none of numbers, which are their own places."""

    values: list[Any]
    places: Mapping[Any, int]
    log: bool = False

    def at(self, rows: pd.DataFrame, column: str, offset: Sequence[float]) -> list[float]:
        """The place of each row. offset: beside it, only between names."""
        if not self.places:
            return [float(value) for value in rows[column]]
        return [
            self.places[value] + beside for value, beside in zip(rows[column], offset, strict=True)
        ]

    def finish(self, ax: "Axes", width: float) -> None:
        """Ticks at the values. width: of the panel in inches."""
        if self.places:
            words = list(labels(self.values).values())
            ax.set_xticks(list(self.places.values()), words)
            ax.set_xlim(-0.6, len(words) - 0.4)
            fit_ticks(ax, words, width)
        elif len(self.values) <= 10:
            words = [value_label(value) for value in self.values]
            ax.set_xticks(self.values, words)
            ax.minorticks_off()
            fit_ticks(ax, words, width)


def across(values: Iterable[Any], names: bool = False) -> Across:
    """The horizontal axis for these values. names: numbers stand like names, one beside another."""
    found = list(dict.fromkeys(values))
    if numeric(found) and not names:
        found = sorted(found)
        log = len(found) > 2 and found[0] > 0 and found[-1] >= LOG_FROM * found[0]
        return Across(found, {}, log)
    found = sorted(found) if numeric(found) else found
    return Across(found, {value: place for place, value in enumerate(found)})


def fit_ticks(ax: "Axes", words: Sequence[str], width: float) -> None:
    """Turn tick labels that would overlap. width: of all of them, in inches."""
    place, longest = width / max(1, len(words)), max(map(len, words), default=0)
    if (longest + 1) * CHARACTER <= place:
        return
    if longest <= 4 or place < 0.2:
        ax.tick_params(axis="x", rotation=90)
        return
    ax.tick_params(axis="x", rotation=35)
    for text in ax.get_xticklabels():
        text.set(ha="right", rotation_mode="anchor")


def panels_of(rows: pd.DataFrame, cols: Sequence[str]) -> list[tuple[Any, ...]]:
    """The panels, in the order of the numbers."""
    if not cols:
        return [()]
    return list(dict.fromkeys(rows.filter(list(cols)).itertuples(index=False, name=None)))


def shape(keys: Sequence[tuple[Any, ...]], most: int = 6) -> tuple[int, int]:
    """Rows and columns of panels. most: columns.

    Of several axes each value of the last gets its column where that fits.
    """
    count = len(keys)
    last = len({key[-1] for key in keys}) if keys[0] else 1
    if len(keys[0]) > 1 and 1 < last <= most and count % last == 0 and count <= 3 * last**2:
        return count // last, last
    columns = min(count, most, count if count <= 4 else 3 if count <= 6 else 4)
    if count > 16:
        columns = min(most, 5)
    return math.ceil(count / columns), columns


def size(columns: int, height: float, wide: bool = False) -> tuple[float, float]:
    """Width of the figure, and height of a row of panels. wide: one panel that needs the page."""
    width = FULL_INCHES if columns > 1 or wide else COLUMN_INCHES
    return width, height


def each(
    axes: "Sequence[Axes]", rows: pd.DataFrame, cols: Sequence[str], columns: int
) -> "Iterator[tuple[int, pd.DataFrame, Axes]]":
    """Index, rows and axes of each panel, with its title; axes left over are turned off.

    columns: of panels, beside one another.
    """
    keys = panels_of(rows, cols)
    for ax in axes[len(keys) :]:
        ax.set_axis_off()
    words = {column: labels(rows[column]) for column in cols}
    places = list(rows.filter(list(cols)).itertuples(index=False, name=None))
    room = max(8, int(FULL_INCHES / columns / CHARACTER / 1.2) - 4)
    texts = [
        ", ".join(
            _panel_word(name, value, words[name][value])
            for name, value in zip(cols, key, strict=True)
        )
        for key in keys
    ]
    titles = [textwrap.wrap(text, room) or [""] for text in texts]
    small = {"fontsize": 6.5} if room < 20 or any(len(lines) > 1 for lines in titles) else {}
    for index, (key, ax) in enumerate(zip(keys, axes, strict=False)):
        shown = rows.loc[[place == key for place in places]] if cols else rows
        # The alphabet has 26 letters.
        letter = f"({chr(ord('a') + index)}) " if 1 < len(keys) <= 26 else ""
        ax.set_title(letter + "\n".join(titles[index]), loc="left", **small)
        yield index, shown, ax


def _panel_word(column: str, value: Any, word: str) -> str:
    """`steps = 4`, `test midpoint` or `batch`: a name alone says which axis it is of."""
    if isinstance(value, str) and value and column.startswith(TEST):
        return f"test {word}"
    # Not broken into two lines at its spaces.
    return word if isinstance(value, str) and value else f"{short(column)}\u00a0=\u00a0{word}"


def edges(axes: "Sequence[Axes]", columns: int, x: str, y: str) -> None:
    """Labels only at the left and at the bottom, and one range of numbers for all panels.

    A panel of which nothing has run says so.
    """
    shown = [ax for ax in axes if ax.axison]
    limits = [
        end for ax in shown if np.isfinite(ax.dataLim.intervaly).all() for end in ax.get_ylim()
    ] or [0.0, 1.0]
    for index, ax in enumerate(shown):
        if not ax.has_data():
            no_rows(ax)
        ax.set_ylim(min(limits), max(limits))
        ax.set_xlabel(x if index + columns >= len(shown) else "")
        ax.set_ylabel(y if index % columns == 0 else "")
        if index % columns:
            ax.tick_params(axis="y", labelleft=False)


def below(ax: "Axes", handles: "list[Any]", width: float, name: str | None) -> None:
    """The legend below all panels, in as many columns as fit. name: of the axis."""
    if not handles:
        return
    longest = max(len(str(one.get_label())) for one in handles)
    fit = max(1, int(width / (CHARACTER * (longest + 5))))
    columns = min(len(handles), fit)
    rows = math.ceil(len(handles) / columns)
    legend_below(ax, handles, math.ceil(len(handles) / rows), title=name, title_fontsize=6.5)


def in_bytes(ax: "Axes", metric: str, axis: str) -> None:
    """Ticks such as 200 MB where the metric counts bytes. axis: "x" or "y"."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    if metric.endswith("_bytes"):
        place = getattr(ax, f"{axis}axis")
        place.set_major_formatter(EngFormatter("B"))
        if place.get_scale() == "linear":
            place.set_major_locator(MaxNLocator(3))


def failed_mark() -> "Line2D":
    """The legend's entry of cells in which every run failed."""
    return handle(color="0.35", linestyle="none", marker="x", label="every run failed")
