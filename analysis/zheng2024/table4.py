"""Zheng 2024, Table 4: four norms under Euler and dopri5 on CIFAR-10, 8 layers."""

import pandas as pd

from analysis import published
from analysis.caption import compose
from analysis.cells import cells
from analysis.data import Data
from analysis.style import NORM_LABELS, SOLVER_LABELS
from analysis.zheng2024.parts import VARIANT, any_run, beside_published, runs_of_both

NAME = "zheng2024/table4"
STUDY = "zheng2024/table4"
NEEDS = ("runs",)
CAPTION = (
    "Zheng 2024, Table 4. Test accuracy on CIFAR-10 after the last epoch of nets of 8 "
    "convolutions, trained and tested under one solver. The paper "
    "does not say how many Euler steps; ours takes {steps}. The released code takes 100."
)
KEYS = {"axis.solver": "solver", "axis.model.norm": "norm"}


def table(data: Data) -> pd.DataFrame:
    """Solver, norm and variant with numbers and published values.

    Numbers: n, mean, low, high, failed, missing, published and difference.
    """
    rows = runs_of_both(data, "accuracy_test", "solver_steps")
    by = [*KEYS, VARIANT]
    numbers = cells(rows, by, "accuracy_test")
    if not any_run(numbers):
        return numbers.iloc[:0]
    numbers = numbers.merge(
        rows.groupby(by, as_index=False).agg(solver_steps=("solver_steps", "max")), on=by
    )
    return beside_published(numbers, "table4", KEYS)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    steps = numbers.loc[numbers[VARIANT] == "printed", "solver_steps"].dropna().unique()
    text = CAPTION.format(steps=", ".join(f"{count:.0f}" for count in steps) or "none yet")
    return (
        f"{compose(text, data.with_variants, NEEDS, numbers.loc[:, 'n'])} "
        f"{published.sources(numbers)}"
    )


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per solver, norm and variant."""
    return published.readable(
        numbers,
        {"axis.solver": "solver", "axis.model.norm": "normalization", VARIANT: "variant"},
        labels=NORM_LABELS | SOLVER_LABELS,
    )
