"""ENorm 2019, Figure 2: test accuracy of fully connected nets against their depth, one line per method."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis import published
from analysis.bars import draw_published
from analysis.data import Data
from analysis.enorm2019 import depths
from analysis.enorm2019.depths import (
    LAYERS,
    LOOKS,
    METHOD,
    SELECTION_TEXT,
    STUDY,
    accuracies,
    draw_depths,
    look,
)
from analysis.legend import handle, legend_below, published_handle
from analysis.style import FULL_INCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["STUDY"]

NAME = "enorm2019/figure2"
NEEDS = ("runs",)
PANELS = (1, 2)
SIZE_INCHES = (FULL_INCHES, 2.7)
METHODS = tuple(LOOKS)
CAPTION = (
    "ENorm 2019, Figure 2. Test accuracy on CIFAR-10 after the last epoch of fully connected nets without bias against the number of hidden layers "
    "p. {selection} {sources}"
)


def table(data: Data) -> pd.DataFrame:
    """Accuracy by selection of runs, method and number of hidden layers."""
    return accuracies(data.where({"method": METHODS}), METHODS)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    text = CAPTION.format(selection=SELECTION_TEXT, sources=published.sources(_published(numbers)))
    return depths.caption(text, data.where({"method": METHODS}), NEEDS, numbers)


def _published(numbers: pd.DataFrame) -> pd.DataFrame:
    known = published.values("enorm2019", "figure2")
    return known.loc[
        known["method"].isin(list(numbers[METHOD]))
        & known["layers"].astype(str).isin(list(numbers[LAYERS]))
    ]


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """One line per method."""
    present = {method: look(method) for method in METHODS if method in set(numbers[METHOD])}
    draw_depths(axes, numbers, present)
    known = _published(numbers)
    draw_published(axes[0], known["layers"], known["value"], label="_")
    marks = [handle(label=method, **properties) for method, properties in present.items()]
    legend_below(
        axes[0], [*marks, *([published_handle("published, ENorm + BN")] if len(known) else [])], 5
    )
