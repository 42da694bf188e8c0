"""Zheng 2024, Table 5: how fine TA-BN's grid of times is, on CIFAR-10, 8 layers."""

import pandas as pd

from analysis import published
from analysis.caption import compose
from analysis.cells import cells
from analysis.data import Data
from analysis.zheng2024.parts import VARIANT, any_run, beside_published, runs_of_both

NAME = "zheng2024/table5"
STUDY = "zheng2024/table5"
NEEDS = ("runs",)
CAPTION = (
    "Zheng 2024, Table 5. Test accuracy on CIFAR-10 after the last epoch of nets of 8 convolutions "
    "with TA-BN on a grid of M intervals."
)
AXIS = "axis.model.norm.grid_size"


def table(data: Data) -> pd.DataFrame:
    """Grid size and variant with n, mean, low, high, failed, missing, published and difference."""
    numbers = cells(runs_of_both(data, "accuracy_test"), [AXIS, VARIANT], "accuracy_test")
    if not any_run(numbers):
        return numbers.iloc[:0]
    return beside_published(numbers, "table5", {AXIS: "grid_size"})


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return (
        f"{compose(CAPTION, data.with_variants, NEEDS, numbers.loc[:, 'n'])} "
        f"{published.sources(numbers)}"
    )


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per grid size and variant."""
    return published.readable(numbers, {AXIS: "M", VARIANT: "variant"})
