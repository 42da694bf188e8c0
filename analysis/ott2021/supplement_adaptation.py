"""Ott 2021, supplement: step size adaptation on every data set, for three pairs of solvers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.caption import compose
from analysis.curves import draw_curves
from analysis.data import Data
from analysis.legend import handle, legend_below
from analysis.ott2021 import adaptation
from analysis.style import FULL_INCHES, sequential_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "ott2021/supplement_adaptation"
STUDY = adaptation.STUDY
NEEDS = ("epochs", "probe_series")
PANELS = (6, 2)
SIZE_INCHES = (FULL_INCHES, 9.6)
CAPTION = (
    "Ott 2021, supplement. Step size adaptation: test accuracy (left) and number of steps (right) over iterations. "
    "Colour: solver of training and the better one that checks it every 50 iterations. Dashed, from a cross on: a run that failed."
)
PAIRS = ("Euler, midpoint", "Euler, RK4", "midpoint, RK4")
BY = ["axis.set", "axis.pair"]


def table(data: Data) -> pd.DataFrame:
    """By data set and pair: quantity "accuracy" and "steps" by iteration, see `adaptation.curves`."""
    # One set at a time: a failed run's line ends where its own set's training does.
    parts = [
        adaptation.curves(data.where({"set": name}), BY, {"steps": adaptation.as_it_is})
        for name in data.order("set")
    ]
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """One row for each data set that there is."""
    return len(set(numbers["axis.set"])), 2


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return compose(CAPTION, data, NEEDS, numbers.loc[numbers["line"] == "mean", "n"])


def _look(group: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "color": sequential_colours(len(PAIRS))[PAIRS.index(group["axis.pair"])],
        "linewidth": 0.8,
    }


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """Rows: data sets; left accuracy, right steps."""
    sets = list(dict.fromkeys(numbers["axis.set"]))
    for row, name in enumerate(sets):
        for ax, quantity in zip(axes[2 * row : 2 * row + 2], ("accuracy", "steps"), strict=True):
            draw_curves(
                ax,
                numbers.loc[(numbers["axis.set"] == name) & (numbers["quantity"] == quantity)],
                BY,
                _look,
                "iteration",
            )
            ax.set_title(adaptation.SETS[name], loc="left")
            ax.set_ylim(0, None)
            ax.set_ylabel("test accuracy" if quantity == "accuracy" else "steps")
            ax.set_xlabel("iteration" if row == len(sets) - 1 else "")
    present = [pair for pair in PAIRS if pair in set(numbers["axis.pair"])]
    legend_below(
        axes[0],
        [
            handle(label=f"trained, checked: {pair}", **_look({"axis.pair": pair}))
            for pair in present
        ],
        3,
    )
