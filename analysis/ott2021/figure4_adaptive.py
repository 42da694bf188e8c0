"""Ott 2021, Figure 4 (c), (d): test accuracy against the tolerance of the test solver, one colour per training tolerance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.caption import compose
from analysis.data import AXIS, Data
from analysis.legend import legend_right
from analysis.ott2021 import dependence, solver_panels
from analysis.style import FULL_INCHES, SOLVER_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "ott2021/figure4_adaptive"
STUDY = "ott2021/cifar10-adaptive"
NEEDS = ("evaluations:figure4",)
PANELS = (1, 2)
SIZE_INCHES = (FULL_INCHES, 2.6)
PANEL_OF = {"fehlberg2": "c", "dopri5": "d"}
CAPTION = (
    "Ott 2021, Figure 4 (c), (d), on {data}. Colour: tolerance (rtol = atol) in training. Each net is tested with 0.1, 1 and 10 times its tolerance. "
    "Circle: solver of training; diamond, set slightly aside: Dopri5. Dark: tested as trained; light: tested otherwise. {selection}"
)


def table(data: Data) -> pd.DataFrame:
    """Accuracy per (train_solver, solver_tolerance, test_solver, test_solver_tolerance) and selection of seeds; `own`: tested exactly as trained."""
    data.trials[AXIS + "solver.tolerance"]  # a plan without that axis is about something else
    numbers = solver_panels.table(data, "tolerance")
    return numbers.assign(panel=numbers.loc[:, "train_solver"].map(PANEL_OF))


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    text = CAPTION.format(
        data=numbers["data"].iloc[0], selection=dependence.selection_text(data, setting="tolerance")
    )
    return compose(text, data, NEEDS, dependence.drawn(numbers).loc[:, "n"])


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """Panel (c): trained with Fehlberg 2(1); (d): trained with Dormand-Prince 5(4)."""
    shown = dependence.drawn(numbers)
    colours = solver_panels.colours(sorted(set(shown["solver_tolerance"]), reverse=True))
    data = str(numbers["data"].iloc[0])
    for ax, (solver, panel) in zip(axes, PANEL_OF.items(), strict=True):
        solver_panels.draw_panel(ax, shown.loc[shown["panel"] == panel], colours, "tolerance", data)
        ax.set_title(f"({panel}) {data}, trained with {SOLVER_LABELS[solver]}", loc="left")
    axes[0].set_ylabel("test accuracy")
    legend_right(
        axes[-1],
        solver_panels.handles(shown, colours, "tolerance"),
        title="trained with / tested with",
        title_fontsize=6.5,
    )
