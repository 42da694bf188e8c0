"""Gladzik 2019, table of experiment D4: Fashion-MNIST, one and two ODE blocks."""

import pandas as pd

from analysis.data import Data
from analysis.gladzik2019 import nets, quantities

NAME = "gladzik2019/d4"
STUDY = ("gladzik2019/d3", "gladzik2019/d4")
NEEDS = quantities.NEEDS
readable = quantities.readable


def table(data: Data) -> pd.DataFrame:
    """Per quantity and net: n, mean, low, high and what is published."""
    return quantities.table(data, nets.by_blocks, "1 block, without adjoint", "d4")


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return quantities.caption(data, numbers, "D4: Fashion-MNIST, one and two ODE blocks")
