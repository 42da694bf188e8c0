"""Gladzik 2019, table of experiment D2: QMNIST."""

import pandas as pd

from analysis.data import Data
from analysis.gladzik2019 import nets, quantities

NAME = "gladzik2019/d2"
STUDY = "gladzik2019/d2"
NEEDS = quantities.NEEDS
readable = quantities.readable


def table(data: Data) -> pd.DataFrame:
    """Per quantity and net: n, mean, low, high and what is published."""
    return quantities.table(data, nets.by_gradient, nets.DIRECT, "d2")


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return quantities.caption(data, numbers, "D2: QMNIST")
