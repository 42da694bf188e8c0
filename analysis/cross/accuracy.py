"""The main figure of the cross grid: test accuracy by normalization and depth.

One heat map per training solver, and one for the range over the solvers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.cells import cells, planned_rows
from analysis.cross import grid
from analysis.cross.grid import DEPTH, NORM, SOLVER
from analysis.cross.tiles import colour_bar, draw_tiles, plain, tile_legend
from analysis.data import COMPLETED, Data
from analysis.heat import shared_limits
from analysis.ink import panel_title
from analysis.style import FULL_INCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "cross/accuracy"
STUDY = grid.STUDY
NEEDS = ("runs",)
PANELS = (2, 3)
SIZE_INCHES = (FULL_INCHES, 4.5)
RANGE = "range"
CAPTION = (
    "Normalization x solver x depth. Test accuracy after training, each net under its training "
    "solver; one panel per training solver. Last panel: largest minus smallest accuracy over the "
    "training solvers of one seed, averaged over seeds. It counts only seeds for which every "
    "solver completed, and the noise of seeds makes it positive. Failed runs are never averaged."
)


def table(data: Data) -> pd.DataFrame:
    """Cells by panel (a training solver, or "range" over all of them), normalization and depth.

    done: runs, or seeds, behind each number.
    """
    rows = planned_rows(data, "runs", "accuracy_test")
    numbers = cells(rows, [SOLVER, NORM, DEPTH], "accuracy_test").rename(columns={SOLVER: "panel"})
    if not grid.some(numbers["n"] + numbers["failed"]):
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


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, the widths of intervals, scale and what is missing."""
    return grid.caption(CAPTION, data, NEEDS, numbers)


def panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """One panel per training solver and one for their range."""
    return grid.shape(len(grid.panels_of(numbers)))


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """Heat maps with one colour scale for accuracy and another for the range."""
    names = grid.panels_of(numbers)
    across = panels(numbers)[1]
    limits = shared_limits(numbers.loc[numbers["panel"] != RANGE])
    for index, (name, ax) in enumerate(zip(names, axes, strict=False)):
        rows = numbers.loc[numbers["panel"] == name]
        look = {"limits": limits, "colours": "viridis"}
        if name == RANGE:
            look = {"limits": (0.0, max(0.05, shared_limits(rows)[1])), "colours": "Purples"}
        scale = draw_tiles(
            ax,
            rows,
            NORM,
            DEPTH,
            **look,
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
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    tile_legend(axes[0], numbers)
