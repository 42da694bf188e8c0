"""Statistics as data: each is a value that turns planned rows with a number into estimates.

Statistics act on rows with the columns seed, outcome, axis.* and `value`; see `Quantity`. Only
completed rows count, except in `Share`. A mapping from names to statistics is a statistic of
several parts.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from analysis.rows.cells import MISSING, alone, difference, planned_rows
from analysis.rows.data import AXIS, COMPLETED, KEY, Data
from analysis.rows.stats import (
    ANYWHERE,
    SHARE,
    Ends,
    clopper_pearson,
    ends,
    limited,
    sign_flip_p,
    t_interval,
)

VALUE = "value"
Where = Mapping[str, Any]


class Estimate(NamedTuple):
    """A number with its 95 % interval (NaN where there is none) and the n behind it.

    sample: the values of the seeds, whose mean it is, with their monotone `functions` to apply to
    that mean. successes: of a share. Without sample and successes the number has no uncertainty.
    superiority: of a comparison, the share of pairs in which the first is larger, P(A > B); a tie
    counts half (Vargha and Delaney 2000, J. Educ. Behav. Stat. 25). kind: what the mean is of the
    rows' values: "value", "difference" or "size" of one; empty for all else.
    """

    value: float
    low: float
    high: float
    n: int
    unit: str = ""
    sample: tuple[float, ...] = ()
    functions: tuple[Callable[[float], float], ...] = ()
    successes: int | None = None
    superiority: float = math.nan
    kind: str = ""

    def limited(self, ends: Ends) -> "Estimate":
        """With the interval as far as the number can lie there, for rows' values between `ends`."""
        span = ends[1] - ends[0]
        kinds = {"value": ends, "difference": (-span, span), "size": (0.0, span)}
        if self.kind not in kinds:
            return self
        first, last = kinds[self.kind]
        for function in self.functions:
            first, last = sorted((function(first), function(last)))
        low, high = limited(self.low, self.high, (first, last))
        return self._replace(low=low, high=high)

    def mapped(self, function: Callable[[float], float]) -> "Estimate":
        """The estimate of a monotone function of the number."""
        low, high = sorted((function(self.low), function(self.high)))
        functions = (*self.functions, function)
        return self._replace(value=function(self.value), low=low, high=high, functions=functions)

    def interval(self, level: float) -> tuple[float, float]:
        """The interval at another level: Student t, or Clopper and Pearson for a share."""
        if self.successes is not None:
            return clopper_pearson(self.successes, self.n, level)
        low, high = t_interval(self.sample, level) if self.sample else (self.low, self.high)
        for function in self.functions if self.sample else ():
            low, high = sorted((function(low), function(high)))
        return low, high

    def sign_flip_p(self, threshold: float, sign: int) -> float:
        """One-sided p of the sign-flip test; see `stats.sign_flip_p`.

        sign: 1 for "above the threshold", -1 for below. NaN without a sample.
        """
        sample = np.array(self.sample)
        for function in self.functions:
            sample = np.array([function(value) for value in sample])
        return sign_flip_p(sign * (sample - threshold)) if len(sample) else math.nan


NOTHING = Estimate(math.nan, math.nan, math.nan, 0)
Estimates = dict[str, Estimate]
Statistic = Callable[[pd.DataFrame], "Estimate | Estimates"]
Statistics = Statistic | Mapping[str, Statistic]


class Quantity(NamedTuple):
    """A number of planned rows.

    rows: the planned rows, with the number in `column`. needs: as a figure's. within: where it
    lies, if its column does not say so.
    """

    rows: Callable[[Data], pd.DataFrame]
    column: str = VALUE
    needs: tuple[str, ...] = ("runs",)
    unit: str = ""
    within: Ends = ANYWHERE

    @property
    def ends(self) -> Ends:
        """Where the number lies."""
        return ends(self.column) if self.within == ANYWHERE else self.within

    def of(self, data: Data) -> pd.DataFrame:
        """The planned rows with the number in the column `value`."""
        return self.rows(data).assign(**{VALUE: lambda rows: rows[self.column].astype(float)})


def of_runs(column: str, *others: str) -> Quantity:
    """A column of the table of runs. others: columns that go with it."""
    return Quantity(lambda data: planned_rows(data, "runs", column, *others), column)


def costs(data: Data) -> pd.DataFrame:
    """Planned runs with train_seconds and peak_memory_bytes.

    train_seconds is NaN if others shared the machine or the run was resumed, peak_memory_bytes is
    NaN on a CPU.
    """
    numbers = ("train_seconds", "timing_valid", "peak_memory_bytes", "device")
    rows = planned_rows(data, "runs", *numbers)
    on_device = [not str(device).startswith("cpu") for device in rows["device"]]
    return rows.assign(
        train_seconds=rows["train_seconds"].where(alone(rows)),
        peak_memory_bytes=rows["peak_memory_bytes"].where(on_device),
    )


def runs_with(data: Data, values: pd.DataFrame) -> pd.DataFrame:
    """Planned runs with numbers of their own. values: study, trial_id and the numbers."""
    return planned_rows(data, "runs").merge(values, on=KEY, how="left")


def estimates(statistic: Statistics, rows: pd.DataFrame) -> Estimates:
    """The estimates by the names of their parts; the name of a single number is empty."""
    if not isinstance(statistic, Mapping):
        found = statistic(rows)
        return {"": found} if isinstance(found, Estimate) else found
    return {
        ": ".join(filter(None, (name, inner))): estimate
        for name, part in statistic.items()
        for inner, estimate in estimates(part, rows).items()
    }


def at(rows: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows at these values: a column or an axis -> a value or a tuple of values.

    No row is at an axis that no study here has.
    """
    for name, wanted in where.items():
        values = list(wanted) if isinstance(wanted, tuple) else [wanted]
        column = _column(rows, name)
        rows = rows.loc[rows[column].isin(values) if column in rows else []]
    return rows


def _column(rows: pd.DataFrame, name: str) -> str:
    return name if name in rows else AXIS + name


def _labels(rows: pd.DataFrame, axis: str) -> list[Any]:
    column = _column(rows, axis)
    return [name for name in dict.fromkeys(rows[column]) if name != ""] if column in rows else []


def mean(rows: pd.DataFrame) -> Estimate:
    """Mean over seeds with its Student t interval; several rows of a seed count once."""
    done = rows.loc[rows["outcome"] == COMPLETED].dropna(subset=[VALUE])
    if not len(done):
        return NOTHING
    seeds = done.astype({VALUE: float}).groupby("seed")[VALUE].mean()
    sample = tuple(map(float, seeds))
    return Estimate(
        float(seeds.mean()), *t_interval(seeds), len(seeds), sample=sample, kind="value"
    )


def exact(rows: pd.DataFrame) -> Estimate:
    """A number without uncertainty, such as one that is zero to the bit.

    Of several seeds the mean.
    """
    number = mean(rows)
    return number._replace(low=number.value, high=number.value, sample=())


@dataclass(frozen=True)
class Difference:
    """Mean of the rows at `first` minus that of the equal rows at `second`.

    Equal rows have the same study, seed and other axes, except `apart`. The interval is the paired
    t interval. size: the mean of the differences' absolute values. equal: what `combine` gives for
    two equal values.
    """

    first: Where
    second: Where
    apart: tuple[str, ...] = ()
    size: bool = False
    combine: ClassVar[Callable[[Any, Any], Any]] = np.subtract
    equal: ClassVar[float] = 0.0

    def __call__(self, rows: pd.DataFrame) -> Estimate:
        """Of these rows."""
        apart = [_column(rows, name) for name in (*self.first, *self.second, *self.apart)]
        pairs = difference(
            at(rows, self.first), at(rows, self.second), VALUE, apart, type(self).combine
        )
        if self.size:
            return mean(pairs.assign(**{VALUE: pairs[VALUE].abs()}))._replace(kind="size")
        values = pairs.loc[pairs["outcome"] == COMPLETED, VALUE].dropna() - type(self).equal
        larger = float((np.sign(values).mean() + 1) / 2)
        kind = "difference" if type(self) is Difference else ""
        return mean(pairs)._replace(superiority=larger, kind=kind)


class Ratio(Difference):
    """Mean ratio of the rows at `first` to those at `second`, paired as in `Difference`."""

    combine = np.divide
    equal = 1.0

    def __call__(self, rows: pd.DataFrame) -> Estimate:
        """Of these rows."""
        return super().__call__(rows)._replace(unit="times")


class Excess(Difference):
    """Geometric mean of the ratio of the rows at `first` to those at `second`, minus 1."""

    combine = lambda first, second: np.log(first) - np.log(second)  # noqa: E731

    def __call__(self, rows: pd.DataFrame) -> Estimate:
        """Of these rows."""
        return super().__call__(rows).mapped(math.expm1)


@dataclass(frozen=True)
class Share:
    """Share of the runs with a row that ended in `outcome`, with its Clopper-Pearson interval.

    N counts runs.

    outcome: empty for every one but completed. among: only runs that ended in one of these.
    """

    outcome: str = ""
    among: tuple[str, ...] = ()
    unit: str = "of runs"

    def __call__(self, rows: pd.DataFrame) -> Estimate:
        """Of these rows."""
        outcomes = [str(one) for one in rows["outcome"]]
        known = [one for one in outcomes if one in (self.among or {*outcomes} - {MISSING})]
        if not (n := len(known)):
            return NOTHING._replace(unit=self.unit)
        count = sum(one == self.outcome if self.outcome else one != COMPLETED for one in known)
        return Estimate(count / n, *clopper_pearson(count, n), n, self.unit, successes=count)


@dataclass(frozen=True)
class InOrder:
    """Mean over seeds of the share of labels at which each pair has its first above its second.

    The labels are those of the axis `over`. pairs: labels of `axis`. Labels of `over` at which a
    run failed do not count, nor do seeds that lack a row.
    """

    over: str
    axis: str
    pairs: tuple[tuple[str, str], ...]

    def __call__(self, rows: pd.DataFrame) -> Estimate:
        """Of these rows."""
        lacking = rows.loc[rows["outcome"] == MISSING, "seed"]
        done = rows.loc[(rows["outcome"] == COMPLETED) & ~rows["seed"].isin(lacking)]
        by = ["seed", _column(rows, self.over)]
        table = done.pivot_table(index=by, columns=_column(rows, self.axis), values=VALUE)
        table = table.reindex(columns=list(dict.fromkeys(sum(self.pairs, ())))).dropna()
        holds = [table[better] > table[worse] for better, worse in self.pairs]
        share = table.assign(**{VALUE: np.all(holds, axis=0), "outcome": COMPLETED})
        return mean(share.reset_index()).limited(SHARE)._replace(unit="of depths", kind="")


@dataclass(frozen=True)
class Trend:
    """Change from the first to the last planned value of an axis, by seed.

    Along the line fitted over the binary logarithm of the axis.
    """

    axis: str

    def __call__(self, rows: pd.DataFrame) -> Estimate:
        """Of these rows; a seed needs three."""
        places = np.log2(rows[_column(rows, self.axis)].astype(float))
        doublings = places.max() - places.min()
        done = rows.loc[rows["outcome"] == COMPLETED].dropna(subset=[VALUE])
        changes = [
            (seed, COMPLETED, doublings * np.polyfit(places[own.index], own[VALUE], 1)[0])
            for seed, own in done.groupby("seed")
            if len(own) > 2
        ]
        return mean(pd.DataFrame(changes, columns=["seed", "outcome", VALUE]))._replace(kind="")


@dataclass(frozen=True)
class Margin:
    """By how much the statistic lies above the threshold, or with sign -1 below it."""

    threshold: float
    sign: int
    statistic: Callable[[pd.DataFrame], Estimate]

    def __call__(self, rows: pd.DataFrame) -> Estimate:
        """Of these rows."""
        return self.statistic(rows).mapped(lambda value: self.sign * (value - self.threshold))


@dataclass(frozen=True)
class At:
    """The statistic of the rows at these values alone."""

    where: Where
    statistic: Statistics

    def __call__(self, rows: pd.DataFrame) -> Estimates:
        """Of these rows."""
        return estimates(self.statistic, at(rows, self.where))


@dataclass(frozen=True)
class Each:
    """The statistic at each label of an axis, a part of each.

    labels: empty for those of the plan. name: of a part.
    """

    axis: str
    statistic: Statistics
    labels: tuple[Any, ...] = ()
    name: str = "{}"

    def __call__(self, rows: pd.DataFrame) -> Estimates:
        """Of these rows."""
        labels = self.labels or _labels(rows, self.axis)
        parts = {self.name.format(one): At({self.axis: one}, self.statistic) for one in labels}
        return estimates(parts, rows)


@dataclass(frozen=True)
class Best:
    """The advantage of one label over each other label of the axis that the plan has.

    name: of a part, from both labels.
    """

    axis: str
    winner: str
    name: str = "{} - {}"

    def __call__(self, rows: pd.DataFrame) -> Estimates:
        """Of these rows."""
        others = [name for name in _labels(rows, self.axis) if name != self.winner]
        pairs = [(self.winner, other) for other in others]
        return estimates(differences(self.axis, pairs, self.name), rows)


def differences(
    axis: str, pairs: Iterable[tuple[Any, Any]], name: str = "{} - {}"
) -> dict[str, Difference]:
    """The difference of each of these pairs of labels of an axis."""
    return {
        name.format(first, second): Difference({axis: first}, {axis: second})
        for first, second in pairs
    }


def order(axis: str, *labels: str) -> dict[str, Difference]:
    """For labels from best to worst: the advantage of each over the next.

    If all are above 0, the whole order holds, since "better than" is transitive.
    """
    return differences(axis, pairwise(labels))
