"""Zheng 2024, Figure 5.

Test accuracy by epoch of each norm on SVHN, CIFAR-100 and Tiny-ImageNet.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.caption import compose
from analysis.data import Data
from analysis.ink import panel_title
from analysis.legend import legend_below
from analysis.style import FULL_INCHES
from analysis.zheng2024 import curves_by_norm
from analysis.zheng2024.nets import line_handles, marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "zheng2024/figure5"
STUDY = curves_by_norm.STUDY
NEEDS = curves_by_norm.NEEDS
PANELS = (1, 3)
SIZE_INCHES = (FULL_INCHES, 2.5)
CAPTION = (
    "Zheng 2024, Figure 5. Test accuracy after each epoch, {nets}; mini-batch statistics also on "
    "the first 1,000 images (or on all, if fewer) in test batches of two. Each failed run is "
    "dashed at its last value from its failure on; a cross on the axis: failed before its first "
    "score. Diamonds: published final values (Table 1, 18 layers), filled with the colour of their "
    "line; for the net without norm on Tiny-ImageNet the paper reports a failure in the first "
    "epoch."
)
DATA = ("SVHN", "CIFAR-100", "Tiny-ImageNet")


def table(data: Data) -> pd.DataFrame:
    """axis.data, axis.norm, test_batch and epoch with n, mean, low, high of the test accuracy.

    Failed runs are separate lines.
    """
    return curves_by_norm.curves(data.where({"data": DATA}), "accuracy")


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    text = CAPTION.format(nets=curves_by_norm.nets_text(numbers))
    return compose(
        text, data.where({"data": DATA}), NEEDS, numbers.loc[numbers["line"] == "mean", "n"]
    )


def panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """One panel for each data set with data."""
    return 1, len(set(numbers["axis.data"]))


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """One panel for each data set."""
    there = [name for name in DATA if name in set(numbers["axis.data"])]
    for index, (ax, name) in enumerate(zip(axes, there, strict=True)):
        curves_by_norm.draw(ax, numbers, name)
        curves_by_norm.draw_published(ax, numbers, name)
        panel_title(ax, index, name)
    axes[0].set_ylabel("test accuracy")
    legend_below(
        axes[0], [*line_handles(curves_by_norm.looks(numbers)), *marks(numbers, published=True)], 4
    )
