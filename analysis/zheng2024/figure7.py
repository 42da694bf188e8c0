"""Zheng 2024, Figure 7: test accuracy on CIFAR-10 by epoch.

TA-BN with four interpolations between its times.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.caption import compose
from analysis.curves import draw_curves
from analysis.data import Data
from analysis.legend import legend_below
from analysis.style import COLUMN_INCHES
from analysis.zheng2024 import interpolations
from analysis.zheng2024.nets import layers_text, line_handles, marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "zheng2024/figure7"
STUDY = interpolations.STUDY
NEEDS = ("epochs",)
PANELS = (1, 1)
SIZE_INCHES = (COLUMN_INCHES, 2.6)
CAPTION = (
    "Zheng 2024, Figure 7. Test accuracy on CIFAR-10 after each epoch of nets of {nets} with "
    "TA-BN, by its interpolation between the times of its grid. Colours stand for interpolations, "
    "not norms."
)


def _used(data: Data) -> Data:
    return data.where({"data": "CIFAR-10"})


def table(data: Data) -> pd.DataFrame:
    """Interpolation and epoch with n, mean, low, high of the test accuracy.

    Failed runs are separate lines.
    """
    return interpolations.curves(_used(data))


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    text = CAPTION.format(
        nets=" and ".join(layers_text(one) for one in numbers[interpolations.BACKBONE].unique())
    )
    return compose(text, _used(data), NEEDS, numbers.loc[numbers["line"] == "mean", "n"])


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """One line per interpolation."""
    (ax,) = axes
    draw_curves(ax, numbers, [interpolations.AXIS], interpolations.look_of)
    ax.set_xlabel("epoch")
    ax.set_ylabel("test accuracy on CIFAR-10")
    present = [name for name in interpolations.LABELS if name in set(numbers[interpolations.AXIS])]
    legend_below(
        ax,
        [
            *line_handles(interpolations.look(name) for name in present),
            *marks(numbers, published=False),
        ],
        4,
    )
