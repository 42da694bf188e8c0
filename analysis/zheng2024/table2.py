"""Zheng 2024, Table 2: three families of neural ODEs with and without TA-BN on CIFAR-10."""

import pandas as pd

from analysis import published
from analysis.caption import compose
from analysis.cells import cells
from analysis.data import Data
from analysis.style import NORM_LABELS
from analysis.zheng2024.parts import VARIANT, any_run, beside_published, runs_of_both

NAME = "zheng2024/table2"
STUDY = "zheng2024/table2"
NEEDS = ("runs",)
CAPTION = (
    "Zheng 2024, Table 2. Test accuracy on CIFAR-10 after the last epoch of three families, with "
    "and "
    "without TA-BN: as printed with 6 convolutions, as released with the U-Net of 18."
)
KEYS = {"axis.family": "family", "axis.model.norm": "norm"}


def table(data: Data) -> pd.DataFrame:
    """Family, norm and variant with numbers and published values.

    Numbers: n, mean, low, high, failed, missing, published and difference.
    """
    numbers = cells(runs_of_both(data, "accuracy_test"), [*KEYS, VARIANT], "accuracy_test")
    if not any_run(numbers):
        return numbers.iloc[:0]
    return beside_published(numbers, "table2", KEYS)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return (
        f"{compose(CAPTION, data.with_variants, NEEDS, numbers.loc[:, 'n'])} "
        f"{published.sources(numbers)}"
    )


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per family, norm and variant."""
    return published.readable(
        numbers,
        {"axis.family": "family", "axis.model.norm": "normalization", VARIANT: "variant"},
        labels=NORM_LABELS,
    )
