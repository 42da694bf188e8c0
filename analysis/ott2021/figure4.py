"""Ott 2021, Figure 4 (a), (b): test accuracy against the steps of the test solver, one colour per training step size."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.caption import compose
from analysis.data import Data
from analysis.legend import legend_right
from analysis.ott2021 import dependence, solver_panels
from analysis.style import FULL_INCHES, SOLVER_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "ott2021/figure4"
STUDY = "ott2021/sphere2-fixed"
NEEDS = ("evaluations",)
PANELS = (1, 2)
SIZE_INCHES = (FULL_INCHES, 2.6)
PANEL_OF = {"euler": "a", "rk4_38": "b"}
CAPTION = (
    "Ott 2021, Figure 4 (a), (b), on {data}. Colour: K, the number of steps in training (step size 1/K). "
    "Each net is tested with K/2 to 2K steps. Circle: solver of training; other markers, set slightly aside: other solvers. "
    "Dark: tested as trained; light: tested otherwise. {selection} {thinned}"
)
# The paper's main-text panels show every second training step size; its supplement shows all.
MAX_COLOURS = 6


def table(data: Data) -> pd.DataFrame:
    """Accuracy per (train_solver, solver_steps, test_solver, test_solver_steps) and selection of seeds; `own`: tested exactly as trained."""
    numbers = solver_panels.table(data, "steps")
    numbers = numbers.loc[numbers["train_solver"].isin(list(PANEL_OF))].reset_index(drop=True)
    return numbers.assign(panel=numbers["train_solver"].map(PANEL_OF))


def steps_drawn(numbers: pd.DataFrame) -> list[int]:
    """Training steps that get a colour: all, or every second from the coarsest when there are more than six."""
    steps = sorted({int(step) for step in dependence.drawn(numbers)["solver_steps"]})
    return steps[::2] if len(steps) > MAX_COLOURS else steps


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    shown = dependence.drawn(numbers)
    coloured = steps_drawn(numbers)
    thinned = len(coloured) < len(set(shown["solver_steps"]))
    text = CAPTION.format(
        data=numbers["data"].iloc[0],
        selection=dependence.selection_text(data),
        thinned="Every second K is drawn, as in the paper; all are in the CSV." if thinned else "",
    )
    return compose(text, data, NEEDS, shown.loc[shown["solver_steps"].isin(coloured), "n"])


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """Panel (a): trained with Euler; (b): trained with RK4 (3/8 rule)."""
    steps = steps_drawn(numbers)
    colours = solver_panels.colours(steps)
    shown = dependence.drawn(numbers)
    shown = shown.loc[shown["solver_steps"].isin(steps)]
    data = str(numbers["data"].iloc[0])
    for ax, (solver, panel) in zip(axes, PANEL_OF.items(), strict=True):
        solver_panels.draw_panel(ax, shown.loc[shown["panel"] == panel], colours, "steps", data)
        ax.set_title(f"({panel}) {data}, trained with {SOLVER_LABELS[solver]}", loc="left")
    axes[0].set_ylabel("test accuracy")
    legend_right(
        axes[-1],
        solver_panels.handles(shown, colours, "steps"),
        title="trained with / tested with",
        title_fontsize=6.5,
    )
