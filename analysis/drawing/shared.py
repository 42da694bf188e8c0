"""Drawing that several figures share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.drawing.legend import handle
from analysis.drawing.style import CLASS_COLOURS, PLAIN_COLOUR, PUBLISHED, Axes
from analysis.rows.stats import MIN_N_INTERVAL


def values_with_bars(ax: Axes, rows: pd.DataFrame, x: str, ecolor: Any = None, **line: Any) -> None:
    """Means with their intervals at column `x`.

    Below n = 3 the single values instead, which are then `minimum` and `maximum`.
    """
    few, many = rows.loc[rows["n"] < MIN_N_INTERVAL], rows.loc[rows["n"] >= MIN_N_INTERVAL]
    if len(few):
        ax.plot(
            np.tile(few[x], 2),
            np.concatenate([few["minimum"], few["maximum"]]),
            linestyle="none",
            **line,
        )
    if len(many):
        bars = [many["mean"] - many["low"], many["high"] - many["mean"]]
        ax.errorbar(
            many[x],
            many["mean"],
            yerr=bars,
            linestyle="none",
            elinewidth=0.6,
            ecolor=ecolor,
            **line,
        )


def band(ax: Axes, rows: pd.DataFrame, x: str, colour: Any) -> None:
    """The interval, as a pale band along column `x`."""
    places, low, high = (rows[name].to_numpy(float) for name in (x, "low", "high"))
    ax.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)


def mark_at(ax: Axes, x: Any, height: float, **marker: Any) -> None:
    """Single marks, usually crosses, at a share of the axes' height."""
    usual = {"transform": ax.get_xaxis_transform(), "linestyle": "none", "marker": "x"}
    ax.plot(x, [height] * len(x), **{**usual, **marker})


def class_legend(ax: Axes) -> None:
    """The colours of the two classes, above the axes on the right, where no data is."""
    handles = [
        handle(linestyle="none", marker="o", markersize=3, color=colour, label=f"class {index}")
        for index, colour in enumerate(CLASS_COLOURS)
    ]
    ax.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.99),
        ncols=2,
        borderpad=0,
        columnspacing=0.8,
        handletextpad=0.1,
    )


def no_rows(ax: Axes) -> None:
    """Says in a panel that nothing is there to draw."""
    ax.text(0.5, 0.5, "no rows", transform=ax.transAxes, ha="center", color="0.5")


def panel_title(ax: Axes, index: int, text: str) -> None:
    """The panel's letter and text on the left, as journals have it. index: of the panel, from 0."""
    ax.set_title(f"({chr(ord('a') + index)}) {text}", loc="left")


def each_panel(axes: Sequence[Axes], names: Iterable[str]) -> list[tuple[int, str, Axes]]:
    """Index, name and axes of each panel; axes that are left over are turned off."""
    panels = [(index, name, ax) for index, (name, ax) in enumerate(zip(names, axes, strict=False))]
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    return panels


def shared_limits(numbers: pd.DataFrame) -> tuple[float, float]:
    """Smallest and largest mean, for several heat maps with one scale of colours.

    Means that are all equal get a scale from 0 on.
    """
    means = [float(mean) for mean in numbers["mean"].dropna()]
    if not means or (low := min(means)) == (high := max(means)) == 0:
        return 0.0, 1.0
    return (low, high) if low < high else (min(0.0, low), max(0.0, high))


def draw_bars(
    ax: Axes,
    numbers: pd.DataFrame,
    x: str,
    within: str,
    *,
    colours: Mapping[str, Any],
    labels: Mapping[str, str],
) -> None:
    """Draw `numbers` (see `cells`) as groups of bars.

    One group per value of `x`, one bar per value of `within`.

    Both come in the order of `numbers`. Intervals are drawn from n = 3 on, single seeds as dots
    below that. A cross means that every run failed, a dash that none has run.
    """
    places = {name: index for index, name in enumerate(dict.fromkeys(numbers[x].astype(str)))}
    inner = list(dict.fromkeys(numbers[within].astype(str)))
    width = 0.8 / len(inner)
    for index, name in enumerate(inner):
        rows = numbers.loc[numbers[within].astype(str) == name]
        at = (
            np.array([places[str(one)] for one in rows[x]]) + (index - (len(inner) - 1) / 2) * width
        )
        colour = colours.get(name, PLAIN_COLOUR)
        ax.bar(
            at,
            rows["mean"].fillna(0.0),
            width=0.92 * width,
            color=colour,
            alpha=0.85,
            label=labels.get(name, name),
        )
        values_with_bars(
            ax,
            rows.assign(place=at),
            "place",
            ecolor="black",
            color="black",
            marker=".",
            markersize=2,
        )
        for place, row in zip(at, rows.to_dict("records"), strict=True):
            if not row["n"]:
                mark = "x" if row["failed"] else "_"
                mark_at(ax, [place], 0.03, marker=mark, color=colour, clip_on=False)
    ax.set_xticks(list(places.values()), [labels.get(name, name) for name in places])


def draw_points(ax: Axes, numbers: pd.DataFrame, x: str, **line: Any) -> None:
    """Means with intervals at the values of column `x`; single seeds below n = 3.

    line: color, marker, label and other properties of lines.
    """
    rows = numbers.loc[numbers["n"] > 0]
    properties: dict[str, Any] = {"marker": "o", "color": PLAIN_COLOUR, **line}
    ax.plot([], [], linestyle="none", **properties)
    values_with_bars(ax, rows.astype({x: float}), x, **{**properties, "label": "_"})


def draw_published(ax: Axes, x: Any, y: Any, label: str = "published", **line: Any) -> None:
    """Published points: open black diamonds everywhere, so that nobody takes them for ours."""
    ax.plot(
        np.asarray(x, dtype=float),
        np.asarray(y, dtype=float),
        **{**PUBLISHED, "label": label, **line},
    )
