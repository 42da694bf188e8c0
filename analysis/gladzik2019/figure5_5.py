"""Gladzik 2019, Figure 5.5: accuracy by epoch of ResNet2 against the ODENet trained by the adjoint, on Fashion-MNIST."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.data import Data
from analysis.gladzik2019 import by_epoch, nets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "gladzik2019/figure5_5"
STUDY = "gladzik2019/d3"
NEEDS, PANELS, SIZE_INCHES = by_epoch.NEEDS, by_epoch.PANELS, by_epoch.SIZE_INCHES


def _either(study: str, axes: Mapping[str, str]) -> str:
    net = nets.by_net(study, axes)
    return net if net in ("ResNet2", nets.ADJOINT) else ""


def table(data: Data) -> pd.DataFrame:
    """Accuracy in percent by panel, net and epoch."""
    return by_epoch.table(data, _either)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return by_epoch.caption(
        data,
        numbers,
        "Figure 5.5, Fashion-MNIST, the smallest residual net against the ODENet trained by the adjoint",
    )


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """(a) training images, (b) test images."""
    by_epoch.draw(numbers, axes)
