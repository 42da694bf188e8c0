"""From planned trials and evaluations to cells.

A cell has n, mean and interval over seeds, and the numbers of failed and of missing runs.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.errors import ReportError
from analysis.rows.data import AXIS, COMPLETED, KEY, TEST, Data
from analysis.rows.stats import summarise

MISSING = "missing"
STATISTICS = ["n", "mean", "low", "high", "minimum", "maximum"]
COUNTS = ["planned", "failed", "missing"]


def planned_rows(data: Data, need: str, *columns: str) -> pd.DataFrame:
    """One row per planned trial or evaluation.

    Columns: study, trial_id, seed, axis.*, (eval_id, test.*), outcome and `columns`. need: "runs",
    "evaluations" or "evaluations:<grid>". outcome: "missing" without a row; an evaluation of a run
    that failed has the run's outcome. columns: of the table that `need` names; `run.<column>` is a
    column of the run.
    """
    about = data.trials.filter(
        [*KEY, "seed", *(name for name in data.trials.columns if name.startswith(AXIS))]
    )
    own = [name for name in columns if not name.startswith("run.")]
    if need == "runs":
        rows = about.merge(data.runs.filter([*KEY, "outcome", *own]), on=KEY, how="left")
        return rows.assign(outcome=rows["outcome"].astype(object).fillna(MISSING))
    rows = data.planned(need).drop(columns="axes").merge(about, on=KEY)
    rows = rows.merge(
        data.evaluations.filter([*KEY, "eval_id", "outcome", *own]),
        on=[*KEY, "eval_id"],
        how="left",
    )
    run = data.runs.filter(
        [*KEY, "outcome", *(name.removeprefix("run.") for name in columns if name not in own)]
    )
    rows = rows.merge(
        run.rename(columns={name: f"run.{name}" for name in run.columns if name not in KEY}),
        on=KEY,
        how="left",
    )
    failed = rows["run.outcome"].where(rows["run.outcome"] != COMPLETED)
    return rows.assign(
        outcome=rows["outcome"]
        .astype(object)
        .where(rows["outcome"].notna(), failed)
        .fillna(MISSING)
    ).drop(columns="run.outcome")


def alone(rows: pd.DataFrame) -> list[bool]:
    """Whether each run had the machine to itself."""
    return [valid is True or valid == 1 for valid in rows["timing_valid"].astype(object)]


def cells(rows: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """One row per group, in the plan's order.

    Columns: `by`, planned, failed, missing, and n, mean, low, high, minimum, maximum of the
    completed ones. rows: as returned by `planned_rows` or `difference`. Raises ReportError if a
    seed occurs twice in a group, because that would average over another axis.
    """
    by = list(by)
    one_per_seed(rows, by)
    counts = rows.assign(
        planned=1,
        failed=~rows["outcome"].isin([COMPLETED, MISSING]),
        missing=rows["outcome"] == MISSING,
    )
    counted = pd.DataFrame(counts.groupby(by, sort=False)[COUNTS].sum()).reset_index()
    numbers = summarise(rows.loc[rows["outcome"] == COMPLETED].astype({value: float}), by, value)
    joined = counted.merge(numbers, on=by, how="left")
    return joined.assign(n=joined["n"].fillna(0).astype(int)).astype(
        dict.fromkeys(STATISTICS[1:], float)
    )


def or_nothing(numbers: pd.DataFrame) -> pd.DataFrame:
    """The cells, or none of them where no run stands behind any, not even one that failed."""
    return numbers if numbers.filter(["n", "failed"]).to_numpy().any() else numbers.iloc[:0]


def difference(
    first: pd.DataFrame,
    second: pd.DataFrame,
    value: str,
    apart: Sequence[str] = (),
    combine: Callable[[Any, Any], Any] = np.subtract,
) -> pd.DataFrame:
    """`value` of `first` minus that of `second`, paired.

    Rows of the same study, seed and axes, but for those `apart` on which the two differ.

    first, second: as of `planned_rows`. combine: what to compute instead of the difference. The
    result has study, seed, the shared axes, outcome (completed where both are) and `value`.
    """
    axes = [
        name
        for name in first.columns
        if name.startswith(AXIS) and name in second and name not in apart
    ]
    on = [*(name for name in ("study", "seed") if name in first and name not in apart), *axes]
    both = first.filter([*on, "outcome", value]).merge(
        second.filter([*on, "outcome", value]), on=on, suffixes=("", "_second")
    )
    failed = both["outcome_second"].where(both["outcome"].isin([COMPLETED]), both["outcome"])
    outcome = failed.where(
        (both["outcome"] != MISSING) & (both["outcome_second"] != MISSING), MISSING
    )
    return both.assign(
        outcome=outcome,
        **{value: combine(both[value].astype(float), both[f"{value}_second"].astype(float))},
    ).filter([*on, "outcome", value])


def one_per_seed(rows: pd.DataFrame, by: list[str]) -> None:
    """Raises ReportError if two rows of one seed are in a group.

    The message names the axes that `by` lacks.
    """
    twice = rows.loc[rows.duplicated([*by, "seed"], keep=False)]
    if not len(twice):
        return
    first = twice.iloc[0]
    alike = twice.loc[(twice.filter([*by, "seed"]) == first.filter([*by, "seed"])).all(axis=1)]
    others = [
        name
        for name in alike.columns
        if (name.startswith((AXIS, TEST)) or name == "study")
        and name not in by
        and alike[name].nunique() > 1
    ]
    place = ", ".join(f"{name}={first[name]}" for name in by)
    raise ReportError(
        f"several trials of one seed at {place}: this would average over "
        f"{', '.join(others) or 'trials that differ in no axis'}"
    )


def interval(row: Any, decimals: int = 3) -> str:
    """A cell in words: "0.912 ± 0.004 (3)".

    Below n = 3 it shows single values, and both ends where the interval is not symmetric. It also
    shows how many failed, and a dash for nothing.
    """
    notes = [f"{row['failed']:.0f} failed"] if row["failed"] else []
    if row["n"] == 0:
        return ", ".join(notes) or "-"
    if row["n"] < 3:
        ends = dict.fromkeys(f"{row[end]:.{decimals}f}" for end in ("minimum", "maximum"))
        number = ", ".join(ends)
    else:
        below, above = row["mean"] - row["low"], row["high"] - row["mean"]
        number = f"{row['mean']:.{decimals}f}"
        if math.isclose(below, above, abs_tol=0.5 * 10**-decimals):
            number += f" ± {above:.{decimals}f}"
        else:
            number += f" [{row['low']:.{decimals}f}, {row['high']:.{decimals}f}]"
    count = ", ".join([f"{row['n']:.0f}", *notes])
    return f"{number} ({count})"
