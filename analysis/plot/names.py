"""What a plot can name: axes of the study, settings and numbers of its rows."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa

import sweeps.store as store
from analysis.errors import ReportError, nearest
from analysis.rows.data import AXIS, KEY, TEST, Data
from sweeps.store import label

FAILED = "failed"
# Numbers of runs that need the machine to themselves.
TIMES = ("train_seconds", "evaluate_seconds", "samples_per_second")
# Places on the horizontal axis of curves.
PROGRESS = ("epoch", "iteration")
# Columns of runs that no picture can put on an axis.
_NO_AXIS = ("trial_id", "attempt_id", "spec", "outcome", "traceback", "epochs")
_NO_METRIC = {"cpu_threads", "attempts", "limit", "batch_size", *PROGRESS}


def numeric(values: Iterable[Any]) -> bool:
    """Whether there are values, all of them numbers."""
    found = list(values)
    return bool(found) and all(
        pd.api.types.is_number(value) and not pd.api.types.is_bool(value) and value == value
        for value in found
    )


def _numbers(fields: Iterable[Any]) -> list[str]:
    return [
        field.name
        for field in fields
        if (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
        and field.name not in _NO_METRIC
        and not field.name.startswith("test_solver")
    ]


class Names:
    """The names that a plot of these data can use.

    A role (x, hue, col, where) takes an axis of the study, `test.*` of evaluations, or a column of
    runs such as `seed`. Of a dotted axis the end is enough. A metric (y) is a number of runs, of
    evaluations or of epochs, a series, or `failed`.
    """

    def __init__(self, data: Data) -> None:
        self.data = data

    @cached_property
    def axes(self) -> list[str]:
        """Columns of the study's axes, in its order."""
        return [name for name in self.data.trials if name.startswith(AXIS)]

    @cached_property
    def tests(self) -> list[str]:
        """Columns of what differs between planned evaluations."""
        names = ("solver", "solver_steps", "solver_tolerance", "grid", "factor")
        return [TEST + name for name in names] if len(self.data.tests) else []

    @cached_property
    def metrics(self) -> dict[str, list[str]]:
        """Table -> its metrics."""
        spec = store.spec_columns({})
        runs = store.SCHEMAS["runs"]
        epochs: Any = runs.field("epochs").type.value_type
        found = {
            "runs": [*(name for name in _numbers(runs) if name not in spec), FAILED],
            "evaluations": _numbers(store.SCHEMAS["evaluations"]) if self.tests else [],
            "epochs": _numbers(epochs),
            "probe_series": [],
        }
        if "series" in set(self.data.probes["name"]):
            names = dict.fromkeys(self.data.probe("series")["name"])
            found["probe_series"] = [str(name) for name in names]
        return found

    def role(self, word: str) -> str:
        """The column of an axis. Raises ReportError with the nearest names."""
        if AXIS + word in self.axes:
            return AXIS + word
        ends = [name for name in self.axes if name.endswith(f".{word}")]
        if len(ends) == 1:
            return ends[0]
        if word in self.tests:
            return word
        columns = [name for name in store.SCHEMAS["runs"].names if name not in _NO_AXIS]
        if word in columns and not ends:
            return AXIS + word
        valid = [name.removeprefix(AXIS) for name in self.axes]
        if ends:
            several = ", ".join(name.removeprefix(AXIS) for name in ends)
            raise ReportError(f"{word!r} can mean {several} in {self.data.names}; give one of them")
        near = nearest(word, [*valid, *self.tests, *columns])
        # All columns of runs would be a page.
        near = f"{near}; " if near.startswith("nearest") else ""
        raise ReportError(
            f"no axis {word!r} in {self.data.names}; {near}axes of the study: "
            f"{', '.join(valid) or 'none'}; each column of runs is one as well"
        )

    def table(self, metric: str, tables: Sequence[str]) -> str:
        """The first of these tables that has the metric.

        Raises ReportError with the nearest names.
        """
        for table in tables:
            if metric in self.metrics[table]:
                return table
        known = [name for table in tables for name in self.metrics[table]]
        kinds = [table for table, names in self.metrics.items() if metric in names]
        if not kinds:
            raise ReportError(
                f"no metric {metric!r} in {self.data.names}; {nearest(metric, known)}"
            )
        if "evaluations" in tables and kinds[0] not in ("runs", "evaluations"):
            raise ReportError(f"{metric} is recorded during training; give --kind curve")
        of = "epochs" if "epochs" in tables else "evaluations"
        raise ReportError(
            f"{metric} is a number of {kinds[0]}, and this picture is of {of}; "
            f"{nearest(metric, known)}"
        )

    def where(self, words: Iterable[str]) -> Data:
        """The data of the trials and evaluations that all these words `key=value` choose.

        A value may be several with commas between. Raises ReportError for an unknown key or value.
        """
        data = self.data
        for word in words:
            key, equals, text = word.partition("=")
            if not equals:
                raise ReportError(f"--where {word}: write it as key=value, such as norm=batch")
            column = self.role(key)
            known = with_axes(data, [column])
            source = known.tests if column.startswith(TEST) else known.trials
            mask = [_fits(value, text) for value in source[column]]
            if not any(mask):
                there = list(dict.fromkeys(map(_words, source[column])))
                few = f"choose from {', '.join(there)}" if len(there) < 13 else nearest(text, there)
                raise ReportError(f"no trial of {data.names} has {word}; {few}")
            chosen = source.loc[mask]
            trials = data.trials.merge(chosen.filter(KEY).drop_duplicates(), on=KEY)
            data = data.part(trials, chosen if column.startswith(TEST) else None)
        return data


def with_axes(data: Data, roles: Iterable[str]) -> Data:
    """The data with the seed and the columns of runs that `roles` name as axes.

    A trial without a run has no column of runs and is left out. A run without a value has an empty
    text there, as trials have that lack an axis.
    """
    lacking = [role for role in dict.fromkeys(roles) if role.startswith(AXIS)]
    lacking = [role for role in lacking if role not in data.trials]
    if not lacking:
        return data
    trials = data.trials
    for role in lacking:
        name = role.removeprefix(AXIS)
        if name in trials:
            trials = trials.assign(**{role: trials[name]})
            continue
        times = pd.api.types.is_datetime64_any_dtype(data.runs[name])
        values = data.runs[name].astype(str if times else object)
        found = data.runs.filter(KEY).assign(**{role: values.where(values.notna(), "")})
        trials = trials.merge(found, on=KEY)
    return replace(data, trials=trials, whole=None)


def _words(value: Any) -> str:
    return ",".join(map(label, value)) if isinstance(value, tuple) else str(value_label(value))


def value_label(value: Any) -> str:
    """A value of an axis as figures print it."""
    if value is None or value is pd.NA or value in ("", ()) or value != value:
        return "\u2013"
    if isinstance(value, tuple):
        return ", ".join(map(value_label, value))
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and 0 < abs(value) < 1e-3:
        return f"{value:g}"
    return label(value) if isinstance(value, str | int | float | bool) else str(value)


def _fits(value: Any, text: str) -> bool:
    if isinstance(value, tuple):
        return any(_fits(one, text) for one in value)
    if text in (value, _words(value)):
        return True
    if numeric([value]):
        try:
            if float(text) == value:
                return True
        except ValueError:
            pass
    return "," in text and any(_fits(value, part.strip()) for part in text.split(","))
