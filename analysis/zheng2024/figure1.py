"""Zheng 2024, Figure 1: test accuracy on CIFAR-10 by epoch.

Of deep nets with TA-BN and mini-batch statistics and of nets without norm.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.drawing.curves import draw_curves, over_epochs
from analysis.drawing.figure import Figure
from analysis.drawing.legend import legend_right
from analysis.drawing.style import FULL_INCHES, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.data import Data
from analysis.rows.frames import tuples
from analysis.zheng2024 import published_ends
from analysis.zheng2024.nets import LAYERS, draw_final, line_handles, marks, net_style
from analysis.zheng2024.trials import part

DEPTH, CURVES = "zheng2024/depth", "zheng2024/curves"
TEXT = (
    "Zheng 2024, Figure 1. Test accuracy on CIFAR-10 after each epoch, by norm and number of "
    "convolutions in the right-hand side. Each run that failed is a line of its own, dashed at "
    "its last value from where it failed; a cross on the axis: failed before its first score. "
    "Diamonds: published final values (Tables 1 and 4), filled like their line."
)
NORMS = ("ta_bn", "mini_batch", "none")
SHOWN = [
    ("ta_bn", "unet18"),
    ("none", "unet18"),
    ("none", "cnn12"),
    ("none", "cnn8"),
    ("none", "cnn4"),
]


def _used(data: Data) -> Data:
    """Nets of `depth` that are shown, and the one of `curves` with mini-batch statistics."""
    columns = ["study", "axis.model.norm", "axis.model.backbone", "axis.data", "axis.norm"]
    labels = data.trials.reindex(columns=columns, fill_value="").itertuples(index=False, name=None)
    chosen = [
        (norm, net) in SHOWN if study == DEPTH else (name, other) == ("CIFAR-10", "mini_batch")
        for study, norm, net, name, other in labels
    ]
    return data.part(data.trials.loc[chosen])


def table(data: Data) -> pd.DataFrame:
    """norm, backbone and epoch with n, mean, low, high of the test accuracy.

    Failed runs are lines of their own.
    """
    parts = []
    if depth := part(data, DEPTH):
        by = {"axis.model.norm": "norm", "axis.model.backbone": "backbone"}
        parts.append(over_epochs(depth, list(by)).rename(columns=by))
    if curves := part(data, CURVES):
        nets = list(curves.runs["model_backbone"].unique())
        parts += (
            [
                over_epochs(curves, ["axis.norm"])
                .rename(columns={"axis.norm": "norm"})
                .assign(backbone=nets[0])
            ]
            if nets
            else []
        )
    parts = [one for one in parts if len(one)]
    numbers = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return numbers.assign(end=numbers["epoch"].max()) if len(numbers) else numbers


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """All nets in one panel."""
    (ax,) = axes
    draw_curves(
        ax, numbers, ["norm", "backbone"], lambda net: net_style(net["norm"], net["backbone"])
    )
    there = set(tuples(numbers, "norm", "backbone"))
    nets = sorted(there, key=lambda net: (NORMS.index(net[0]), -LAYERS[net[1]]))
    values = published_ends.cifar10()
    draw_final(
        ax,
        [(net_style(*net)["color"], values[net]) for net in nets if net in values],
        numbers["end"].iloc[0],
    )
    ax.set_xlabel("epoch")
    ax.set_ylabel("test accuracy on CIFAR-10")
    ax.set_xlim(left=0)
    legend_right(
        ax, [*line_handles(net_style(*net) for net in nets), *marks(numbers, published=True)]
    )


FIGURE = Figure(
    name="zheng2024/figure1",
    study=(DEPTH, CURVES),
    needs=("epochs",),
    used=_used,
    numbers=table,
    text=TEXT,
    draw=draw,
    size_inches=(FULL_INCHES, 2.7),
    chart=VegaChart(
        x="epoch",
        colour="norm",
        panel="backbone",
        where={"line": "mean"},
        titles={"mean": "test accuracy"},
    ),
)
