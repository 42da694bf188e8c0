"""Gladzik 2019, table of experiment D7: CIFAR-100."""

import pandas as pd

from analysis.data import Data
from analysis.gladzik2019 import nets, quantities

NAME = "gladzik2019/d7"
STUDY = ("gladzik2019/d7", "gladzik2019/d7-adam")
NEEDS = quantities.NEEDS
readable = quantities.readable


def table(data: Data) -> pd.DataFrame:
    """Per quantity and net: n, mean, low, high and what is published."""
    return quantities.table(data, nets.by_optimizer, "ODENet without adjoint, SGD", "d7")


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return quantities.caption(
        data, numbers, "D7: CIFAR-100 (Adam 1e-3 is ours, with a learning rate that trains)"
    )
