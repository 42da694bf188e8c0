"""How pictures of any study call axes, numbers and values."""

from collections.abc import Iterable
from typing import Any

from analysis.drawing.style import DATA_LABELS, NORM_LABELS, SOLVER_LABELS
from analysis.plot.names import value_label
from analysis.rows.data import AXIS

_METRICS = {
    "accuracy_test": "test accuracy",
    "accuracy_test_best": "best test accuracy",
    "accuracy_train": "training accuracy",
    "loss_test": "test loss",
    "loss_train": "training loss",
    "failed": "share of failed runs",
    "nfe_forward": "NFE, forward",
    "nfe_backward": "NFE, backward",
    "nfe_per_batch": "NFE per batch",
    "train_seconds": "training time [s]",
    "evaluate_seconds": "time of tests [s]",
    "seconds": "time of an evaluation [s]",
    "peak_memory_bytes": "peak memory",
    "samples_per_second": "samples per second",
    "gradient_norm_max": "largest gradient norm",
    "bias_gradient_norm_max": "largest bias-gradient norm",
}


def metric_label(metric: str) -> str:
    """A metric as axes print it."""
    return _METRICS.get(metric, metric.replace("_", " "))


def axis_label(column: str) -> str:
    """An axis as the study calls it; a column of runs by its name."""
    return column.removeprefix(AXIS)


def short(column: str) -> str:
    """The last part of a dotted name, for titles of panels."""
    return axis_label(column).rpartition(".")[2].replace("_", " ")


def labels(values: Iterable[Any]) -> dict[Any, str]:
    """Value -> how figures print it: normalizations, solvers and data sets as everywhere."""
    found = list(dict.fromkeys(values))
    for known in (NORM_LABELS, SOLVER_LABELS, DATA_LABELS):
        if {*found, ""} - {""} <= set(known):
            return {value: known.get(value, value_label(value)) for value in found}
    return {value: value_label(value) for value in found}
