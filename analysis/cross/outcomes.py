"""The failure map of the cross grid: the outcome of every run, and the shares by normalization."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.cross import grid
from analysis.cross.grid import DEPTH, LABELS, NORM, SOLVER, TITLES
from analysis.drawing.caption import standard_notes
from analysis.drawing.figure import Figure
from analysis.drawing.legend import legend_below
from analysis.drawing.shared import panel_title
from analysis.drawing.style import FULL_INCHES, Axes
from analysis.drawing.tiles import norm_label, swatches
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import MISSING, planned_rows
from analysis.rows.data import COMPLETED, Data
from analysis.rows.frames import in_order

# Not the colours of normalizations; dark to light in greyscale by how bad.
STYLES: dict[str, dict[str, Any]] = {
    COMPLETED: {"facecolor": "#CFE3D6", "label": "completed"},
    "solver_failed": {"facecolor": "#E08A6D", "hatch": "\\\\\\\\\\", "label": "solver failed"},
    "diverged": {"facecolor": "#7A1F2B", "label": "diverged"},
    MISSING: {"facecolor": "white", "label": "no result yet"},
}
TEXT = (
    "Failure map. Each tile is a cell of the grid and each stripe in it a run, seeds from left "
    "to right. Diverged: loss or state not finite. Solver failed: cap of evaluations or smallest "
    "step reached. No result yet: not run, or ended by a crash, which is no result. Last panel: "
    "runs by normalization over all solvers and depths. Completed: {completed} of {planned} "
    "planned runs."
)


def table(data: Data) -> pd.DataFrame:
    """One row per planned run.

    Columns: panel (training solver), normalization, depth, seed, outcome, epoch of the failure.
    """
    rows = planned_rows(data, "runs", "outcome_epoch", "outcome_detail")
    if not grid.some(rows["outcome"] != MISSING):
        return pd.DataFrame()
    at = rows["outcome_epoch"].where(~rows["outcome"].isin([COMPLETED, MISSING]))
    found = rows.assign(outcome_epoch=at).rename(columns={SOLVER: "panel"}).filter(
        ["panel", NORM, DEPTH, "seed", "outcome", "outcome_epoch", "outcome_detail"]
    )  # fmt: skip
    return in_order(found, "panel", data.order("solver"))


def _fields(_data: Data, numbers: pd.DataFrame) -> dict[str, int]:
    return {"completed": list(numbers["outcome"]).count(COMPLETED), "planned": len(numbers)}


def _single_runs(numbers: pd.DataFrame) -> str:
    seeds = numbers.groupby(["panel", NORM, DEPTH])["seed"].nunique()
    return f"Single runs, n = {seeds.max()} seeds per cell, no interval."


def _panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """One panel per training solver and one for the shares."""
    return grid.shape(len(grid.panels_of(numbers)) + 1)


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Tiles of stripes, then stacked bars of counts by normalization."""
    from matplotlib.patches import Patch

    names = grid.panels_of(numbers)
    across = _panels(numbers)[1]
    norms, depths = (list(dict.fromkeys(numbers[column])) for column in (NORM, DEPTH))
    for index, (name, ax) in enumerate(zip(names, axes, strict=False)):
        _draw_stripes(ax, numbers.loc[numbers["panel"] == name], norms, depths)
        panel_title(ax, index, grid.SOLVERS.get(name, name))
        if index > len(names) - across:
            ax.set_xlabel("layers (U: U-Net)")
    _draw_shares(axes[len(names)], numbers, norms)
    panel_title(axes[len(names)], len(names), "all solvers and depths")
    for index, ax in enumerate(axes[: len(names) + 1]):
        ax.set_yticks(
            np.arange(len(norms)) + 0.5,
            [norm_label(one) if index % across == 0 else "" for one in norms],
        )
        ax.tick_params(length=0, labelsize=6.5)
        ax.tick_params(axis="y", pad=8)
        ax.set_ylim(len(norms), 0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        if index % across == 0:
            swatches(ax, norms)
    for ax in axes[len(names) + 1 :]:
        ax.set_axis_off()
    found = set(numbers["outcome"])
    handles: list[Any] = [
        Patch(linewidth=0.4, edgecolor="0.6", **style)
        for name, style in STYLES.items()
        if name in found
    ]
    legend_below(axes[0], handles, 4)


def _draw_stripes(ax: Axes, runs: pd.DataFrame, norms: list[str], depths: list[str]) -> None:
    from matplotlib.patches import Rectangle

    for _, cell in runs.groupby([NORM, DEPTH], sort=False):
        left, top, width = (
            depths.index(cell[DEPTH].iloc[0]) + 0.06,
            norms.index(cell[NORM].iloc[0]) + 0.08,
            0.88 / len(cell),
        )
        for place, outcome in enumerate(cell.sort_values("seed")["outcome"]):
            style = {key: value for key, value in STYLES[outcome].items() if key != "label"}
            edge = "0.8" if outcome == MISSING else "white"
            ax.add_patch(
                Rectangle(
                    (left + place * width, top), width, 0.84, linewidth=0.5, edgecolor=edge, **style
                )
            )
    ax.set_xlim(0, len(depths))
    ax.set_xticks(np.arange(len(depths)) + 0.5, [grid.depth_label(one) for one in depths])


def _draw_shares(ax: Axes, numbers: pd.DataFrame, norms: list[str]) -> None:
    found = [list(numbers.loc[numbers[NORM] == norm, "outcome"]) for norm in norms]
    left, places = np.zeros(len(norms)), np.arange(len(norms)) + 0.5
    for name, style in STYLES.items():
        widths = np.array([float(outcomes.count(name)) for outcomes in found])
        bars = {
            "height": 0.74,
            "linewidth": 0.5,
            "edgecolor": "0.8" if name == MISSING else "white",
        }
        there = widths > 0
        ax.barh(
            places[there],
            widths[there],
            left=left[there],
            **bars,
            **{key: value for key, value in style.items() if key != "label"},
        )
        left += widths
    for place, end, outcomes in zip(places, left, found, strict=True):
        ended = len(outcomes) - outcomes.count(MISSING)
        words = f"{ended - outcomes.count(COMPLETED)} of {ended} failed"
        ax.text(end * 1.02, place, words, fontsize=5.5, va="center", ha="left", color="0.25")
    ax.set_xlim(0, max(left) * 1.42)
    ax.set_xticks([0, max(left)], ["0", f"{max(left):.0f}"])
    ax.set_xlabel("runs")


FIGURE = Figure(
    name="cross/outcomes",
    study=grid.STUDY,
    axes=grid.AXES,
    numbers=table,
    text=TEXT,
    fields=_fields,
    notes=standard_notes(spread=_single_runs),
    draw=draw,
    panels=_panels,
    size_inches=(FULL_INCHES, 2.05),
    chart=VegaChart(
        mark="tile",
        x="axis.model.backbone",
        y="axis.norm",
        colour="outcome",
        panel="panel",
        titles=TITLES,
        labels=LABELS,
        apart=("seed",),
        colours={outcome: look["facecolor"] for outcome, look in STYLES.items()},
    ),
)
