"""Zheng 2024, Table 2: three families of neural ODEs with and without TA-BN on CIFAR-10."""

import pandas as pd

from analysis import published
from analysis.caption import compose
from analysis.cells import cells, planned_rows
from analysis.data import Data
from analysis.style import NORM_LABELS
from analysis.zheng2024.parts import any_run

NAME = "zheng2024/table2"
STUDY = "zheng2024/table2"
NEEDS = ("runs",)
CAPTION = "Zheng 2024, Table 2. Test accuracy on CIFAR-10 after the last epoch of three families with 6 convolutions, with and without TA-BN."
KEYS = {"axis.family": "family", "axis.model.norm": "norm"}


def table(data: Data) -> pd.DataFrame:
    """Family and norm with n, mean, low, high, failed, missing, published and difference."""
    numbers = cells(planned_rows(data, "runs", "accuracy_test"), list(KEYS), "accuracy_test")
    if not any_run(numbers):
        return numbers.iloc[:0]
    return published.compare(numbers, published.values("zheng2024", "table2"), KEYS)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return f"{compose(CAPTION, data, NEEDS, numbers.loc[:, 'n'])} {published.sources(numbers)}"


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per family and norm."""
    return published.readable(
        numbers, {"axis.family": "family", "axis.model.norm": "normalization"}, labels=NORM_LABELS
    )
