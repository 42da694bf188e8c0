"""Bars and scattered points of cells, with intervals, failures and published values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.ink import values_with_bars
from analysis.style import PLAIN_COLOUR, PUBLISHED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_bars(
    ax: "Axes",
    numbers: pd.DataFrame,
    x: str,
    within: str | None = None,
    *,
    colours: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    published: str | None = None,
) -> None:
    """Draw `numbers` (see `cells`) as groups of bars.

    One group per value of `x`, one bar per value of `within`.

    Both come in the order of `numbers`. Intervals are drawn from n = 3 on, single seeds as dots
    below that. A cross means that every run failed, a dash that none has run. published: column
    whose values are marked on the bars.
    """
    words = dict(labels or {})
    places = {name: index for index, name in enumerate(dict.fromkeys(numbers[x].astype(str)))}
    inner = list(dict.fromkeys(numbers[within].astype(str))) if within else [""]
    width = 0.8 / len(inner)
    for index, name in enumerate(inner):
        rows = numbers.loc[numbers[within].astype(str) == name] if within else numbers
        at = (
            np.array([places[str(one)] for one in rows[x]]) + (index - (len(inner) - 1) / 2) * width
        )
        colour = (colours or {}).get(name, PLAIN_COLOUR)
        ax.bar(
            at,
            rows["mean"].fillna(0.0),
            width=0.92 * width,
            color=colour,
            alpha=0.85,
            label=words.get(str(name), str(name)) if within else "_",
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
                ax.plot(
                    [place],
                    [0.03],
                    linestyle="none",
                    marker=mark,
                    color=colour,
                    clip_on=False,
                    transform=ax.get_xaxis_transform(),
                )
        if published is not None:
            ax.plot(at, rows[published], **PUBLISHED, label="published" if index == 0 else "_")
    ax.set_xticks(list(places.values()), [words.get(str(name), str(name)) for name in places])


def draw_points(ax: "Axes", numbers: pd.DataFrame, x: str, **look: Any) -> None:
    """Draw means with intervals at the values of column `x`; single seeds below n = 3.

    look: color, marker, label and other properties of lines.
    """
    rows = numbers.loc[numbers["n"] > 0]
    properties: dict[str, Any] = {"marker": "o", "color": PLAIN_COLOUR, **look}
    ax.plot([], [], linestyle="none", **properties)
    values_with_bars(ax, rows.astype({x: float}), x, **{**properties, "label": "_"})


def draw_published(ax: "Axes", x: Any, y: Any, label: str = "published", **look: Any) -> None:
    """Draw published points.

    Open black diamonds in every figure, so that they differ from our values.
    """
    ax.plot(
        np.asarray(x, dtype=float),
        np.asarray(y, dtype=float),
        **{**PUBLISHED, "label": label, **look},
    )
