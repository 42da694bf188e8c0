"""Ott 2021, Figure 1: trajectories of a finely and a coarsely trained net.

And their accuracy under other numbers of steps.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import published
from analysis.drawing.caption import standard_notes
from analysis.drawing.figure import Figure
from analysis.drawing.shared import class_legend, draw_published, values_with_bars
from analysis.drawing.style import CLASS_COLOURS, FULL_INCHES, PLAIN_COLOUR, Axes, lighter
from analysis.drawing.vega import VegaChart
from analysis.ott2021 import dependence, two_nets
from analysis.rows.data import Data
from analysis.rows.frames import stack

TEXT = (
    "Ott 2021, Figure 1. The same network trained with Euler steps of size {sizes}. (a), (b): "
    "trajectories of {points} test points of one net (seed {seed}), coloured by class{thinned}. "
    "(c), (d): test accuracy under Euler with other numbers of steps; dark: as in training. "
    "{selection} Crosses: read off the paper's figure. There accuracy is at most {maximum:.3f}, "
    "because the code divides the last, smaller batch by the full batch size. Ours is exact, so "
    "expect a difference of about +0.02."
)
# Straight pieces shorter than this share of a trajectory are invisible. Longer trajectories are
# drawn at every k-th state, which is still exact there.
MAX_PIECES = 64
COLUMNS = [
    *("panel", "solver_steps", "seed", "point", "label", "step", "x1", "x2"),
    *("test_solver_steps", "seeds", "n", "mean", "low", "high", "minimum", "maximum"),
]
ROWS = {"fine": ("a", "c"), "coarse": ("b", "d")}


def table(data: Data) -> pd.DataFrame:
    """Panels a, b: point, label, step, x1, x2 of one net.

    Panels c, d: test_solver_steps with n, mean, low, high and the selection of seeds.
    """
    rows = two_nets.probe(data, "trajectory")
    nets = two_nets.solver_steps(data)
    accuracies = dependence.accuracies(data)
    parts = []
    for net, steps in nets.items():
        trajectory_panel, accuracy_panel = ROWS[net]
        own = two_nets.tested_with(two_nets.one_seed(rows, steps), steps)
        own = own.loc[own["step"] % max(1, steps // MAX_PIECES) == 0]
        parts.append(
            own.filter(["seed", "point", "label", "step", "x1", "x2"]).assign(
                panel=trajectory_panel, solver_steps=steps
            )
        )
        same = accuracies.loc[
            (accuracies["solver_name"] == two_nets.SOLVER)
            & (accuracies["test_solver"] == two_nets.SOLVER)
        ]
        curve = dependence.both_selections(
            same.loc[same["solver_steps"] == steps], dependence.CELL, "accuracy"
        )
        parts.append(
            curve.drop(columns=["solver_name", "test_solver"]).assign(panel=accuracy_panel)
        )
    return stack(parts, COLUMNS)


def _fields(data: Data, numbers: pd.DataFrame) -> dict[str, object]:
    trajectories = numbers.loc[numbers["panel"].isin(["a", "b"])]
    steps = sorted({int(step) for step in numbers["solver_steps"]}, reverse=True)
    thinned = [
        f"{step} steps: one of {step // MAX_PIECES} drawn"
        for step in steps
        if step >= 2 * MAX_PIECES
    ]
    return {
        "sizes": " and ".join(f"1/{step}" for step in steps),
        "points": trajectories["point"].nunique(),
        "seed": ", ".join(str(int(seed)) for seed in sorted(set(trajectories["seed"]))),
        "thinned": f" ({', '.join(thinned)})" if thinned else "",
        "selection": dependence.selection_text(data, two_nets.SOLVER, steps),
        "maximum": published.load("ott2021", "figure1")["bias"]["maximum_attainable"],
    }


def _curves(numbers: pd.DataFrame) -> pd.DataFrame:
    return dependence.drawn(numbers.loc[numbers["panel"].isin(["c", "d"])])


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Upper row trajectories, lower row accuracies; left the fine net, right the coarse one."""
    values = published.load("ott2021", "figure1")
    for net, top, bottom in zip(ROWS, axes[:2], axes[2:], strict=True):
        trajectory_panel, accuracy_panel = ROWS[net]
        _draw_trajectories(top, numbers.loc[numbers["panel"] == trajectory_panel], trajectory_panel)
        curves = _curves(numbers)
        _draw_curve(
            bottom, curves.loc[curves["panel"] == accuracy_panel], accuracy_panel, values[net]
        )
    for top in axes[:2]:
        top.set_xlabel("$x_1$")
    figure = axes[0].get_figure(root=False)
    assert figure is not None
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    axes[0].set_ylabel("$x_2$")
    axes[2].set_ylabel("test accuracy")


def _draw_trajectories(ax: Axes, rows: pd.DataFrame, panel: str) -> None:
    from matplotlib.collections import LineCollection

    paths = [path.sort_values("step") for _, path in rows.groupby("point")]
    colours = [CLASS_COLOURS[int(path["label"].iloc[0])] for path in paths]
    ax.add_collection(
        LineCollection(
            [path.filter(["x1", "x2"]).to_numpy(float) for path in paths],
            colors=colours,
            linewidths=0.5,
            alpha=0.7,
        )
    )
    ends = [path.iloc[-1] for path in paths]
    ax.scatter([end["x1"] for end in ends], [end["x2"] for end in ends], c=colours, s=3, zorder=3)
    ax.autoscale_view()
    ax.set_title(f"({panel}) trained with {_steps(rows)} steps", loc="left")
    class_legend(ax)


def _draw_curve(ax: Axes, rows: pd.DataFrame, panel: str, read_off: dict[str, Any]) -> None:
    rows = rows.sort_values("test_solver_steps")
    colours = {"ours, as in training": PLAIN_COLOUR, "ours, other steps": lighter(PLAIN_COLOUR)}
    for label, colour in colours.items():
        part = rows.loc[
            (rows["test_solver_steps"] == rows["solver_steps"]) == (label == "ours, as in training")
        ]
        values_with_bars(ax, part, "test_solver_steps", marker="o", color=colour)
        ax.plot([], [], "o", color=colour, label=label)
    draw_published(
        ax,
        read_off["test_solver_steps"],
        read_off["accuracy"],
        "Ott 2021, read off",
        marker="x",
        markersize=3.5,
    )
    ax.text(
        0.98,
        0.03,
        f"Ott 2021: {read_off['solver_steps']} training steps",
        transform=ax.transAxes,
        ha="right",
        fontsize=6.5,
    )
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylim(0, 1.1)
    ax.set_xlabel("Euler steps in the test")
    ax.set_title(f"({panel}) trained with {_steps(rows)} steps", loc="left")


def _steps(rows: pd.DataFrame) -> str:
    return f"{rows['solver_steps'].iloc[0]:.0f}" if len(rows) else "no"


FIGURE = Figure(
    name="ott2021/figure1",
    study="ott2021/sphere2-fixed",
    needs=("evaluations", "probe_trajectory"),
    numbers=table,
    text=TEXT,
    fields=_fields,
    notes=standard_notes(lambda numbers: _curves(numbers).loc[:, "n"]),
    draw=draw,
    panels=(2, 2),
    size_inches=(FULL_INCHES, 2.3),
    chart=VegaChart(
        x="test_solver_steps",
        colour="solver_steps",
        shape="seeds",
        log_x=True,
        titles={
            "mean": "test accuracy",
            "test_solver_steps": "test steps",
            "solver_steps": "training steps",
        },
    ),
)
