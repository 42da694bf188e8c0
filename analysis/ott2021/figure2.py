"""Ott 2021, Figure 2: output of the coarse net's ODE block, and its classifier's regions."""

from collections.abc import Sequence

import pandas as pd

from analysis.drawing.figure import Figure
from analysis.drawing.shared import class_legend, no_rows
from analysis.drawing.style import CLASS_COLOURS, FULL_INCHES, Axes, lighter
from analysis.drawing.vega import VegaChart
from analysis.ott2021 import two_nets
from analysis.rows.data import Data

TEXT = (
    "Ott 2021, Figure 2. Output of the ODE block of the net trained with Euler, step size h = "
    "1/{steps} (seed {seed}), for {points} test points coloured by true class; background: the "
    "class that the net's classifier gives. (a) tested with h, (b) with h/2."
)
COLUMNS = [
    *("panel", "kind", "solver_steps", "test_solver_steps", "seed", "point"),
    *("x1", "x2", "label", "p1"),
]


def table(data: Data) -> pd.DataFrame:
    """Rows kind = "point" and kind = "grid" for panels a and b.

    point: x1, x2, label (output and true class). grid: x1, x2, p1 (probability of class 1).
    """
    nets = two_nets.solver_steps(data)
    if "coarse" not in nets:
        return pd.DataFrame(columns=COLUMNS)
    steps = nets["coarse"]
    trajectories = two_nets.one_seed(two_nets.probe(data, "trajectory"), steps)
    grids = two_nets.one_seed(two_nets.probe(data, "decision_grid"), steps)
    parts = []
    for panel, test_solver_steps in (("a", steps), ("b", 2 * steps)):
        states = two_nets.tested_with(trajectories, test_solver_steps)
        ends = states.loc[states["step"] == states["step"].max()].sort_values("point")
        grid = two_nets.tested_with(grids, test_solver_steps).sort_values(["x2", "x1"])
        parts += [
            rows.assign(panel=panel, kind=kind, test_solver_steps=test_solver_steps)
            for kind, rows in (("point", ends), ("grid", grid))
        ]
    numbers = pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)
    return numbers if "point" in set(numbers["kind"]) else numbers.iloc[:0]


def _fields(_data: Data, numbers: pd.DataFrame) -> dict[str, object]:
    points = numbers.loc[numbers["kind"] == "point"]
    first = points.iloc[0]
    return {
        "steps": int(first["solver_steps"]),
        "seed": int(first["seed"]),
        "points": points["point"].nunique(),
    }


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """(a) tested with the training step size, (b) with half of it."""
    for ax, panel, size in zip(axes, ("a", "b"), ("h", "h/2"), strict=True):
        rows = numbers.loc[numbers["panel"] == panel]
        _draw_background(ax, rows.loc[rows["kind"] == "grid"])
        points = rows.loc[rows["kind"] == "point"]
        for label, colour in enumerate(CLASS_COLOURS):
            part = points.loc[points["label"] == label]
            ax.plot(
                part["x1"],
                part["x2"],
                "o",
                color=colour,
                markersize=2.5,
                markeredgecolor="white",
                markeredgewidth=0.3,
            )
        ax.set_title(f"({panel}) tested with {size}", loc="left")
        ax.set_xlabel("$x_1(1)$")
        class_legend(ax)
        if not len(points):
            no_rows(ax)
    axes[0].set_ylabel("$x_2(1)$")


def _draw_background(ax: Axes, grid: pd.DataFrame) -> None:
    if not len(grid):
        return
    square = grid.pivot(index="x2", columns="x1", values="p1").astype(float)
    colours = [lighter(colour, 0.7) for colour in CLASS_COLOURS]
    ax.contourf(
        square.columns.astype(float),
        square.index.astype(float),
        square.to_numpy(),
        levels=[-0.01, 0.5, 1.01],
        colors=colours,
    )


FIGURE = Figure(
    name="ott2021/figure2",
    study="ott2021/sphere2-fixed",
    needs=("probe_trajectory", "probe_decision_grid"),
    numbers=table,
    text=TEXT,
    fields=_fields,
    draw=draw,
    panels=(1, 2),
    size_inches=(FULL_INCHES, 2.8),
    chart=VegaChart(
        mark="point",
        x="x1",
        y="x2",
        colour="label",
        panel="test_solver_steps",
        where={"kind": "point"},
        titles={"test_solver_steps": "test steps"},
    ),
)
