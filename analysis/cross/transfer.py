"""The whole cross grid on one page: accuracy of the nets of every cell under every test solver."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.cross import grid
from analysis.cross.grid import DEPTH, LABELS, NORM, SOLVER, TITLES
from analysis.drawing.figure import Figure, one_column_each
from analysis.drawing.legend import legend_below
from analysis.drawing.shared import panel_title, shared_limits
from analysis.drawing.style import FULL_INCHES, SOLVER_LABELS, Axes
from analysis.drawing.tiles import (
    FAILED_COLOUR,
    UNRESOLVED_COLOUR,
    colour_bar,
    norm_label,
    swatches,
)
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import cells, planned_rows
from analysis.rows.data import COMPLETED, Data
from analysis.rows.frames import tuples
from sweeps.store import label

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

TEST = ["test.solver", "test.solver_steps", "test.solver_tolerance"]
TEXT = (
    "Every cell of the grid under every test solver: accuracy (colour). One panel per training "
    "solver, one row per normalization and depth ({depths}, downwards), one column per test "
    "solver ({columns}, from left to right). Framed: the training solver itself. A net that has "
    "learned a solution keeps its colour along its row. "
    f"{grid.TA_BN}"
)


def table(data: Data) -> pd.DataFrame:
    """Cells by panel (training solver), normalization, depth and test solver.

    setting: the test solver's steps or tolerance. own: it is the training solver.
    """
    rows = planned_rows(data, "evaluations:test_grid", "accuracy")
    if not grid.some(rows["outcome"] == COMPLETED):
        return pd.DataFrame()
    by = [SOLVER, NORM, DEPTH, *TEST]
    runs = data.runs.filter(
        [SOLVER, "solver_name", "solver_steps", "solver_tolerance"]
    ).drop_duplicates(SOLVER)
    numbers = cells(rows, by, "accuracy").merge(runs, on=SOLVER, how="left")
    setting = numbers["test.solver_steps"].where(
        numbers["test.solver_steps"] != "", numbers["test.solver_tolerance"]
    )
    trained = numbers["solver_steps"].fillna(numbers["solver_tolerance"])
    own = (numbers["test.solver"] == numbers["solver_name"]) & (
        setting.astype(float) == trained.astype(float)
    )
    return (
        numbers.assign(setting=setting, own=own)
        .drop(columns=["solver_name", "solver_steps", "solver_tolerance"])
        .rename(columns={SOLVER: "panel"})
    )


def _fields(_data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    by_solver = (
        numbers.filter(["test.solver", "setting"])
        .drop_duplicates()
        .groupby("test.solver", sort=False)["setting"]
        .agg(lambda settings: ", ".join(map(label, settings)))
    )
    columns = [f"{SOLVER_LABELS[str(name)]} {settings}" for name, settings in by_solver.items()]
    depths = [grid.depth_label(name) for name in dict.fromkeys(numbers[DEPTH])]
    return {"depths": f"{', '.join(depths)} layers", "columns": "; ".join(columns)}


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Tiles without numbers: 48 rows and 15 columns in each panel at paper scale."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patches import Patch

    scale = ScalarMappable(Normalize(*shared_limits(numbers)), colormaps["viridis"])
    norms, depths = (list(dict.fromkeys(numbers[column])) for column in (NORM, DEPTH))
    for index, (name, ax) in enumerate(zip(grid.panels_of(numbers), axes, strict=False)):
        _draw_panel(ax, numbers.loc[numbers["panel"] == name], norms, depths, scale)
        panel_title(ax, index, grid.SHORT_SOLVERS.get(name, name))
        ax.set_yticks(
            (np.arange(len(norms)) + 0.5) * len(depths),
            [norm_label(one) if index == 0 else "" for one in norms],
        )
        ax.tick_params(length=0, labelsize=6.5)
        ax.tick_params(axis="y", pad=8)
        if index == 0:
            swatches(ax, norms, len(depths))
    colour_bar(scale, axes, "accuracy under the test solver")
    empty = numbers.loc[numbers["n"] == 0]
    handles = [Patch(facecolor="none", edgecolor="black", linewidth=0.8, label="training solver")]
    if grid.some(empty["failed"] > 0):
        handles.append(Patch(facecolor=FAILED_COLOUR, edgecolor="none", label="all failed"))
    if grid.some(empty["failed"] == 0):
        handles.append(Patch(facecolor=UNRESOLVED_COLOUR, edgecolor="none", label="missing"))
    legend_below(axes[0], handles, 3)  # pyright: ignore[reportArgumentType] - patches are handles as lines are


def _draw_panel(
    ax: Axes, rows: pd.DataFrame, norms: list[str], depths: list[str], scale: "ScalarMappable"
) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    columns = list(dict.fromkeys(tuples(rows, "test.solver", "setting")))
    image = np.ones((len(norms) * len(depths), len(columns), 4))
    for row in rows.to_dict("records"):
        y, x = (
            norms.index(row[NORM]) * len(depths) + depths.index(row[DEPTH]),
            columns.index((row["test.solver"], row["setting"])),
        )
        empty = to_rgba(FAILED_COLOUR if row["failed"] else UNRESOLVED_COLOUR)
        image[y, x] = scale.to_rgba(row["mean"]) if row["n"] else empty
    ax.imshow(
        image, extent=(0, len(columns), len(image), 0), aspect="auto", interpolation="nearest"
    )
    ax.set_xticks([])
    ax.hlines(np.arange(1, len(norms)) * len(depths), 0, len(columns), color="white", linewidth=1.8)
    solvers = [name for name, _ in columns]
    for name in dict.fromkeys(solvers):
        first, last = solvers.index(name), len(solvers) - solvers[::-1].index(name)
        ax.vlines(
            [last] if last < len(columns) else [], 0, len(image), color="white", linewidth=1.8
        )
        short = SOLVER_LABELS[name].partition(" ")[0]
        ax.annotate(
            short,
            ((first + last) / 2, 0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -3),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=5.5,
            annotation_clip=False,
        )
    for name, setting in dict.fromkeys(tuples(rows.loc[rows["own"]], "test.solver", "setting")):
        ax.add_patch(
            Rectangle(
                (columns.index((name, setting)), 0),
                1,
                len(image),
                facecolor="none",
                edgecolor="black",
                linewidth=0.8,
                clip_on=False,
                zorder=5,
            )
        )
    for spine in ax.spines.values():
        spine.set_visible(False)


FIGURE = Figure(
    name="cross/transfer",
    study=grid.STUDY,
    needs=("evaluations:test_grid",),
    axes=grid.AXES,
    numbers=table,
    text=TEXT,
    fields=_fields,
    notes=grid.NOTES,
    draw=draw,
    panels=one_column_each("panel"),
    size_inches=(FULL_INCHES, 4.6),
    chart=VegaChart(
        x="test.solver_steps",
        colour="axis.norm",
        panel="panel",
        row="axis.model.backbone",
        shape="test.solver",
        log_x=True,
        titles=TITLES | {"test.solver_steps": "test steps"},
        labels=LABELS,
    ),
)
