"""Zheng 2024, Figures 8 and 9: test loss by epoch of each norm on four data sets."""

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

NAME = "zheng2024/figure8_9"
STUDY = curves_by_norm.STUDY
NEEDS = curves_by_norm.NEEDS
PANELS = (2, 2)
SIZE_INCHES = (FULL_INCHES, 4.4)
CAPTION = (
    "Zheng 2024, Figures 8 and 9. Test loss (cross-entropy, logarithmic axis) after each epoch, "
    "{nets}; mini-batch statistics also on the first 1,000 images (or on all, if fewer) in test "
    "batches of two. Each failed run is dashed at its last value from its failure on; a cross on "
    "the axis: failed before its first score."
)
DATA = ("CIFAR-10", "SVHN", "CIFAR-100", "Tiny-ImageNet")


def table(data: Data) -> pd.DataFrame:
    """axis.data, axis.norm, test_batch and epoch with n, mean, low, high of the test loss.

    Failed runs are separate lines.
    """
    return curves_by_norm.curves(data, "loss")


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    text = CAPTION.format(nets=curves_by_norm.nets_text(numbers))
    return compose(text, data, NEEDS, numbers.loc[numbers["line"] == "mean", "n"])


def _there(numbers: pd.DataFrame) -> list[str]:
    return [name for name in DATA if name in set(numbers["axis.data"])]


def panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """One panel for each data set with data, two in a row."""
    count = len(_there(numbers))
    return -(-count // 2), min(count, 2)


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """One panel for each data set."""
    there = _there(numbers)
    for index, (ax, name) in enumerate(zip(axes, there, strict=False)):
        # A logarithmic axis cannot show an interval that reaches zero. Its lower end is cut at the
        # smallest single value.
        rows = numbers.assign(
            low=numbers["low"].where(
                (numbers["low"] > 0) | numbers["low"].isna(), numbers["minimum"]
            )
        )
        curves_by_norm.draw(ax, rows, name)
        ax.set_yscale("log")
        panel_title(ax, index, name)
        ax.set_ylabel("test loss")
    for ax in axes[len(there) :]:
        ax.set_axis_off()
    legend_below(
        axes[0], [*line_handles(curves_by_norm.looks(numbers)), *marks(numbers, published=False)], 6
    )
