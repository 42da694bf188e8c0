"""The best cells of a plan by the mean over seeds. Failed runs are counted, never averaged."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from sweeps.errors import UserError, did_you_mean
from sweeps.inspection.facts import METRICS, TIME
from sweeps.inspection.whole import whole
from sweeps.store import Results, accepted_runs, label

METRIC = "accuracy_test"
# Of these a larger value is better; of losses, counts, seconds and bytes a smaller one.
_LARGER = ("accuracy_test", "accuracy_train", "accuracy_test_best", "samples_per_second")
# They count only for runs that had the machine to themselves.
_TIMES = ("train_seconds", "evaluate_seconds", "samples_per_second")
NAMES = (*METRICS, *(name for name in TIME if name not in ("timing_valid", "attempts")))
LEVEL = 0.95
MIN_N_INTERVAL = 3


@dataclass(frozen=True)
class Ranked:
    """A cell.

    n: seeds with a value. low, high: 95 % Student t interval of the mean, which ends at 0 and 1 for
    an accuracy; None below 3 seeds. failed, missing: runs that failed, and planned runs without an
    accepted row. of: how many cells with a value it is the best of; 1 without groups.
    """

    axes: dict[str, Any]
    n: int
    mean: float
    low: float | None
    high: float | None
    failed: int
    missing: int
    of: int = 1


@dataclass(frozen=True)
class Ranking:
    """Cells of a plan, the best first. without_value: cells that have none.

    added, left_out: as of `Whole`.
    """

    plan: str
    metric: str
    larger_is_better: bool
    cells: list[Ranked]
    without_value: int
    added: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def rank(
    results: Results,
    plan: str,
    metric: str = METRIC,
    group: Sequence[str] = (),
    target: str | None = None,
) -> Ranking:
    """The cells of a saved plan by the mean of `metric` over seeds.

    target: what was asked for; a study has also what was added to its plan (`whole`). group: axes;
    of each combination of their values only the best cell stays. Raises UserError for an unknown
    metric or axis.
    """
    if metric not in NAMES:
        raise UserError(
            f"no metric {metric!r}{did_you_mean(metric, NAMES)}; choose from {', '.join(NAMES)}"
        )
    columns = ["trial_id", "outcome", "timing_valid", metric]
    rows = {row["trial_id"]: row for row in accepted_runs(results, columns).to_pylist()}
    asked = whole(results, target or plan, plan, rows.keys())
    planned = asked.trials
    by_cell: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for trial in planned:
        by_cell[trial["cell_id"]].append(trial)
    found = [_cell(trials, rows, metric) for trials in by_cell.values()]
    ranked = [one for one in found if one is not None]
    larger = metric in _LARGER
    ranked.sort(key=lambda one: one.mean, reverse=larger)
    axes = dict.fromkeys(axis for trial in planned for axis in trial["axes"])
    chosen = [_axis(axis, list(axes), plan) for axis in group]
    kept = _best(ranked, chosen) if chosen else ranked
    without = len(found) - len(ranked)
    return Ranking(plan, metric, larger, kept, without, asked.added, asked.left_out)


def _cell(
    trials: Sequence[dict[str, Any]], rows: dict[str, dict[str, Any]], metric: str
) -> Ranked | None:
    mine = [rows[trial["trial_id"]] for trial in trials if trial["trial_id"] in rows]
    done = [row for row in mine if row["outcome"] == "completed"]
    if metric in _TIMES:
        done = [row for row in done if row["timing_valid"]]
    values = [row[metric] for row in done if row[metric] is not None]
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return None
    low, high = _interval(values)
    if low is not None and high is not None and metric.startswith("accuracy"):
        low, high = max(low, 0.0), min(high, 1.0)
    failed = sum(row["outcome"] != "completed" for row in mine)
    return Ranked(
        trials[0]["axes"], len(values), mean(values), low, high, failed, len(trials) - len(mine)
    )


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """95 % Student t interval of the mean, as in figures (`analysis.rows.stats.t_interval`)."""
    n = len(values)
    if n < MIN_N_INTERVAL:
        return None, None
    from scipy.stats import t

    half = float(t.ppf(0.5 + LEVEL / 2, n - 1)) * stdev(values) / math.sqrt(n)
    return mean(values) - half, mean(values) + half


def _axis(word: str, axes: Sequence[str], plan: str) -> str:
    """An axis by its name or its end, as in `odereport plot`."""
    fit = [axis for axis in axes if axis == word] or [
        axis for axis in axes if axis.endswith(f".{word}")
    ]
    if len(fit) != 1:
        raise UserError(
            f"no axis {word!r} in {plan}{did_you_mean(word, axes)}; axes: {', '.join(axes)}"
        )
    return fit[0]


def _best(ranked: Sequence[Ranked], axes: Sequence[str]) -> list[Ranked]:
    groups: dict[tuple[str, ...], list[Ranked]] = defaultdict(list)
    for one in ranked:
        groups[tuple(label(one.axes.get(axis)) for axis in axes)].append(one)
    return [Ranked(**{**vars(cells[0]), "of": len(cells)}) for cells in groups.values()]
