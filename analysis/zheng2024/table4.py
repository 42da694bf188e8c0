"""Zheng 2024, Table 4: four norms under Euler and dopri5 on CIFAR-10, 8 layers."""

import pandas as pd

from analysis import published
from analysis.caption import compose
from analysis.cells import cells, planned_rows
from analysis.data import Data
from analysis.style import NORM_LABELS, SOLVER_LABELS
from analysis.zheng2024.parts import any_run

NAME = "zheng2024/table4"
STUDY = "zheng2024/table4"
NEEDS = ("runs",)
CAPTION = (
    "Zheng 2024, Table 4. Test accuracy on CIFAR-10 after the last epoch of nets of 8 convolutions, trained and tested under one solver. The paper "
    "does not say how many Euler steps; ours takes {steps}."
)
KEYS = {"axis.solver": "solver", "axis.model.norm": "norm"}


def table(data: Data) -> pd.DataFrame:
    """Solver and norm with n, mean, low, high, failed, missing, published and difference."""
    rows = planned_rows(data, "runs", "accuracy_test", "solver_steps")
    numbers = cells(rows, list(KEYS), "accuracy_test")
    if not any_run(numbers):
        return numbers.iloc[:0]
    numbers = numbers.merge(
        rows.groupby(list(KEYS), as_index=False).agg(solver_steps=("solver_steps", "max")),
        on=list(KEYS),
    )
    return published.compare(numbers, published.values("zheng2024", "table4"), KEYS)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    steps = numbers["solver_steps"].dropna().unique()
    text = CAPTION.format(steps=", ".join(f"{count:.0f}" for count in steps) or "none yet")
    return f"{compose(text, data, NEEDS, numbers.loc[:, 'n'])} {published.sources(numbers)}"


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per solver and norm."""
    return published.readable(
        numbers,
        {"axis.solver": "solver", "axis.model.norm": "normalization"},
        labels=NORM_LABELS | SOLVER_LABELS,
    )
