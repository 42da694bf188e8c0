"""The main figure of the cross grid: test accuracy by normalization and depth.

One heat map per training solver, and one for the range over the solvers.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.cross import grid
from analysis.cross.grid import DEPTH, LABELS, NORM, SOLVER, TITLES
from analysis.drawing.figure import Figure
from analysis.drawing.shared import each_panel, panel_title, shared_limits
from analysis.drawing.style import FULL_INCHES, Axes
from analysis.drawing.tiles import colour_bar, draw_tiles, plain, tile_legend
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import cells, or_nothing, planned_rows
from analysis.rows.data import COMPLETED, Data

RANGE = "range"
TEXT = (
    "Normalization x solver x depth. Test accuracy after training, each net under its training "
    "solver; one panel per training solver. Last panel: largest minus smallest accuracy over the "
    "training solvers, of one seed, averaged over seeds; it counts only seeds of which every "
    "solver completed, and seeds' noise makes it positive. Failed runs are never averaged."
)


def table(data: Data) -> pd.DataFrame:
    """Cells by panel (a training solver, or "range" over all of them), normalization and depth.

    done: runs, or seeds, behind each number.
    """
    rows = planned_rows(data, "runs", "accuracy_test")
    numbers = cells(rows, [SOLVER, NORM, DEPTH], "accuracy_test").rename(columns={SOLVER: "panel"})
    if not len(or_nothing(numbers)):
        return numbers.iloc[:0]
    if len(set(rows[SOLVER])) > 1:
        spread = cells(spread_of_solvers(rows), [NORM, DEPTH], "accuracy_test").assign(panel=RANGE)
        numbers = pd.concat([numbers, spread.filter(numbers.columns)], ignore_index=True)
    return numbers.assign(done=numbers["n"])


def spread_of_solvers(rows: pd.DataFrame) -> pd.DataFrame:
    """Largest minus smallest accuracy over the training solvers, per normalization, depth and seed.

    Also the worst of their outcomes.
    """
    groups = rows.astype({"accuracy_test": float}).groupby([NORM, DEPTH, "seed"], sort=False)
    ends = pd.DataFrame(
        {
            "high": groups["accuracy_test"].max(),
            "low": groups["accuracy_test"].min(),
            "outcome": groups["outcome"].agg(grid.worst),
        }
    )
    found = ends.reset_index()
    return found.assign(
        accuracy_test=(found["high"] - found["low"]).where(found["outcome"] == COMPLETED)
    ).drop(columns=["high", "low"])


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Heat maps with one colour scale for accuracy and another for the range."""
    names = grid.panels_of(numbers)
    across = grid.panels(numbers)[1]
    limits = shared_limits(numbers.loc[numbers["panel"] != RANGE])
    for index, name, ax in each_panel(axes, names):
        rows = numbers.loc[numbers["panel"] == name]
        colours = {"limits": limits, "colours": "viridis"}
        if name == RANGE:
            colours = {"limits": (0.0, max(0.05, shared_limits(rows)[1])), "colours": "Purples"}
        scale = draw_tiles(
            ax,
            rows,
            NORM,
            DEPTH,
            **colours,
            text=plain,
            labels=grid.depth_label,
            row_labels=index % across == 0,
        )
        panel_title(
            ax, index, "range over solvers" if name == RANGE else grid.SOLVERS.get(name, name)
        )
        if index >= len(names) - across:
            ax.set_xlabel("layers (U: U-Net)")
        if name == RANGE:
            colour_bar(scale, axes[(index // across) * across : len(names)], "range")
        elif index in (0, len(names) - 1):
            colour_bar(scale, axes[:across], "test accuracy")
    tile_legend(axes[0], numbers)


FIGURE = Figure(
    name="cross/accuracy",
    study=grid.STUDY,
    axes=grid.AXES,
    numbers=table,
    text=TEXT,
    notes=grid.NOTES,
    draw=draw,
    panels=grid.panels,
    size_inches=(FULL_INCHES, 2.25),
    chart=VegaChart(
        mark="heat",
        x="axis.model.backbone",
        y="axis.norm",
        colour="mean",
        panel="panel",
        titles=TITLES,
        labels=LABELS,
    ),
)
