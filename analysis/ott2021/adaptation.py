"""Ott 2021, supplement: step size and tolerance adaptation, as curves over iterations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.drawing.curves import draw_curves, over_epochs, summarise_at
from analysis.drawing.figure import Figure, one_row_each
from analysis.drawing.legend import handle, legend_below
from analysis.drawing.shared import panel_title
from analysis.drawing.style import FULL_INCHES, SOLVER_LABELS, Axes, sequential_colours
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import STATISTICS
from analysis.rows.data import COMPLETED, Data
from analysis.rows.frames import in_order, stack, tuples

STUDY = "ott2021/adaptation"
SETS = {
    "sphere2": "Sphere2",
    "sphere3": "Sphere3",
    "sphere10": "Sphere10",
    "sphere900": "Sphere900",
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
}
# As the axis `pair` writes it: the solver of training, and the better one that checks it.
PAPERS_PAIR = "Euler, midpoint"
Transform = Callable[[pd.Series], pd.Series]


def curves(data: Data, by: Sequence[str], quantities: Mapping[str, Transform]) -> pd.DataFrame:
    """Accuracy (quantity "accuracy") and series by iteration.

    They are averaged over the seeds of completed runs; failed runs are separate lines. by: columns
    axis.*; groups come in the plan's order. quantities: name of a series -> what to average.
    Columns: `by`, quantity, line, seed, iteration, n, mean, low, high, minimum, maximum, carried.
    """
    by = list(by)
    columns = [*by, "quantity", "line", "seed", "iteration", *STATISTICS, "carried"]
    parts = [over_epochs(data, by, x="iteration").assign(quantity="accuracy")]
    for quantity, transform in quantities.items():
        rows = data.with_run(data.series(quantity), "outcome")
        rows = rows.loc[rows["run.outcome"] == COMPLETED].dropna(subset=["value"])
        averaged = summarise_at(
            rows.assign(value=transform(rows["value"].astype(float))), by, "iteration", "value"
        )
        parts.append(averaged.assign(quantity=quantity, line="mean", carried=False))
    numbers = stack(parts, columns).sort_values(
        ["quantity", "line", "seed", "iteration"], kind="stable"
    )
    return in_order(numbers, by, dict.fromkeys(tuples(data.trials, *by)))


def step_sizes(data: Data) -> pd.DataFrame:
    """By data set and pair: quantity "accuracy" and "steps" by iteration, see `curves`."""
    # One set at a time: a failed run's line ends where its own set's training ends.
    parts = [
        curves(data.where({"set": name}), BY_SET, {"steps": lambda steps: steps})
        for name in data.order("set")
    ]
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def line_styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A colour and a thin line for each name."""
    return {
        name: {"color": colour, "linewidth": 0.8}
        for name, colour in zip(names, sequential_colours(len(names)), strict=True)
    }


PAIRS = ("Euler, midpoint", "Euler, RK4", "midpoint, RK4")
SOLVERS = ("fehlberg2", "dopri5")
BY_SET = ["axis.set", "axis.pair"]
QUANTITIES = {
    "accuracy": "test accuracy",
    "steps": "steps",
    "tolerance": "$\\log_{10}$ tolerance",
}


def draw_step_sizes(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Rows: data sets; left accuracy, right steps."""
    sets = numbers.groupby("axis.set", sort=False)
    for row, (name, of_set) in enumerate(sets):
        for ax, quantity in zip(axes[2 * row :], ("accuracy", "steps"), strict=False):
            rows = of_set.loc[of_set["quantity"] == quantity]
            draw_curves(
                ax, rows, BY_SET, lambda group: line_styles(PAIRS)[group["axis.pair"]], "iteration"
            )
            ax.set_title(SETS[str(name)], loc="left")
            ax.set_ylim(0, None)
            ax.set_ylabel(QUANTITIES[quantity])
            ax.set_xlabel("iteration" if row == len(sets) - 1 else "")
    _legend(axes[0], line_styles(PAIRS), set(numbers["axis.pair"]), "trained, checked: {}".format)


def draw_tolerances(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """(a) accuracy, (b) tolerance."""
    for index, (ax, quantity) in enumerate(zip(axes, ("accuracy", "tolerance"), strict=True)):
        rows = numbers.loc[numbers["quantity"] == quantity]
        draw_curves(
            ax,
            rows,
            ["axis.solver"],
            lambda group: line_styles(SOLVERS)[group["axis.solver"]],
            "iteration",
        )
        panel_title(ax, index, QUANTITIES[quantity])
        ax.set_xlabel("iteration")
    axes[0].set_ylim(0, None)
    _legend(
        axes[0],
        line_styles(SOLVERS),
        set(numbers["axis.solver"]),
        lambda solver: f"trained with {SOLVER_LABELS[solver]}",
    )


def _legend(
    ax: Axes,
    styles: Mapping[str, dict[str, Any]],
    drawn: set[Any],
    label: Callable[[str], str],
) -> None:
    present = {name: style for name, style in styles.items() if name in drawn}
    handles = [handle(label=label(name), **style) for name, style in present.items()]
    legend_below(ax, handles, len(styles))


FIGURES = (
    Figure(
        name="ott2021/supplement_adaptation",
        study=STUDY,
        needs=("epochs", "probe_series"),
        axes=("set", "pair"),
        numbers=step_sizes,
        text=(
            "Ott 2021, supplement. Step size adaptation: test accuracy (left) and number of steps "
            "(right) over iterations. Colour: solver of training and the better one that checks it "
            "every 50 iterations. Dashed line after a cross: a run that failed."
        ),
        draw=draw_step_sizes,
        panels=one_row_each("axis.set", 2),
        chart=VegaChart(
            x="iteration",
            colour="axis.pair",
            panel="axis.set",
            row="quantity",
            where={"line": "mean"},
        ),
        size_inches=(FULL_INCHES, 1.6),
    ),
    Figure(
        name="ott2021/tolerance_adaptation",
        study="ott2021/tolerance-adaptation",
        needs=("epochs", "probe_series"),
        axes=("solver",),
        numbers=lambda data: curves(data, ["axis.solver"], {"tolerance": np.log10}),
        text=(
            "Ott 2021, supplement, algorithm 2. Tolerance adaptation on Sphere2, starting at 1e-6, "
            "checked by Dopri5 with a smaller tolerance every 50 iterations: (a) test accuracy, "
            "(b) decimal logarithm of the tolerance. The NFE of the current iteration decides; the "
            "authors' code reads it from an uninitialized array. Dashed line after a cross: a run "
            "that failed."
        ),
        draw=draw_tolerances,
        panels=(1, 2),
        chart=VegaChart(
            x="iteration", colour="axis.solver", row="quantity", where={"line": "mean"}
        ),
        size_inches=(FULL_INCHES, 2.4),
    ),
)
