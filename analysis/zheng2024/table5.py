"""Zheng 2024, Table 5: how fine TA-BN's grid of times is, on CIFAR-10, 8 layers."""

import pandas as pd

from analysis import published
from analysis.caption import compose
from analysis.cells import cells, planned_rows
from analysis.data import Data
from analysis.zheng2024.parts import any_run

NAME = "zheng2024/table5"
STUDY = "zheng2024/table5"
NEEDS = ("runs",)
CAPTION = "Zheng 2024, Table 5. Test accuracy on CIFAR-10 after the last epoch of nets of 8 convolutions with TA-BN on a grid of M intervals."
AXIS = "axis.model.norm.grid_size"


def table(data: Data) -> pd.DataFrame:
    """Grid size with n, mean, low, high, failed, missing, published and difference."""
    numbers = cells(planned_rows(data, "runs", "accuracy_test"), [AXIS], "accuracy_test")
    if not any_run(numbers):
        return numbers.iloc[:0]
    return published.compare(numbers, published.values("zheng2024", "table5"), {AXIS: "grid_size"})


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return f"{compose(CAPTION, data, NEEDS, numbers.loc[:, 'n'])} {published.sources(numbers)}"


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per grid size."""
    return published.readable(numbers, {AXIS: "M"})
