"""The rows that the report's explorer averages, and that stand behind the points of its charts.

A study has up to three tables, stored by column: its planned trials with their runs, the tests of
trained weights, and what training recorded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.drawing.style import NORM_COLOURS, NORM_LABELS
from analysis.drawing.vega import in_order, shown_value
from analysis.make import Reader
from analysis.plot.chart import progress
from analysis.plot.names import FAILED, Names, numeric, value_label
from analysis.plot.rows import planned_with
from analysis.plot.words import metric_label
from analysis.rows.cells import planned_rows
from analysis.rows.data import AXIS, KEY, RUN, TEST, Data
from analysis.rows.read import EVERY_STUDY
from analysis.rows.stats import MIN_N_INTERVAL, t_quantile

RUNS, TESTS, EPOCHS = "runs", "evaluations", "epochs"
# How the page names the tables, and the numbers of them; of runs it has all.
TABLES = {RUNS: "after training", TESTS: "under test solvers", EPOCHS: "during training"}
METRICS = {
    TESTS: ("accuracy", "loss", "nfe_per_batch"),
    EPOCHS: ("accuracy_test", "loss_test", "accuracy_train", "loss_train", "gradient_norm_max"),
}
NO_QUESTION = {"outcome_iteration", "outcome_epoch"}
# A page holds at most so many numbers of these tables; runs come first, then the smaller studies.
MOST_NUMBERS = 400_000
# A curve has at most so many places.
MOST_PLACES = 40
# From so many seeds on the normal quantile serves.
MOST_SEEDS = 60


@dataclass(frozen=True)
class _Part:
    """A table of one study: its columns, and how people call its numbers."""

    study: str
    table: str
    columns: dict[str, list[Any]]
    axes: dict[str, list[Any]]
    metrics: dict[str, str]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return sum(map(len, self.columns.values()))


def explorer(reader: Reader) -> dict[str, Any]:
    """The tables of each study here, the quantiles of intervals, and the colours of norms.

    studies: study -> {plan, command, tables: table -> {columns, axes, metrics}, left_out}. Axes
    have their values in order; the columns hold places in them.
    """
    studies: dict[str, Any] = {}
    parts: list[_Part] = []
    for plan in reader(EVERY_STUDY).plans:
        data = reader(plan.study, added="+").with_variants
        command = plan.command("run", "--results", data.results)
        studies[plan.study] = {"plan": plan.name, "command": command, "tables": {}, "left_out": []}
        parts += [part for part in (_runs(data), _tests(data), _epochs(data)) if part]
    room = MOST_NUMBERS
    for part in sorted(parts, key=lambda part: (part.table != RUNS, part.size)):
        room -= part.size
        if room < 0:
            studies[part.study]["left_out"].append(TABLES[part.table])
            continue
        about = {"columns": part.columns, "axes": part.axes, "metrics": part.metrics}
        studies[part.study]["tables"][part.table] = about
    return {
        "studies": studies,
        "tables": TABLES,
        "quantiles": [_quantile(n) for n in range(MOST_SEEDS)],
        "colours": {NORM_LABELS[name]: colour for name, colour in NORM_COLOURS.items()},
    }


def _quantile(n: int) -> float | None:
    return round(t_quantile(n), 5) if n >= MIN_N_INTERVAL else None


def _runs(data: Data) -> _Part:
    known = [name for name in Names(data).metrics[RUNS] if name not in {FAILED, *NO_QUESTION}]
    # Of a CPU process the peak is that of all its trials.
    on_cpu = data.runs["device"].fillna("cpu").str.startswith("cpu").all()
    known = [name for name in known if name != "peak_memory_bytes" or not on_cpu]
    metrics = _there(data.runs, known)
    rows = planned_with(data, RUNS, [], *metrics)
    about = data.runs.filter([*KEY, "code_commit", "device", "worker_id"])
    rows = rows.merge(about, on=KEY, how="left")
    part = _part(data, RUNS, rows, _axes(rows), metrics)
    part.metrics[FAILED] = metric_label(FAILED)
    part.columns.update(
        id=[trial[:12] for trial in rows["trial_id"]],
        code=[commit[:7] if isinstance(commit, str) else "" for commit in rows["code_commit"]],
        device=[device if isinstance(device, str) else "" for device in rows["device"]],
        log=[f"logs/{one}.log" if isinstance(one, str) else "" for one in rows["worker_id"]],
    )
    return part


def _tests(data: Data) -> _Part | None:
    if not len(data.tests):
        return None
    metrics = _there(data.evaluations, METRICS[TESTS])
    rows = planned_rows(data, TESTS, *metrics)
    names = [name for name in Names(data).tests if name != TEST + "factor"]
    return _part(data, TESTS, rows, [*_axes(rows), *names], metrics) if metrics else None


def _epochs(data: Data) -> _Part | None:
    along = progress(data, EPOCHS)
    rows = data.epochs.rename(columns={f"{RUN}outcome": "outcome"})
    metrics = _there(rows, METRICS[EPOCHS])
    places = sorted(set(rows[along]))
    if not metrics or len(places) < 2:
        return None
    chosen = np.linspace(0, len(places) - 1, MOST_PLACES).astype(int)
    kept = list(dict.fromkeys(places[index] for index in chosen))
    rows = rows.loc[rows[along].isin(kept)]
    return _part(data, EPOCHS, rows, [along, *_axes(rows)], metrics)


def _there(rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    return [name for name in names if len(rows[name].dropna())]


def _axes(rows: pd.DataFrame) -> list[str]:
    return [name for name in rows if name.startswith(AXIS)]


def _part(
    data: Data, table: str, rows: pd.DataFrame, axes: Sequence[str], metrics: Sequence[str]
) -> _Part:
    """Axes as places among their values. Every number has the digits that a chart shows."""
    ordered, columns = {}, {"seed": rows["seed"].tolist(), "outcome": rows["outcome"].tolist()}
    for axis in axes:
        values = _ordered(list(dict.fromkeys(rows[axis])))
        place = {value: index for index, value in enumerate(values)}
        ordered[axis] = [_shown(value) for value in values]
        columns[axis] = [place[value] for value in rows[axis]]
    for metric in metrics:
        columns[metric] = [shown_value(float(value)) for value in rows[metric].astype(float)]
    named = {metric: metric_label(metric) for metric in metrics}
    return _Part(data.plans[0].study, table, columns, ordered, named)


def _ordered(values: list[Any]) -> list[Any]:
    """Numbers by size, norms as everywhere, others as the study has them; what lacks it first."""
    there = [value for value in values if not _lacks(value)]
    ordered = sorted(there) if numeric(there) else in_order(there)
    return [value for value in values if _lacks(value)] + ordered


def _lacks(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _shown(value: Any) -> Any:
    return value_label(value) if _lacks(value) or isinstance(value, tuple) else shown_value(value)
