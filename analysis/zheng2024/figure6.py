"""Zheng 2024, Figure 6 (the slides' figure on scaling): test accuracy by epoch.

Without norm, with TA-BN, and of the deepest nets of both.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.caption import compose
from analysis.curves import draw_curves, over_epochs
from analysis.data import Data
from analysis.ink import no_rows, panel_title
from analysis.legend import legend_below
from analysis.style import FULL_INCHES
from analysis.zheng2024 import known
from analysis.zheng2024.nets import LAYERS, draw_final, line_handles, marks, net_look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "zheng2024/figure6"
STUDY = "zheng2024/depth"
NEEDS = ("epochs",)
PANELS = (1, 3)
SIZE_INCHES = (FULL_INCHES, 2.9)
CAPTION = (
    "Zheng 2024, Figure 6. Test accuracy on CIFAR-10 after each epoch, by the number of "
    "convolutions in the right-hand side: (a) without norm, (b) with TA-BN{deepest}. Each failed "
    "run is a separate line, dashed at its last value from its failure on; a cross on the axis: "
    "failed before its first score. Diamonds: published final values (Tables 1 and 4), filled with "
    "the colour of their line."
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


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    deepest = ", (c) the deepest nets of both" if panels(numbers) == PANELS else ""
    return compose(
        CAPTION.format(deepest=deepest), data, NEEDS, numbers.loc[numbers["line"] == "mean", "n"]
    )


def panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """The third panel only if there are deep nets."""
    return 1, 3 if set(DEEP) & set(numbers["backbone"]) else 2


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """Without norm, with TA-BN, both."""
    values = known.cifar10()
    for index, (panel, ax) in enumerate(zip(PANEL_NETS, axes, strict=False)):
        norms, backbones = PANEL_NETS[panel]
        rows = numbers.loc[numbers["norm"].isin(norms) & numbers["backbone"].isin(backbones)]
        draw_curves(
            ax, rows, ["norm", "backbone"], lambda net: net_look(net["norm"], net["backbone"])
        ) if len(rows) else no_rows(ax)
        nets = (
            rows.filter(["norm", "backbone"]).drop_duplicates().itertuples(index=False, name=None)
        )
        draw_final(
            ax,
            [(net_look(*net)["color"], values[net]) for net in nets if net in values],
            numbers["end"].iloc[0],
        )
        panel_title(ax, index, TITLES[panel])
        ax.set_xlabel("epoch")
        ax.sharey(axes[0]) if index else None
    axes[0].set_ylabel("test accuracy on CIFAR-10")
    there = set(numbers.filter(["norm", "backbone"]).itertuples(index=False, name=None))
    nets = [(norm, one) for norm in ("none", "ta_bn") for one in LAYERS if (norm, one) in there]
    legend_below(
        axes[0], [*line_handles(net_look(*net) for net in nets), *marks(numbers, published=True)], 5
    )
