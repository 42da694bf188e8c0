"""Accuracy against cost in the cross grid.

Every cell as trained, and the Pareto front of each normalization over all its nets and test
solvers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.cross import grid
from analysis.cross.grid import DEPTH, LABELS, NORM, SOLVER, TITLES
from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_below, norm_handles
from analysis.drawing.shared import no_rows, panel_title
from analysis.drawing.style import (
    FULL_INCHES,
    NORM_COLOURS,
    PLAIN_COLOUR,
    SOLVER_LABELS,
    SOLVER_MARKERS,
    Axes,
)
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import STATISTICS, cells, planned_rows
from analysis.rows.data import COMPLETED, Data

NEEDS = ("evaluations:as_trained", "evaluations:test_grid")
AS_TRAINED, ANY = "as trained", "any test solver"
BY = [SOLVER, NORM, DEPTH, "test.solver", "test.solver_steps", "test.solver_tolerance"]
COLUMNS = [
    *("panel", *BY, "solver_name", "nfe_per_batch", "planned", "failed", "missing"),
    *(*STATISTICS, "front"),
]
TEXT = (
    "Accuracy against evaluations of the field in one forward pass, which is the cost at test. "
    "(a) Each point is a cell, its test accuracy under its training solver; line: Pareto front, "
    "cells that no cheaper cell reaches. Points are shifted sideways by normalization. (b) Each "
    "normalization's front over all its nets (training solver and depth) under all test solvers. "
    "Fronts pick the best of many means, so they are optimistic by their noise."
)


def table(data: Data) -> pd.DataFrame:
    """Cells by panel, training solver, normalization, depth and test solver.

    Panels: "as trained", "any test solver". Numbers: accuracy, nfe_per_batch, front. front: on the
    Pareto front, of all cells as trained, of the same normalization under any test solver.
    """
    trained = as_trained(data).assign(panel=AS_TRAINED)
    tested = _cells(data, NEEDS[1], "accuracy").assign(panel=ANY)
    if not grid.some([*trained["n"], *tested["n"]]):
        return pd.DataFrame(columns=COLUMNS)
    tested["front"] = False
    for _, rows in tested.groupby(NORM, sort=False):
        tested.loc[rows.index, "front"] = front(rows)
    names = data.runs.filter([SOLVER, "solver_name"]).drop_duplicates(SOLVER)
    numbers = pd.concat([trained, tested], ignore_index=True)
    return numbers.merge(names, on=SOLVER, how="left").filter(COLUMNS)


def as_trained(data: Data) -> pd.DataFrame:
    """Every cell under its training solver.

    Test accuracy, NFE of a forward pass, and whether it is on the front of all.
    """
    found = _cells(data, NEEDS[0], "run.accuracy_test")
    return found.assign(front=front(found))


def _cells(data: Data, need: str, accuracy: str) -> pd.DataFrame:
    rows = planned_rows(data, need, accuracy, "nfe_per_batch")
    cost = (
        rows.loc[rows["outcome"] == COMPLETED]
        .groupby(BY, sort=False)["nfe_per_batch"]
        .mean()
        .rename("nfe_per_batch")
        .reset_index()
    )
    return cells(rows, BY, accuracy).merge(cost, on=BY, how="left")


def front(rows: pd.DataFrame) -> pd.Series:
    """Whether no other row is at least as good.

    As good: at most its NFE and at least its mean, one of them strictly better. Rows without a mean
    are on no front.
    """
    ranked = rows.dropna(subset=["mean", "nfe_per_batch"]).sort_values(
        ["nfe_per_batch", "mean"], ascending=[True, False], kind="stable"
    )
    best = ranked["mean"].cummax().shift(fill_value=float("-inf"))
    return pd.Series(ranked["mean"] > best).reindex(rows.index, fill_value=False)


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Points with the overall front, then one step line per normalization."""
    norms, names = (
        list(dict.fromkeys(numbers[column].dropna())) for column in (NORM, "solver_name")
    )
    trained = numbers.loc[(numbers["panel"] == AS_TRAINED) & (numbers["n"] > 0)]
    best = trained.loc[trained["front"]].sort_values("nfe_per_batch")
    end = float(np.nanmax(numbers["nfe_per_batch"])) * 1.15
    _step(axes[0], best, end, color="0.55", linewidth=0.9, zorder=1)
    for place, norm in enumerate(norms):
        colour = NORM_COLOURS.get(norm, PLAIN_COLOUR)
        shift = 1 + 0.045 * (place - (len(norms) - 1) / 2)
        for name, rows in trained.loc[trained[NORM] == norm].groupby("solver_name", sort=False):
            line = {
                "linestyle": "none",
                "marker": SOLVER_MARKERS.get(str(name), "o"),
                "color": colour,
                "markersize": 3,
                "markeredgewidth": 0,
            }
            axes[0].plot(rows["nfe_per_batch"] * shift, rows["mean"], alpha=0.8, **line)
        chosen = numbers.loc[
            (numbers["panel"] == ANY) & numbers["front"] & (numbers[NORM] == norm)
        ].sort_values("nfe_per_batch")
        _step(axes[1], chosen, end, color=colour, linewidth=1.1)
        axes[1].plot(
            chosen["nfe_per_batch"],
            chosen["mean"],
            linestyle="none",
            marker="o",
            markersize=2.2,
            color=colour,
        )
    for index, (ax, title) in enumerate(
        zip(axes, ("every cell, as trained", "fronts, any test solver"), strict=True)
    ):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_xlabel("NFE per forward pass")
        ax.set_ylabel("test accuracy")
        panel_title(ax, index, title)
        if not ax.lines:
            no_rows(ax)
    markers = [
        handle(
            linestyle="none",
            color="0.35",
            marker=SOLVER_MARKERS.get(name, "o"),
            markersize=3.5,
            label=f"trained with {SOLVER_LABELS[name].partition(' ')[0]}",
        )
        for name in names
    ]
    legend_below(
        axes[0],
        [
            *norm_handles(norms),
            *markers,
            handle(color="0.55", linewidth=0.9, label="Pareto front of (a)"),
        ],
        6,
    )


def _step(ax: Axes, rows: pd.DataFrame, end: float, **line: Any) -> None:
    if len(rows):
        x, y = [*rows["nfe_per_batch"], end], [*rows["mean"], rows["mean"].iloc[-1]]
        ax.plot(x, y, drawstyle="steps-post", **line)


FIGURE = Figure(
    name="cross/pareto",
    study=grid.STUDY,
    needs=NEEDS,
    axes=grid.AXES,
    numbers=table,
    text=TEXT,
    notes=grid.NOTES,
    draw=draw,
    panels=(1, 2),
    size_inches=(FULL_INCHES, 3.2),
    chart=VegaChart(
        mark="point",
        x="nfe_per_batch",
        colour="axis.norm",
        shape="solver_name",
        panel="panel",
        apart=("axis.model.backbone", "axis.solver", "test.solver", "test.solver_steps"),
        log_x=True,
        titles=TITLES | {"nfe_per_batch": "NFE per image batch"},
        labels=LABELS,
    ),
)
