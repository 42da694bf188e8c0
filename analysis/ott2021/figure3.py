"""Ott 2021, Figure 3: Lady Windermere's fan and the Sphere2 data.

A coarse step unfolds the fan so that the classes become separable.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.drawing.figure import Figure, one_column_each
from analysis.drawing.legend import handle, legend_below
from analysis.drawing.style import CLASS_COLOURS, FULL_INCHES, Axes
from analysis.drawing.vega import VegaChart
from analysis.ott2021.fan import margin
from analysis.rows.data import AXIS, Data
from analysis.rows.frames import stack

FAN, SPHERES = "ott2021/fan", "ott2021/sphere2-fixed"
TEXT = (
    "Ott 2021, Figure 3. (a), (b): Lady Windermere's fan, Euler with two step sizes h: "
    "trajectories in grey, end points coloured by class, the two of a class joined by a line. If "
    "the lines cross, no straight line separates the classes. Margin between the classes along the "
    "best of 720 directions, over the end points' mean distance from the origin (above 0: "
    "separable): {margins}. Trajectories leave the frame{thinned}. The paper does not print the "
    "constants of the field; we searched for constants that show its statement. {spheres}"
)
WITH_SPHERES = "(c): {points} test points of Sphere2."
WITHOUT_SPHERES = (
    f"Not shown: (c), the Sphere2 data, because there is no trajectory of {SPHERES} yet."
)
# Longer trajectories are drawn at every k-th state, which is still exact there.
MAX_PIECES = 800
COLUMNS = [
    *("panel", "axis.solver", "steps", "point", "label", "step"),
    *("x1", "x2", "last", "margin"),
]


def table(data: Data) -> pd.DataFrame:
    """Panels a, b: point, label, step, x1, x2 (last: the end), steps, and the panel's margin.

    Panel c: the inputs of a Sphere2 net, step 0.
    """
    fan = data.where({"study": FAN})
    rows = fan.probe("trajectory", "figure3")
    parts = []
    for panel, size in zip("ab", fan.order("solver") if len(rows) else (), strict=False):
        own = rows.loc[rows[AXIS + "solver"] == size]
        if not len(own):
            continue
        steps = int(own["step"].max())
        last = own["step"] == steps
        ends = own.loc[last]
        kept = own.assign(last=last).loc[last | (own["step"] % max(1, steps // MAX_PIECES) == 0)]
        parts.append(
            kept.assign(
                panel=panel, steps=steps, margin=margin(ends.filter(["x1", "x2"]), ends["label"])
            )
        )
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    inputs = data.where({"study": SPHERES}).probe("trajectory")
    inputs = inputs.loc[inputs["step"] == 0].drop_duplicates(["point", "x1", "x2"])
    if len(inputs):
        parts.append(inputs.assign(panel="c"))
    return stack(parts, COLUMNS).sort_values(
        ["panel", "point", "step"], kind="stable", ignore_index=True
    )


def _fields(_data: Data, numbers: pd.DataFrame) -> dict[str, object]:
    fans = numbers.loc[numbers["panel"] != "c"].drop_duplicates("panel").to_dict("records")
    margins = [
        f"{fan['margin']:+.2f} with {fan['axis.solver']} ({fan['steps']:.0f} steps)" for fan in fans
    ]
    thinned = [
        f"of {fan['steps']:.0f} steps one in {fan['steps'] // MAX_PIECES:.0f} is drawn"
        for fan in fans
        if fan["steps"] >= 2 * MAX_PIECES
    ]
    points = list(numbers["panel"]).count("c")
    return {
        "margins": ", ".join(margins),
        "thinned": f" ({', '.join(thinned)})" if thinned else "",
        "spheres": WITH_SPHERES.format(points=points) if points else WITHOUT_SPHERES,
    }


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """(a), (b) the fan, coarse and fine; (c) the data."""
    for ax, (panel, rows) in zip(axes, numbers.groupby("panel"), strict=True):
        if panel == "c":
            ax.scatter(
                rows["x1"],
                rows["x2"],
                c=[CLASS_COLOURS[int(label)] for label in rows["label"]],
                s=4,
                linewidths=0,
            )
            ax.set_title("(c) Sphere2", loc="left")
            ax.set_aspect("equal", "datalim")
        else:
            _draw_fan(ax, rows)
            ax.set_title(f"({panel}) {_written(str(rows['axis.solver'].iloc[0]))}", loc="left")
        ax.set_xlabel("$x_1$")
    axes[0].set_ylabel("$x_2$")
    classes = [
        handle(linestyle="none", marker="o", color=colour, label=f"class {label}")
        for label, colour in enumerate(CLASS_COLOURS)
    ]
    legend_below(axes[0], [*classes, handle(color="0.75", linewidth=0.8, label="trajectory")])


def _written(label: str) -> str:
    """`h = 10^-2.5` in mathematical notation."""
    name, _, exponent = label.partition("10^")
    return f"${name}10^{{{exponent}}}$" if exponent else label


def _draw_fan(ax: Axes, rows: pd.DataFrame) -> None:
    for _, path in rows.groupby("point"):
        ax.plot(path["x1"], path["x2"], color="0.75", linewidth=0.4)
    ends = rows.loc[rows["last"].astype(bool)]
    for label, colour in enumerate(CLASS_COLOURS):
        own = ends.loc[ends["label"] == label]
        ax.plot(own["x1"], own["x2"], "o-", color=colour, markersize=4, zorder=3)
    reach = 1.25 * max(float(ends.filter(["x1", "x2"]).abs().to_numpy().max()), 1e-9)
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)


FIGURE = Figure(
    name="ott2021/figure3",
    study=(FAN, SPHERES),
    needs=("probe_trajectory:figure3",),
    numbers=table,
    text=TEXT,
    fields=_fields,
    draw=draw,
    panels=one_column_each("panel"),
    size_inches=(FULL_INCHES, 2.6),
    chart=VegaChart(
        mark="path", x="x1", y="x2", colour="label", panel="panel", apart=("point",), order="step"
    ),
)
