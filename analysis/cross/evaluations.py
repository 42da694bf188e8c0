"""The cost of the cross grid: NFE of one forward pass against depth.

Under the reference solver, and under Dopri5 as trained.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.cross import gaps, grid
from analysis.cross.grid import DEPTH, LABELS, NORM, SOLVER, TITLES
from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_below, norm_handles
from analysis.drawing.shared import each_panel, mark_at, no_rows, panel_title, values_with_bars
from analysis.drawing.style import FULL_INCHES, NORM_COLOURS, PLAIN_COLOUR, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import cells, planned_rows
from analysis.rows.data import COMPLETED, Data
from sweeps.store import label

AS_TRAINED = "as trained"
TEXT = (
    "Evaluations of the field in one forward pass of a batch of {batch}, against depth. One "
    "panel per training solver shows how many evaluations the reference solver (Dopri5, tolerance "
    "{tolerance}, float64) needs for the learned field. The number in the corner is what the "
    "training solver itself needs. Triangles at the upper edge: cells with "
    "unresolved nets, which reached the cap of {cap} evaluations or the smallest step and are in "
    "no mean. Last panel: nets trained with Dopri5 under their own tolerance. Points are shifted "
    "sideways, to tell them apart."
)


def table(data: Data) -> pd.DataFrame:
    """Cells by panel, normalization and depth.

    A panel is a training solver, or "as trained" for adaptive ones. Numbers: NFE of a forward pass.
    layers; own: mean NFE of the training solver if it has fixed steps; unresolved: of the
    reference; cap: its limit on NFE.
    """
    reference, trained = (_rows(data, need) for need in gaps.NEEDS)
    if not grid.some([*reference["outcome"].eq(COMPLETED), *trained["outcome"].eq(COMPLETED)]):
        return pd.DataFrame()
    by = [SOLVER, NORM, DEPTH]
    unresolved = gaps.by_cell(gaps.rows(data)).filter([*by, "unresolved"])
    own = cells(trained, by, "nfe_per_batch")
    # The same number for every net if the steps are fixed.
    fixed = own.groupby(SOLVER)["mean"].agg(["min", "max"]).reset_index()
    fixed = fixed.assign(own=fixed["min"].where(fixed["min"] == fixed["max"])).filter(
        [SOLVER, "own"]
    )
    solved = (
        cells(reference, by, "nfe_per_batch")
        .merge(unresolved, on=by)
        .merge(fixed, on=SOLVER, how="left")
        .rename(columns={SOLVER: "panel"})
    )
    adaptive = own.loc[own[SOLVER].isin(adaptive_solvers(data))].assign(
        unresolved=0, own=float("nan"), panel=AS_TRAINED
    )
    numbers = pd.concat([solved, adaptive.filter(solved.columns)], ignore_index=True)
    cap = data.evaluations_of("reference")["test_solver_max_evaluations"].max()
    return numbers.assign(layers=numbers[DEPTH].map(grid.layers), cap=cap)


def _rows(data: Data, need: str) -> pd.DataFrame:
    return planned_rows(data, need, "nfe_per_batch")


def adaptive_solvers(data: Data) -> list[str]:
    """Labels of the training solvers that have a tolerance."""
    return list(dict.fromkeys(data.runs.loc[data.runs["solver_tolerance"].notna(), SOLVER]))


def _fields(data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    caps = numbers["cap"].dropna()
    sizes = sorted(data.evaluations_of("reference")["batch_size"].dropna().unique())
    return {
        "tolerance": ", ".join(
            map(label, data.planned(gaps.NEEDS[0])["test.solver_tolerance"].unique())
        ),
        "cap": f"{max(caps):,.0f}" if len(caps) else "its",
        "batch": ", ".join(f"{size:.0f}" for size in sizes) or "the test",
    }


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One line per normalization, on a logarithmic axis that all panels of the reference share."""
    names = grid.panels_of(numbers)
    across = grid.panels(numbers)[1]
    norms = list(dict.fromkeys(numbers[NORM]))
    depths = {grid.layers(name): grid.depth_label(name) for name in dict.fromkeys(numbers[DEPTH])}
    solved = numbers.loc[numbers["panel"] != AS_TRAINED]
    ends = [
        value
        for column in ("minimum", "maximum", "low", "high")
        for value in solved[column].dropna()
        if value > 0
    ]
    low, high = (min(ends) / 1.4, max(ends) * 1.8) if ends else (1.0, 10.0)
    for index, name, ax in each_panel(axes, names):
        rows = numbers.loc[numbers["panel"] == name]
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        if name != AS_TRAINED:
            ax.set_ylim(low, high)
            if (own := float(rows["own"].max())) == own:
                ax.text(
                    0.98,
                    0.03,
                    f"training solver: {own:g}",
                    transform=ax.transAxes,
                    fontsize=6,
                    ha="right",
                    color="0.35",
                )
        _draw_lines(ax, rows, norms)
        if not grid.some(rows["n"] + rows["unresolved"]):
            no_rows(ax)
        panel_title(
            ax,
            index,
            "Dopri5, own tolerance" if name == AS_TRAINED else grid.SOLVERS.get(name, name),
        )
        ax.set_xticks(list(depths), list(depths.values()))
        ax.set_xlim(min(depths) - 1, max(depths) + 1)
        if name == AS_TRAINED:
            ax.set_ylabel("NFE")
        elif index % across == 0:
            ax.set_ylabel("NFE of the\nreference solution")
        if index >= len(names) - across:
            ax.set_xlabel("layers (U: U-Net)")
    handles = norm_handles(norms)
    if grid.some(numbers["unresolved"]):
        handles.append(
            handle(
                color="0.35", linestyle="none", marker="^", markersize=3.5, label="unresolved nets"
            )
        )
    legend_below(axes[0], handles, 5)


def _draw_lines(ax: Axes, rows: pd.DataFrame, norms: list[str]) -> None:
    for place, norm in enumerate(norms):
        own = rows.loc[rows[NORM] == norm]
        own = own.assign(x=own["layers"] + 0.09 * (place - (len(norms) - 1) / 2))
        colour = NORM_COLOURS.get(norm, PLAIN_COLOUR)
        drawn = own.loc[own["n"] > 0]
        ax.plot(drawn["x"], drawn["mean"], color=colour, linewidth=0.8)
        # An interval that reaches below zero has no end on a logarithmic axis.
        values_with_bars(
            ax,
            drawn.assign(low=drawn["low"].where(drawn["low"] > 0, drawn["minimum"])),
            "x",
            color=colour,
            marker="o",
            markersize=2.2,
        )
        stuck = own.loc[own["unresolved"] > 0]
        mark_at(ax, stuck["x"], 0.97, marker="^", markersize=3, color=colour)


FIGURE = Figure(
    name="cross/evaluations",
    study=grid.STUDY,
    needs=gaps.NEEDS,
    axes=grid.AXES,
    numbers=table,
    text=TEXT,
    fields=_fields,
    draw=draw,
    panels=grid.panels,
    size_inches=(FULL_INCHES, 2.15),
    chart=VegaChart(
        mark="heat",
        x="axis.model.backbone",
        y="axis.norm",
        colour="mean",
        panel="panel",
        titles=TITLES | {"mean": "NFE per image"},
        labels=LABELS,
    ),
)
