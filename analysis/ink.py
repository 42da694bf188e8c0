"""Drawing that several figures share."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.stats import MIN_N_INTERVAL
from analysis.style import CLASS_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def values_with_bars(
    ax: "Axes", rows: pd.DataFrame, x: str, ecolor: Any = None, **look: Any
) -> None:
    """Draw means with their intervals at column `x`.

    Below n = 3 it draws the single values instead, which are then `minimum` and `maximum`.
    """
    few, many = rows.loc[rows["n"] < MIN_N_INTERVAL], rows.loc[rows["n"] >= MIN_N_INTERVAL]
    if len(few):
        ax.plot(
            np.tile(few[x], 2),
            np.concatenate([few["minimum"], few["maximum"]]),
            linestyle="none",
            **look,
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
            **look,
        )


def class_legend(ax: "Axes") -> None:
    """Show the colours of the two classes above the axes on the right, where no data are."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], linestyle="none", marker="o", markersize=3, color=colour, label=f"class {index}"
        )
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


def no_rows(ax: "Axes") -> None:
    """Say in a panel that there is nothing to draw."""
    ax.text(0.5, 0.5, "no rows", transform=ax.transAxes, ha="center", color="0.5")


def panel_title(ax: "Axes", index: int, text: str) -> None:
    """Write the panel's letter and text on the left, as journals do.

    index: of the panel, from 0.
    """
    ax.set_title(f"({chr(ord('a') + index)}) {text}", loc="left")
