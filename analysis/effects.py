"""Statistics that claims are made of: means, paired differences, orders and shares, each as an Estimate."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pandas as pd

from analysis.cells import difference
from analysis.claims import Estimate
from analysis.data import AXIS, COMPLETED, label
from analysis.stats import clopper_pearson, t_interval

NOTHING = Estimate(math.nan, math.nan, math.nan, 0)


def at(rows: pd.DataFrame, axes: Mapping[str, object]) -> pd.DataFrame:
    """The planned rows at these values: axis -> a value or a tuple of values; a name with a dot in front, such as test.solver, is a column."""
    for axis, wanted in axes.items():
        labels = [label(value) for value in (wanted if isinstance(wanted, tuple) else (wanted,))]
        rows = rows.loc[rows[axis if axis in rows else AXIS + axis].astype(str).isin(labels)]
    return rows


def mean(rows: pd.DataFrame, value: str, unit: str = "") -> Estimate:
    """Mean of `value` over the seeds of the completed ones among planned `rows`, with the Student t interval; several rows of a seed count once."""
    done = rows.loc[rows["outcome"] == COMPLETED].dropna(subset=[value])
    if not len(done):
        return NOTHING._replace(unit=unit)
    seeds = done.astype({value: float}).groupby("seed")[value].mean()
    return Estimate(float(seeds.mean()), *t_interval(seeds), len(seeds), unit)


def paired(
    first: pd.DataFrame, second: pd.DataFrame, value: str, apart: Sequence[str], unit: str = ""
) -> Estimate:
    """Mean over seeds of `value` of `first` minus `second` with the paired t interval; see `cells.difference`. apart: axes on which they differ."""
    return mean(
        difference(
            first,
            second,
            value,
            [name if "." in name and name in first else AXIS + name for name in apart],
        ),
        value,
        unit,
    )


def order(
    rows: pd.DataFrame, value: str, axis: str, labels: Sequence[str], unit: str = ""
) -> dict[str, Estimate]:
    """For labels from best to worst: each neighbour's advantage over the next. All above 0 is the whole order, as "better than" is transitive."""
    pairs = pairwise(labels)
    return {
        f"{better} - {worse}": paired(
            at(rows, {axis: better}), at(rows, {axis: worse}), value, [axis], unit
        )
        for better, worse in pairs
    }


def best(
    rows: pd.DataFrame, value: str, axis: str, winner: str, unit: str = ""
) -> dict[str, Estimate]:
    """The advantage of one label over each other label of the axis."""
    others = [one for one in dict.fromkeys(rows[AXIS + axis]) if one and one != winner]
    return {
        f"{winner} - {other}": paired(
            at(rows, {axis: winner}), at(rows, {axis: other}), value, [axis], unit
        )
        for other in others
    }


def failed_share(rows: pd.DataFrame) -> Estimate:
    """Share of planned runs with a row that diverged or whose solver failed, with its Clopper-Pearson interval; n counts runs."""
    known = rows.loc[rows["outcome"] != "missing"]
    return share(int((known["outcome"] != COMPLETED).sum()), len(known), "of runs")


def share(count: int, n: int, unit: str = "") -> Estimate:
    """`count` of n with its Clopper-Pearson interval."""
    return (
        Estimate(count / n, *clopper_pearson(count, n), n, unit)
        if n
        else NOTHING._replace(unit=unit)
    )


def exact(value: float, n: int, unit: str = "") -> Estimate:
    """A number without uncertainty, such as a count of evaluations or a difference that has to be zero to the bit."""
    return Estimate(value, value, value, n, unit)
