"""Gladzik 2019, Figure 5.8: accuracy by epoch of ODENets with SGD and Adam and residual nets on CIFAR-100."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.data import Data
from analysis.gladzik2019 import by_epoch, nets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "gladzik2019/figure5_8"
STUDY = ("gladzik2019/d7", "gladzik2019/d7-adam")
NEEDS, PANELS, SIZE_INCHES = by_epoch.NEEDS, by_epoch.PANELS, by_epoch.SIZE_INCHES


def table(data: Data) -> pd.DataFrame:
    """Accuracy in percent by panel, net and epoch."""
    return by_epoch.table(data, nets.by_optimizer)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return by_epoch.caption(
        data,
        numbers,
        "Figure 5.8, CIFAR-100",
        "Adam with learning rate 0.1 is the thesis'; Adam 1e-3 is ours, with a learning rate that trains.",
    )


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """(a) training images, (b) test images."""
    by_epoch.draw(numbers, axes)
