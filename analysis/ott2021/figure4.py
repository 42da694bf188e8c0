"""Ott 2021, Figure 4 (a), (b): test accuracy against the steps of the test solver, one colour per training step size."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.caption import compose
from analysis.data import Data
from analysis.ink import values_with_bars
from analysis.ott2021 import dependence
from analysis.style import FULL_INCHES, SOLVER_LABELS, SOLVER_MARKERS, lighter, sequential_colours

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
# Markers of other solvers stand this far to the side, as a factor, so that bars of one number of steps do not cover each other.
ASIDE = {"x": 2**-0.12, "^": 2**0.12, "s": 2**0.12}
# The paper's main-text panels show every second training step size; its supplement shows all.
MAX_COLOURS = 6


def table(data: Data) -> pd.DataFrame:
    """Accuracy per (train_solver, train_steps, test_solver, test_steps) and selection of seeds; `own`: tested exactly as trained."""
    nets = dependence.accuracies(data)
    # Figure 1 tests two nets from 1 to 4096 steps; Figure 4 shows the factors 1/2 to 2 of the training steps.
    near = (nets["test_steps"] * 2 >= nets["train_steps"]) & (nets["test_steps"] <= nets["train_steps"] * 2)
    numbers = dependence.both_selections(nets.loc[near & nets["train_solver"].isin(list(PANEL_OF))], dependence.CELL, "accuracy")
    own = (numbers["train_solver"] == numbers["test_solver"]) & (numbers["train_steps"] == numbers["test_steps"])
    return numbers.assign(own=own, panel=numbers.loc[:, "train_solver"].map(PANEL_OF), data=dependence.label(data))


def steps_drawn(numbers: pd.DataFrame) -> list[int]:
    """Training steps that get a colour: all, or every second from the coarsest when there are more than six."""
    steps = sorted({int(step) for step in dependence.drawn(numbers)["train_steps"]})
    return steps[::2] if len(steps) > MAX_COLOURS else steps


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    shown = dependence.drawn(numbers)
    coloured = steps_drawn(numbers)
    thinned = len(coloured) < len(set(shown["train_steps"]))
    text = CAPTION.format(
        data=numbers["data"].iloc[0],
        selection=dependence.selection_text(data),
        thinned="Every second K is drawn, as in the paper; all are in the CSV." if thinned else "",
    )
    return compose(text, data, NEEDS, shown.loc[shown["train_steps"].isin(coloured), "n"])


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """Panel (a): trained with Euler; (b): trained with RK4 (3/8 rule)."""
    steps = steps_drawn(numbers)
    colours = dict(zip(steps, sequential_colours(len(steps)), strict=True))
    shown = dependence.drawn(numbers)
    shown = shown.loc[shown["train_steps"].isin(steps)].sort_values("own", kind="stable")  # dark markers last, on top
    data = str(numbers["data"].iloc[0])
    for ax, (solver, panel) in zip(axes, PANEL_OF.items(), strict=True):
        rows = shown.loc[shown["panel"] == panel].to_dict("records")
        for row in rows:
            _draw_cell(ax, row, colours[row["train_steps"]])
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_ylim(0, 0.7 if data == "CIFAR-10" else 1.1)
        ax.set_title(f"({panel}) {data}, trained with {SOLVER_LABELS[solver]}", loc="left")
        ax.set_xlabel("steps of the test solver")
        if not rows:
            ax.text(0.5, 0.5, "no rows", transform=ax.transAxes, ha="center", color="0.5")
    axes[0].set_ylabel("test accuracy")
    _legends(axes[-1], shown, colours)


def marker(train_solver: str, test_solver: str) -> str:
    """Circle: the training solver; otherwise the solver's own marker (cross midpoint, triangle RK4), a square where that is the circle."""
    own = SOLVER_MARKERS[test_solver]
    if train_solver == test_solver:
        return "o"
    return "s" if own == "o" else own


def _draw_cell(ax: "Axes", row: dict[Any, Any], colour: tuple[float, float, float]) -> None:
    symbol = marker(row["train_solver"], row["test_solver"])
    face = colour if row["own"] else lighter(colour)
    look: dict[str, Any] = {"marker": symbol, "color": face, "zorder": 4 if row["own"] else 3}
    if symbol != "x":
        look |= {"markeredgecolor": "black" if row["own"] else colour, "markeredgewidth": 0.5}
    place = row["test_steps"] * ASIDE.get(symbol, 1.0)
    values_with_bars(ax, pd.DataFrame([row | {"place": place}]), "place", ecolor=lighter(colour, 0.25), **look)


def _legends(ax: "Axes", shown: pd.DataFrame, colours: dict[int, tuple[float, float, float]]) -> None:
    from matplotlib.lines import Line2D

    figure = ax.get_figure(root=False)
    assert figure is not None
    handles = [Line2D([], [], linestyle="none", marker="o", color=colour, label=f"K = {step}") for step, colour in colours.items()]
    pairs = shown.filter(["train_solver", "test_solver"]).drop_duplicates().itertuples(index=False)
    labels: dict[str, str] = {}
    for train_solver, test_solver in pairs:
        labels[marker(train_solver, test_solver)] = "as in training" if train_solver == test_solver else SOLVER_LABELS[test_solver]
    order = sorted(labels, key="ox^s".find)
    handles += [Line2D([], [], linestyle="none", marker=symbol, color="0.35", label=labels[symbol]) for symbol in order]
    figure.legend(handles=handles, loc="outside right center", title="trained with / tested with", title_fontsize=6.5, alignment="left")
