"""Gladzik 2019, Figure 5.9: accuracy by epoch of two more ODENets on CIFAR-100, 200 epochs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.data import Data
from analysis.gladzik2019 import by_epoch, nets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "gladzik2019/figure5_9"
STUDY = "gladzik2019/d8"
NEEDS, PANELS, SIZE_INCHES = by_epoch.NEEDS, by_epoch.PANELS, by_epoch.SIZE_INCHES


def table(data: Data) -> pd.DataFrame:
    """Accuracy in percent by panel, net and epoch."""
    return by_epoch.table(data, nets.by_optimizer)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return by_epoch.caption(
        data,
        numbers,
        "Figure 5.9, CIFAR-100, 200 epochs",
        "Which two nets the thesis means is not said; Adam with learning rate 0.1 is used here.",
    )


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """(a) training images, (b) test images."""
    by_epoch.draw(numbers, axes)
