"""The solver gap in the cross grid by normalization and depth.

One heat map per training solver, and one by normalization over all depths.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.cross import gaps, grid
from analysis.cross.grid import DEPTH, LABELS, NORM, SOLVER, TITLES
from analysis.drawing.figure import Figure
from analysis.drawing.shared import each_panel, panel_title, shared_limits
from analysis.drawing.style import FULL_INCHES, Axes
from analysis.drawing.tiles import colour_bar, draw_tiles, signed, tile_legend
from analysis.drawing.vega import VegaChart
from analysis.rows.data import Data
from sweeps.store import label

SUMMARY = "all depths"
MIN_LIMIT = 0.05  # of the colours, so that noise does not look like a gap
TEXT = (
    "Solver gap: accuracy under the reference solution (Dopri5, {tolerance}) minus accuracy "
    "under the training solver, paired by net, the same images, both in float64. Negative: the "
    "net lives off its solver's error. Unresolved: a solve that reached its cap of evaluations "
    "or its smallest step; it has no gap and is in no mean. Last panel: mean over depths, by "
    "training solver. {unresolved} of {nets} trained nets are unresolved. "
    f"{grid.TA_BN}"
)


def table(data: Data) -> pd.DataFrame:
    """Cells by panel (a training solver, or "all depths"), normalization and column.

    A column is a depth, in the last panel a training solver.
    """
    nets = gaps.rows(data)
    if gaps.nothing(nets):
        return pd.DataFrame()
    by_cell = gaps.by_cell(nets).rename(columns={SOLVER: "panel", DEPTH: "column"})
    summary = gaps.over_depths(nets).rename(columns={SOLVER: "column"}).assign(panel=SUMMARY)
    return pd.concat([by_cell, summary.filter(by_cell.columns)], ignore_index=True)


def _fields(data: Data, numbers: pd.DataFrame) -> dict[str, object]:
    by_cell = numbers.loc[numbers["panel"] != SUMMARY]
    trained = by_cell["planned"] - by_cell["failed"] - by_cell["missing"]
    tolerances = data.planned(gaps.NEEDS[0])["test.solver_tolerance"].unique()
    return {
        "tolerance": f"tolerance {', '.join(map(label, tolerances))}",
        "unresolved": int(by_cell["unresolved"].sum()),
        "nets": int(trained.sum()),
    }


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Heat maps with one colour scale, white at no gap.

    Red is worse under the reference, blue is better.
    """
    names = grid.panels_of(numbers)
    across = grid.panels(numbers)[1]
    limit = max(MIN_LIMIT, *(abs(end) for end in shared_limits(numbers)))
    for index, name, ax in each_panel(axes, names):
        rows = numbers.loc[numbers["panel"] == name]
        summary = name == SUMMARY
        scale = draw_tiles(
            ax,
            rows,
            NORM,
            "column",
            limits=(-limit, limit),
            colours="RdBu",
            text=signed,
            row_labels=index % across == 0,
            labels=(lambda solver: grid.SHORT_SOLVERS.get(solver, solver).replace(" ", "\n", 1))
            if summary
            else grid.depth_label,
        )
        panel_title(ax, index, "mean over depths" if summary else grid.SOLVERS.get(name, name))
        if index >= len(names) - across:
            ax.set_xlabel("training solver" if summary else "layers (U: U-Net)")
        if index == len(names) - 1:
            colour_bar(scale, axes, "solver gap")
    tile_legend(axes[0], numbers)


FIGURE = Figure(
    name="cross/solver_gap",
    study=grid.STUDY,
    needs=gaps.NEEDS,
    axes=grid.AXES,
    numbers=table,
    text=TEXT,
    fields=_fields,
    notes=grid.NOTES,
    draw=draw,
    panels=grid.panels,
    size_inches=(FULL_INCHES, 2.25),
    chart=VegaChart(
        mark="heat",
        x="column",
        y="axis.norm",
        colour="mean",
        panel="panel",
        titles=TITLES | {"mean": "solver gap", "column": "layers"},
        labels=LABELS,
    ),
)
