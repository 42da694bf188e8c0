"""Zheng 2024, Figure 6 (the slides' figure on scaling): test accuracy by epoch.

Without norm, with TA-BN, and of the deepest nets of both.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.drawing.curves import draw_curves, over_epochs
from analysis.drawing.figure import Figure
from analysis.drawing.legend import legend_below
from analysis.drawing.shared import no_rows, panel_title
from analysis.drawing.style import FULL_INCHES, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.data import Data
from analysis.rows.frames import tuples
from analysis.zheng2024 import published_ends
from analysis.zheng2024.nets import LAYERS, draw_final, line_handles, marks, net_style

TEXT = (
    "Zheng 2024, Figure 6. Test accuracy on CIFAR-10 after each epoch, by the number of "
    "convolutions in the right-hand side: (a) without norm, (b) with TA-BN{deepest}. Each run "
    "that failed is a line of its own, dashed at its last value from where it failed; a cross on "
    "the axis: failed before its first score. Diamonds: published final values (Tables 1 and 4), "
    "filled like their line."
)
DEEP = ("cnn10", "cnn12", "unet18")
# Panel -> norms and nets. If a smaller scale lacks the deep ones, the third panel is left out.
PANEL_NETS = {
    "a": (("none",), tuple(LAYERS)),
    "b": (("ta_bn",), tuple(LAYERS)),
    "c": (("none", "ta_bn"), DEEP),
}
TITLES = {"a": "without norm", "b": "with TA-BN", "c": "10, 12 and 18 layers"}


def table(data: Data) -> pd.DataFrame:
    """norm, backbone and epoch with n, mean, low, high of the test accuracy.

    Failed runs are separate lines.
    """
    by = {"axis.model.norm": "norm", "axis.model.backbone": "backbone"}
    numbers = over_epochs(data, list(by)).rename(columns=by)
    return numbers.assign(end=numbers["epoch"].max())


def _panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """The third panel only where there are deep nets."""
    return 1, 3 if set(DEEP) & set(numbers["backbone"]) else 2


def _deepest(_data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    return {"deepest": ", (c) the deepest nets of both" if _panels(numbers) == (1, 3) else ""}


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Without norm, with TA-BN, both."""
    values = published_ends.cifar10()
    for index, (panel, ax) in enumerate(zip(PANEL_NETS, axes, strict=False)):
        norms, backbones = PANEL_NETS[panel]
        rows = numbers.loc[numbers["norm"].isin(norms) & numbers["backbone"].isin(backbones)]
        draw_curves(
            ax, rows, ["norm", "backbone"], lambda net: net_style(net["norm"], net["backbone"])
        ) if len(rows) else no_rows(ax)
        nets = dict.fromkeys(tuples(rows, "norm", "backbone"))
        draw_final(
            ax,
            [(net_style(*net)["color"], values[net]) for net in nets if net in values],
            numbers["end"].iloc[0],
        )
        panel_title(ax, index, TITLES[panel])
        ax.set_xlabel("epoch")
        ax.sharey(axes[0]) if index else None
    axes[0].set_ylabel("test accuracy on CIFAR-10")
    there = set(tuples(numbers, "norm", "backbone"))
    nets = [(norm, one) for norm in ("none", "ta_bn") for one in LAYERS if (norm, one) in there]
    legend_below(
        axes[0],
        [*line_handles(net_style(*net) for net in nets), *marks(numbers, published=True)],
        5,
    )


FIGURE = Figure(
    name="zheng2024/figure6",
    study="zheng2024/depth",
    needs=("epochs",),
    axes=("model.norm", "model.backbone"),
    numbers=table,
    text=TEXT,
    fields=_deepest,
    draw=draw,
    panels=_panels,
    size_inches=(FULL_INCHES, 2.9),
    chart=VegaChart(
        x="epoch",
        colour="norm",
        panel="backbone",
        where={"line": "mean"},
        titles={"mean": "test accuracy"},
    ),
)
