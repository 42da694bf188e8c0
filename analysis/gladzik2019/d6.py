"""Gladzik 2019, table of experiment D6: CIFAR-10, tighter tolerances."""

import pandas as pd

from analysis.data import Data
from analysis.gladzik2019 import nets, quantities

NAME = "gladzik2019/d6"
STUDY = "gladzik2019/d6"
NEEDS = quantities.NEEDS
readable = quantities.readable


def table(data: Data) -> pd.DataFrame:
    """Per quantity and net: n, mean, low, high and what is published."""
    return quantities.table(data, nets.by_tolerance, "tolerance 1e-04", "d6")


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return quantities.caption(
        data,
        numbers,
        "D6: CIFAR-10, tighter tolerances (the thesis does not say which gradient; the adjoint here)",
    )
