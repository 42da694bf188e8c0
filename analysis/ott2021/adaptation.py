"""Shared by Figure 5, Table 1 and the supplement of Ott 2021: what adaptation did during training, as curves over iterations."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from analysis.curves import over_epochs, summarise_at
from analysis.data import COMPLETED, Data

STUDY = "ott2021/adaptation"
SETS = {
    "sphere2": "Sphere2",
    "sphere3": "Sphere3",
    "sphere10": "Sphere10",
    "sphere900": "Sphere900",
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
}
# As the axis `pair` writes it: the solver of training, and the better one that checks it.
PAPERS_PAIR = "Euler, midpoint"
Transform = Callable[[pd.Series], pd.Series]
MEANS = ["n", "mean", "low", "high", "minimum", "maximum"]


def curves(data: Data, by: Sequence[str], quantities: Mapping[str, Transform]) -> pd.DataFrame:
    """Accuracy (quantity "accuracy") and series, averaged over the seeds of completed runs, by iteration; failed runs as lines of their own.

    by: columns axis.*; groups come in the plan's order. quantities: name of a series -> what to average.
    Columns: `by`, quantity, line, seed, iteration, n, mean, low, high, minimum, maximum, carried.
    """
    by = list(by)
    columns = [*by, "quantity", "line", "seed", "iteration", *MEANS, "carried"]
    parts = [over_epochs(data, by, x="iteration").assign(quantity="accuracy")]
    for quantity, transform in quantities.items():
        rows = data.with_run(data.series(quantity), "outcome")
        rows = rows.loc[rows["run.outcome"] == COMPLETED].dropna(subset=["value"])
        averaged = summarise_at(
            rows.assign(value=transform(rows["value"].astype(float))), by, "iteration", "value"
        )
        parts.append(averaged.assign(quantity=quantity, line="mean", carried=False))
    there = [part.dropna(axis="columns", how="all") for part in parts if len(part)]
    if not there:
        return pd.DataFrame(columns=columns)
    order = data.trials.filter(by).drop_duplicates().assign(place=lambda groups: range(len(groups)))
    numbers = pd.concat(there, ignore_index=True).reindex(columns=columns).merge(order, on=by)
    return numbers.sort_values(
        ["place", "quantity", "line", "seed", "iteration"], kind="stable", ignore_index=True
    ).drop(columns="place")


def as_it_is(values: pd.Series) -> pd.Series:
    """No transform."""
    return values
