"""Each difference between Zheng 2024's paper and released code, alone: CNN-6 on CIFAR-10."""

from typing import Any

import pandas as pd

from analysis.drawing.figure import Table
from analysis.rows.cells import cells, difference, interval, or_nothing, planned_rows
from analysis.rows.data import Data

START, QUIRK = "axis.start", "axis.quirk"
TEXT = (
    "Zheng 2024, what each difference between paper and released code is worth: CNN-6 with TA-BN "
    "on CIFAR-10, test accuracy after the last epoch. Left the printed form plus one difference, "
    "right the released form without one; change: against the form itself, paired by seed."
)
WORDS = {
    "none": "the form itself",
    "layout": "first and last convolution with stride 1",
    "last_norm": "norm after the last layer of f",
    "last_relu": "ReLU after the last layer of f",
    "head_norm": "batch norm in the head",
    "head_dropout": "dropout in the head",
    "mirrored": "TA-BN's interpolation mirrored",
    "half_open_grid": "no grid point at t = 1",
    "skip_first_visit": "first visit of a grid point updates nothing",
    "backward_updates": "statistics updated in the backward solve",
    "penalty": "penalty 0.1, mean over channels",
    "weight_decay": "weight decay 0.02 on everything",
    "schedule": "a tenth of the rate from half of the epochs on",
    "clips": "three clips of the gradient",
    "erasing": "random erasing",
    "standardization": "ImageNet's mean and deviation",
    "euler_fallback": "failed solves repeated with Euler",
}


def table(data: Data) -> pd.DataFrame:
    """Start and quirk with n, mean, low, high, failed, missing.

    The same as change_* against the form itself.
    """
    rows = planned_rows(data, "runs", "accuracy_test")
    numbers = or_nothing(cells(rows, [START, QUIRK], "accuracy_test"))
    if not len(numbers):
        return numbers
    itself = rows.loc[rows[QUIRK] == "none"]
    others = rows.loc[rows[QUIRK] != "none"]
    changes = [
        cells(
            difference(part, itself, "accuracy_test", apart=(QUIRK,))
            .rename(columns={"accuracy_test": "change"})
            .assign(**{QUIRK: quirk}),
            [START, QUIRK],
            "change",
        )
        for quirk, part in others.groupby(QUIRK, sort=False)
    ]
    renamed = pd.concat(changes, ignore_index=True) if changes else numbers.iloc[:0]
    names = {name: f"change_{name}" for name in renamed.columns if name not in (START, QUIRK)}
    return numbers.merge(renamed.rename(columns=names), on=[START, QUIRK], how="left")


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per difference: both ways with accuracy and change."""
    cells_of = {(row[START], row[QUIRK]): row for row in numbers.to_dict("records")}
    titles = {"printed": "printed + this", "released": "released - this"}
    shown = []
    for quirk in dict.fromkeys(numbers[QUIRK]):
        line = {"difference": WORDS.get(quirk, quirk)}
        for start, title in titles.items():
            row = cells_of.get((start, quirk))
            line[f"{title} (n)"] = interval(row) if row else "-"
            line[f"change, {title}"] = _change(row)
        shown.append(line)
    return pd.DataFrame(shown)


def _change(row: Any) -> str:
    if not row or row["change_n"] != row["change_n"] or not row["change_n"]:
        return "-"
    mean = row["change_mean"]
    half = max(row["change_high"] - mean, mean - row["change_low"])
    return f"{mean:+.3f}" + (f" ± {half:.3f}" if row["change_n"] > 2 else "")


TABLE = Table(
    name="zheng2024/quirks",
    study="zheng2024/quirks",
    axes=("start", "quirk"),
    numbers=table,
    text=TEXT,
    readable=readable,
)
