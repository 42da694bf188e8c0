"""Gladzik 2019, Figure 5.4: accuracy by epoch of one and two ODE blocks on Fashion-MNIST."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.data import Data
from analysis.gladzik2019 import by_epoch, nets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "gladzik2019/figure5_4"
STUDY = ("gladzik2019/d3", "gladzik2019/d4")
NEEDS, PANELS, SIZE_INCHES = by_epoch.NEEDS, by_epoch.PANELS, by_epoch.SIZE_INCHES


def table(data: Data) -> pd.DataFrame:
    """Accuracy in percent by panel, net and epoch."""
    return by_epoch.table(data, nets.by_blocks)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return by_epoch.caption(data, numbers, "Figure 5.4, Fashion-MNIST, one and two ODE blocks")


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """(a) training images, (b) test images."""
    by_epoch.draw(numbers, axes)
