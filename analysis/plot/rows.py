"""The numbers of a picture: means with Student t intervals over seeds, or single runs."""

import pandas as pd

from analysis.drawing.curves import over_epochs
from analysis.plot.chart import STUDY, Chart
from analysis.plot.names import FAILED, TIMES, Names, value_label
from analysis.rows.cells import MISSING, alone, cells, one_per_seed, or_nothing, planned_rows
from analysis.rows.data import AXIS, COMPLETED, Data
from analysis.rows.frames import in_order, tuples
from analysis.rows.stats import clopper_pearson

OUTCOME_COLUMNS = ["axis", "value", "outcome", "trials"]
# What a run costs; times only of runs that had the machine to themselves.
COSTS = ("nfe_forward", "train_seconds", "peak_memory_bytes")


def numbers(data: Data, chart: Chart) -> pd.DataFrame:
    """What the picture shows, tidy, with the columns of `chart.by`.

    line, point, heat: those of `cells`, and done (runs behind the number). curve: of `over_epochs`.
    box: one row per completed run, with its axes, seed and value. Empty where nothing has run.
    """
    if chart.kind == "curve":
        return _curves(data, chart)
    rows = planned_with(data, chart.table, chart.by, chart.y)
    if chart.kind == "box":
        done = rows.loc[rows["outcome"] == COMPLETED].dropna(subset=[chart.y])
        about = [name for name in Names(data).axes if name not in chart.by]
        named = done.rename(columns={chart.y: "value"})
        return named.filter([*chart.by, *about, "seed", "value"]).reset_index(drop=True)
    found = _shares(rows, chart.by) if chart.y == FAILED else cells(rows, chart.by, chart.y)
    return or_nothing(found.assign(done=found["n"]))


def planned_with(data: Data, table: str, by: list[str], *metrics: str) -> pd.DataFrame:
    """`planned_rows`, with lists as texts. Times are empty for runs that shared the machine."""
    numbers = [name for name in metrics if name != FAILED]
    times = [name for name in numbers if name in TIMES and table == "runs"]
    rows = planned_rows(data, table, *numbers, *(["timing_valid"] if times else []))
    for name in times:
        rows[name] = rows[name].where(alone(rows))
    tuples = [name for name in by if tuple in set(map(type, rows[name]))]
    return rows.assign(**{name: rows[name].map(value_label) for name in tuples})


def _shares(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The share of failed runs per group, with its Clopper-Pearson interval."""
    one_per_seed(rows, by)
    found = rows.assign(
        planned=1,
        missing=rows["outcome"] == MISSING,
        n=rows["outcome"] != MISSING,
        failed=~rows["outcome"].isin([COMPLETED, MISSING]),
    )
    counts = ["planned", "failed", "missing", "n"]
    sums = pd.DataFrame(found.groupby(by, sort=False)[counts].sum()).astype(int).reset_index()
    ends = [clopper_pearson(k, n) for k, n in tuples(sums, "failed", "n")]
    share = sums["failed"] / sums["n"].where(sums["n"] > 0)
    return sums.assign(
        mean=share,
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
        minimum=share,
        maximum=share,
    )


def _curves(data: Data, chart: Chart) -> pd.DataFrame:
    """`over_epochs` or the same of a series, cells in the plan's order."""
    if chart.table == "probe_series":
        rows, value = data.with_run(data.series(chart.y), "outcome"), "value"
    else:
        rows, value = data.epochs, chart.y
    found = over_epochs(data, chart.by, value, chart.x, rows=rows)
    planned = data.trials.filter(chart.by).drop_duplicates()
    # Panels first: a panel may lack the first of the colours.
    for roles in (chart.by, list(chart.cols)):
        order = dict.fromkeys(tuples(planned, *roles))
        found = in_order(found, roles, order) if roles else found
    return found


def outcomes(data: Data, axes: list[str]) -> pd.DataFrame:
    """How many planned trials of each value of each axis ended how.

    Columns: axis, value (as text), outcome, trials. A trial without an accepted row is missing, or
    ended as its last attempt did.
    """
    if not len(data.runs) and not len(data.unfinished):
        return pd.DataFrame(columns=OUTCOME_COLUMNS)
    rows = planned_rows(data, "runs")
    last = dict(tuples(data.unfinished, "trial_id", "outcome"))
    ended = [
        last.get(trial, MISSING) if outcome == MISSING else outcome
        for trial, outcome in tuples(rows, "trial_id", "outcome")
    ]
    rows = rows.assign(outcome=ended)
    parts = []
    for axis in axes or [STUDY]:
        named = rows.assign(value=rows[axis].map(value_label), axis=axis.removeprefix(AXIS))
        groups = named.groupby(["axis", "value", "outcome"], sort=False)
        parts.append(pd.DataFrame({"trials": groups.size()}).reset_index())
    return pd.concat(parts, ignore_index=True).filter(OUTCOME_COLUMNS)


def costs(data: Data, by: list[str], metric: str) -> pd.DataFrame:
    """The metric of each cell against what its runs cost.

    Columns: those of `cells`, cost (which one) and amount (its mean over seeds). Only costs that
    some run has; memory only of runs on a GPU.
    """
    by = by or [STUDY]
    rows = planned_with(data, "runs", by, metric, *COSTS, "device")
    # On CPUs it is that of a process, which trains one net after the other.
    on_cpu = rows["device"].astype(str).str.startswith("cpu")
    rows["peak_memory_bytes"] = rows["peak_memory_bytes"].mask(on_cpu)
    found = cells(rows, by, metric)
    parts = []
    for cost in COSTS:
        amounts = cells(rows, by, cost).filter([*by, "mean"]).rename(columns={"mean": "amount"})
        joined = found.merge(amounts, on=by).assign(cost=cost)
        parts.append(joined.loc[(joined["amount"] > 0) & (joined["n"] > 0)])
    columns = ["cost", *by, "amount", *(name for name in found if name not in by)]
    return pd.concat(parts, ignore_index=True).filter(columns)
