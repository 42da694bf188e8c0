"""Ott 2021, supplement: tolerance adaptation on Sphere2."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.caption import compose
from analysis.curves import draw_curves
from analysis.data import Data
from analysis.ink import panel_title
from analysis.legend import handle, legend_below
from analysis.ott2021 import adaptation
from analysis.style import FULL_INCHES, SOLVER_LABELS, sequential_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "ott2021/tolerance_adaptation"
STUDY = "ott2021/tolerance-adaptation"
NEEDS = ("epochs", "probe_series")
PANELS = (1, 2)
SIZE_INCHES = (FULL_INCHES, 2.4)
CAPTION = (
    "Ott 2021, supplement, algorithm 2. Tolerance adaptation on Sphere2 from 1e-6 on, checked by Dopri5 with a smaller tolerance every 50 "
    "iterations: (a) test accuracy, (b) decimal logarithm of the tolerance. Evaluations of the current iteration decide; the authors' code reads "
    "them from an uninitialized array. Dashed, from a cross on: a run that failed."
)
BY = ["axis.solver"]
SOLVERS = ("fehlberg2", "dopri5")


def table(data: Data) -> pd.DataFrame:
    """By solver: quantity "accuracy" and "tolerance" (its decimal logarithm) by iteration, see `adaptation.curves`."""
    return adaptation.curves(data, BY, {"tolerance": np.log10})


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return compose(CAPTION, data, NEEDS, numbers.loc[numbers["line"] == "mean", "n"])


def _look(group: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "color": sequential_colours(len(SOLVERS))[SOLVERS.index(group["axis.solver"])],
        "linewidth": 0.8,
    }


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """(a) accuracy, (b) tolerance."""
    for index, (ax, quantity, title) in enumerate(
        zip(
            axes,
            ("accuracy", "tolerance"),
            ("test accuracy", "$\\log_{10}$ tolerance"),
            strict=True,
        )
    ):
        draw_curves(ax, numbers.loc[numbers["quantity"] == quantity], BY, _look, "iteration")
        panel_title(ax, index, title)
        ax.set_xlabel("iteration")
    axes[0].set_ylim(0, None)
    present = [solver for solver in SOLVERS if solver in set(numbers["axis.solver"])]
    legend_below(
        axes[0],
        [
            handle(label=f"trained with {SOLVER_LABELS[solver]}", **_look({"axis.solver": solver}))
            for solver in present
        ],
        2,
    )
