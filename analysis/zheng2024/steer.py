"""STEER on CIFAR-10 by the half-width b of its random end time.

The paper that Zheng 2024 quotes does not give b for images.
"""

import pandas as pd

from analysis import published
from analysis.caption import compose
from analysis.cells import cells, interval, planned_rows
from analysis.data import Data
from analysis.zheng2024.parts import any_run

NAME = "zheng2024/steer"
STUDY = "zheng2024/steer"
NEEDS = ("runs",)
CAPTION = (
    "STEER (Ghosh et al. 2020) on CIFAR-10: test accuracy by the half-width b of the end time T ~ "
    "U(1 - b, 1 + b) in training. The b of the value {quoted:.3f} that Zheng 2024 quotes is "
    "unknown."
)
AXIS = "axis.model.steer"


def table(data: Data) -> pd.DataFrame:
    """Half-width with n, mean, low, high, failed, missing."""
    numbers = cells(planned_rows(data, "runs", "accuracy_test"), [AXIS], "accuracy_test")
    return numbers if any_run(numbers) else numbers.iloc[:0]


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    quoted = (
        published.values("zheng2024", "table1")
        .query("model == 'STEER' and data == 'CIFAR-10'")["value"]
        .iloc[0]
    )
    return compose(CAPTION.format(quoted=quoted), data, NEEDS, numbers.loc[:, "n"])


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per half-width."""
    return pd.DataFrame(
        [
            {"b": str(row[AXIS]), "accuracy ± 95 % interval (n)": interval(row)}
            for row in numbers.to_dict("records")
        ]
    )
