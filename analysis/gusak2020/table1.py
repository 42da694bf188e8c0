"""Gusak 2020, Table 1: accuracy of ODENet10 by the normalization of its ODE blocks.

Also of ResNet10, and the text's two comparisons.
"""

import pandas as pd

from analysis import published
from analysis.drawing.figure import Table
from analysis.rows.cells import STATISTICS, cells, interval, or_nothing, planned_rows
from analysis.rows.data import Data

NET = "axis.net"
TEXT = (
    "Gusak 2020, Table 1. Test accuracy on CIFAR-10 of ODENet10, trained with 8 Euler steps, batch "
    "norm outside the ODE blocks unless stated otherwise. NF: no normalization. Best: over all "
    "epochs, on the test set, as the authors' code prints it; we assume that the published values "
    "are these. Last: after the last epoch. {sources}"
)
LABELS = {
    "BN": "ODENet10, BN in the ODE blocks",
    "WN": "ODENet10, WN in the ODE blocks",
    "SN": "ODENet10, SN in the ODE blocks",
    "NF": "ODENet10, NF in the ODE blocks",
    "LN": "ODENet10, LN in the ODE blocks",
    "ResNet10": "ResNet10, BN",
    "LN, NF outside": "ODENet10, LN in the ODE blocks, NF outside",
    "NF everywhere": "ODENet10, NF everywhere",
}


def table(data: Data) -> pd.DataFrame:
    """Net with n, mean, low, high, ... of the best accuracy, published and difference.

    last_*: of the accuracy after the last epoch.
    """
    numbers = best_and_last(data, [NET])
    return (
        published.compare(numbers, published.values("gusak2020", "table1"), {NET: "net"})
        if len(numbers)
        else numbers
    )


def best_and_last(data: Data, by: list[str]) -> pd.DataFrame:
    """`cells` of the best accuracy over epochs, and with the prefix last_ of the last epoch's.

    Empty without rows.
    """
    rows = planned_rows(data, "runs", "accuracy_test_best", "accuracy_test")
    best, last = (cells(rows, by, value) for value in ("accuracy_test_best", "accuracy_test"))
    last = last.filter([*by, *STATISTICS[1:]])
    numbers = best.merge(
        last.rename(columns={name: f"last_{name}" for name in last.columns if name not in by}),
        on=by,
    )
    return or_nothing(numbers)


def last_words(numbers: pd.DataFrame) -> list[str]:
    """The cells of the last epoch as printed."""
    return [
        interval(row | {name: row[f"last_{name}"] for name in STATISTICS[1:]})
        for row in numbers.to_dict("records")
    ]


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per net."""
    shown = published.readable(numbers, {NET: "net"}, labels=LABELS).rename(
        columns={"ours ± 95 % interval (n)": "ours, best ± 95 % interval (n)"}
    )
    return shown.assign(**{"ours, last epoch": last_words(numbers)})


TABLE = Table(
    name="gusak2020/table1",
    study="gusak2020/table1",
    axes=("net",),
    numbers=table,
    text=TEXT,
    readable=readable,
)
