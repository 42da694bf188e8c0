"""Gladzik 2019, Figure 5.10: two points on a line that should exchange their places.

The paths of an exact solution cannot cross, those of a coarse solver can.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.drawing.figure import Figure, one_column_each
from analysis.drawing.legend import handle, legend_below
from analysis.drawing.shared import panel_title
from analysis.drawing.style import CLASS_COLOURS, FULL_INCHES, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.data import AXIS, Data

TEXT = (
    "Gladzik 2019, Figure 5.10. What a neural ODE cannot do: send -1 to 1 and 1 to -1 (open "
    "circles: where they should end). z' = -2z by {steps} Euler steps: with one step the points "
    "are exchanged and the paths cross, with two both end at 0; with many they approach 0 from "
    "both sides and never meet. Drawn by us; the thesis copies its figure from Dupont et al. 2019."
)


def table(data: Data) -> pd.DataFrame:
    """point, label, step, t, x1 of every path, by the number of steps."""
    rows = data.probe("trajectory").rename(columns={AXIS + "solver.steps": "steps"})
    columns = ["steps", "point", "label", "step", "t", "x1"]
    return (
        rows.filter(columns)
        .astype({"steps": int})
        .sort_values(["steps", "point", "step"], ignore_index=True)
        .reindex(columns=columns)
    )


def _steps(_data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    *first, last = (str(steps) for steps in sorted(set(numbers["steps"])))
    return {"steps": f"{', '.join(first)} and {last}" if first else last}


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Time goes to the right, the state upwards."""
    for index, (ax, (steps, rows)) in enumerate(zip(axes, numbers.groupby("steps"), strict=True)):
        for _, path in rows.groupby("point"):
            colour = CLASS_COLOURS[int(path["label"].iloc[0])]
            ax.plot(
                path["t"],
                path["x1"],
                color=colour,
                marker="o",
                markersize=3 if len(path) < 10 else 0,
            )
            ax.plot(
                [1],
                [-path["x1"].iloc[0]],
                "o",
                color=colour,
                markerfacecolor="none",
                markersize=7,
                clip_on=False,
            )
        panel_title(ax, index, f"{steps} step" if steps == 1 else f"{steps} steps")
        ax.set_xlabel("t")
    axes[0].set_ylabel("z")
    legend_below(
        axes[0],
        [
            handle(color=colour, marker="o", markersize=3, label=f"from {start}")
            for colour, start in zip(CLASS_COLOURS, (-1, 1), strict=True)
        ],
    )


FIGURE = Figure(
    name="gladzik2019/figure5_10",
    study="gladzik2019/crossing",
    needs=("probe_trajectory",),
    axes=("solver.steps",),
    numbers=table,
    text=TEXT,
    fields=_steps,
    draw=draw,
    panels=one_column_each("steps"),
    size_inches=(FULL_INCHES, 2.3),
    chart=VegaChart(mark="path", x="t", y="x1", colour="label", panel="steps", apart=("point",)),
)
