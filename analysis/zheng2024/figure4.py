"""Zheng 2024, Figure 4: test accuracy on CIFAR-10 against the number of parameters.

Of the norms and of six other families of neural ODEs.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import published
from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_right, published_handle
from analysis.drawing.shared import draw_points, draw_published, mark_at
from analysis.drawing.style import FULL_INCHES, NORM_COLOURS, NORM_LABELS, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import cells, planned_rows
from analysis.rows.data import Data
from analysis.rows.frames import tuples
from analysis.zheng2024.nets import LAYERS
from analysis.zheng2024.published_ends import size

DEPTH = "zheng2024/depth"
TEXT = (
    "Zheng 2024, Figure 4. Test accuracy on CIFAR-10 after the last epoch against the number of "
    "trainable parameters, those of norms included: the paper leaves them out, which puts "
    "TA-BN's diamonds further left. Numbers in the panel: convolutions in the right-hand side; "
    "lines join stacks of convolutions, 18 is a U-Net. Grey: other families, trained here with "
    "their authors' recipes; IL-NODE, 2nd-Ord, HBNODE and GHBNODE are not one ODE on the raw "
    "input. Crosses at the foot: all runs failed. Diamonds: published (Table 1 and the authors' "
    "slides), filled with the norm's colour, grey for the values of other families, which Zheng "
    "2024 quotes from their papers."
)
# Markers that stand for no solver.
FAMILIES = {
    "IL-NODE": "<",
    "2nd-Ord": ">",
    "HBNODE": "p",
    "GHBNODE": "h",
    "Aug-NODE": "X",
    "STEER": "8",
}
GREY = "0.45"
NORMS = ("ta_bn", "mini_batch", "none", "batch")


def _used(data: Data) -> Data:
    """All of `depth`, and CIFAR-10 of the other studies.

    Of `curves` only norms that `depth` lacks.
    """
    columns = ["study", "axis.data", "axis.norm", "axis.baseline"]
    trials = data.trials.reindex(columns=columns, fill_value="")
    chosen = (trials["axis.data"] == "CIFAR-10") & trials["axis.norm"].isin(["mini_batch", "batch"])
    chosen |= trials["study"] == DEPTH
    chosen |= trials["axis.baseline"].str.endswith(", CIFAR-10")
    return data.part(data.trials.loc[chosen])


def table(data: Data) -> pd.DataFrame:
    """Model (a norm or a family), backbone, parameters and n, mean, low, high, failed."""
    rows = planned_rows(data, "runs", "accuracy_test", "parameters", "model_backbone")
    rows = rows.loc[rows["outcome"] != "missing"]
    if not len(rows):
        return pd.DataFrame()
    names = (
        rows.reindex(columns=["axis.model.norm", "axis.norm", "axis.baseline"])
        .astype("object")
        .fillna("")
        .sum(axis=1)
        .str.removesuffix(", CIFAR-10")
    )
    rows = rows.assign(
        model=names, backbone=rows["model_backbone"].where(~names.isin(list(FAMILIES)), "")
    )
    numbers = cells(rows, ["model", "backbone"], "accuracy_test")
    return numbers.merge(
        rows.groupby(["model", "backbone"], as_index=False, sort=False).agg(
            parameters=("parameters", "max")
        ),
        on=["model", "backbone"],
    )


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Points of every net; lines along the depth."""
    (ax,) = axes
    handles = []
    for norm in NORMS:
        rows = numbers.loc[numbers["model"] == norm].sort_values("parameters")
        if len(rows):
            handles.append(handle(color=NORM_COLOURS[norm], marker="o", label=NORM_LABELS[norm]))
            _draw(ax, rows, color=NORM_COLOURS[norm], marker="o")
            _draw_depths(ax, rows, NORM_COLOURS[norm], above=norm == "ta_bn")
    for family, marker in FAMILIES.items():
        rows = numbers.loc[numbers["model"] == family]
        if len(rows):
            handles.append(handle(color=GREY, marker=marker, linestyle="none", label=family))
            _draw(ax, rows, color=GREY, marker=marker)
    known = (
        published.values("zheng2024", "table1").dropna(subset=["value"]).query("data == 'CIFAR-10'")
    )
    for model, printed, value in tuples(known, "model", "size", "value"):
        draw_published(
            ax,
            [size(printed)],
            [value],
            label="_",
            markerfacecolor=NORM_COLOURS.get(model.partition(",")[0], "0.75"),
        )
    ax.set_xscale("log")
    ax.set_xlabel("trainable parameters")
    ax.set_ylabel("test accuracy on CIFAR-10")
    legend_right(ax, [*handles, published_handle()])


def _draw(ax: Axes, rows: pd.DataFrame, **style: Any) -> None:
    draw_points(ax, rows, "parameters", **style)
    failed = rows.loc[(rows["n"] == 0) & (rows["failed"] > 0)]
    mark_at(ax, failed["parameters"], 0.02, color=style["color"])


def _draw_depths(ax: Axes, rows: pd.DataFrame, colour: str, above: bool) -> None:
    done = rows.loc[rows["n"] > 0]
    stacks = done.loc[done["backbone"] != "unet18"]
    ax.plot(stacks["parameters"], stacks["mean"], color=colour, linewidth=0.7)
    for backbone, parameters, height in tuples(done, "backbone", "parameters", "mean"):
        # The U-Net is between the stacks of 10 and 12 layers: its number is on the right, theirs
        # above or below.
        beside = {"xytext": (5, 0), "ha": "left", "va": "center"}
        apart = {
            "xytext": (0, 6 if above else -6),
            "ha": "center",
            "va": "bottom" if above else "top",
        }
        place: dict[str, Any] = beside if backbone == "unet18" else apart
        ax.annotate(
            str(LAYERS[backbone]),
            (parameters, height),
            fontsize=6,
            color=colour,
            textcoords="offset points",
            **place,
        )


FIGURE = Figure(
    name="zheng2024/figure4",
    study=(DEPTH, "zheng2024/curves", "zheng2024/baselines"),
    used=_used,
    numbers=table,
    text=TEXT,
    draw=draw,
    size_inches=(FULL_INCHES, 3.0),
    chart=VegaChart(
        mark="point",
        x="parameters",
        colour="model",
        shape="backbone",
        log_x=True,
        titles={"mean": "test accuracy"},
    ),
)
