"""ENorm 2019, Figure 3: test accuracy of fully connected nets with bias against their depth, beside those without."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.data import Data
from analysis.enorm2019 import depths
from analysis.enorm2019.depths import METHOD, SELECTION_TEXT, STUDY, accuracies, draw_depths, look
from analysis.legend import handle, legend_below
from analysis.style import FULL_INCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["STUDY"]

NAME = "enorm2019/figure3"
NEEDS = ("runs",)
PANELS = (1, 2)
SIZE_INCHES = (FULL_INCHES, 2.7)
# Without bias first, so that the subject is drawn over them.
METHODS = ("Baseline", "ENorm", "Baseline, bias", "ENorm, bias")
CAPTION = (
    "ENorm 2019, Figure 3. Test accuracy on CIFAR-10 after the last epoch of fully connected nets with bias (solid) against the number of hidden "
    "layers p, and without (dashed, pale). The report has ENorm with bias up to p = 9 only. {selection}"
)


def table(data: Data) -> pd.DataFrame:
    """Accuracy by selection of runs, method and number of hidden layers."""
    return accuracies(data.where({"method": METHODS}), METHODS)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return depths.caption(
        CAPTION.format(selection=SELECTION_TEXT), data.where({"method": METHODS}), NEEDS, numbers
    )


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """One line per method."""
    present = {
        method: look(method, beside_bias=True)
        for method in METHODS
        if method in set(numbers[METHOD])
    }
    draw_depths(axes, numbers, present)
    legend_below(
        axes[0],
        [
            handle(label=_label(method), **properties)
            for method, properties in reversed(present.items())
        ],
        4,
        handlelength=2.4,
    )


def _label(method: str) -> str:
    return (
        method.replace(", bias", " with bias") if method.endswith(", bias") else f"{method} without"
    )
