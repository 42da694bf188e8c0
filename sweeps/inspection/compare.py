"""What differs between two trials, cells, submissions or plans. What is equal is left out."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean
from typing import Any

from sweeps.errors import UserError
from sweeps.inspection.facts import (
    METRICS,
    OUTCOME,
    PROVENANCE,
    TIME,
    Facts,
    facts,
    test_order,
    tested_under,
)
from sweeps.inspection.status import SHORTEST_PREFIX, Watch, is_id
from sweeps.store import (
    Results,
    label,
    list_plans,
    list_submissions,
    read_plan,
    read_submission,
    read_table,
)

NONE = "-"
# More values than these are counted, not listed.
_LISTED = 6


@dataclass(frozen=True)
class Side:
    """One of the two. kind: trial, cell, submission or plan. about: what is said of itself."""

    kind: str
    name: str
    about: dict[str, str]
    trials: dict[str, Facts]

    def __str__(self) -> str:
        shown = self.name if self.kind == "plan" else self.name[:12]
        count = "" if self.kind == "trial" else f" ({len(self.trials)} trials)"
        return f"{self.kind} {shown}{count}"


@dataclass(frozen=True)
class Difference:
    """One line. a, b: the values as text; of numbers with several trials their mean and n.

    change: b - a of numbers, otherwise None.
    """

    section: str
    name: str
    a: str
    b: str
    change: float | None = None


def side(watch: Watch, target: str, scale: str | None = None) -> Side:
    """What `target` names.

    A plan, a study with one saved plan, or at least the first 4 digits of the id of a trial, cell
    or submission. Raises UserError if it names nothing, or several things.
    """
    saved = {plan.partition("@")[0] for plan in list_plans(watch.results)}
    if is_id(target) and target not in saved:
        return _identified(watch, target)
    plan = watch.find_plan(target, scale)
    info = read_plan(watch.results, plan).info
    about = {
        "study": info.study,
        "scale": info.scale,
        "overrides": " ".join(info.overrides) or "none",
        "planned at": info.created_at,
    }
    ids = [row["trial_id"] for row in read_plan(watch.results, plan).rows()]
    return Side("plan", plan, about, facts(watch, ids))


def differences(a: Side, b: Side) -> list[Difference]:
    """What differs: about itself, trials, axes, spec, outcome, metrics, tests, time, provenance."""
    first, second = list(a.trials.values()), list(b.trials.values())
    both = [*first, *second]
    keys = dict.fromkeys(key for one in both for key in one.spec)
    axes = dict.fromkeys(axis for one in both for axis in one.axes if axis not in keys)
    rows = [row for one in both for row in one.evaluations]
    tests = dict.fromkeys(tested_under(row) for row in sorted(rows, key=test_order))
    planned = [[one for one in side if one.axes] for side in (first, second)]
    known = [[one for one in side if one.spec] for side in (first, second)]
    ran = [[one for one in side if one.row] for side in (first, second)]
    done = [_averaged(side) for side in ran]
    return [
        *_about(a, b),
        *_texts("axes", {axis: partial(_axis, axis) for axis in axes}, planned),
        *_texts("spec", {key: partial(_key, key) for key in keys}, known),
        *_texts("outcome", _columns(OUTCOME), ran, counted=True),
        *_numbers("metrics", _columns(METRICS), done),
        *_numbers("accuracy under", {one: partial(_accuracy, one) for one in tests}, done),
        *_texts("time", _columns(["timing_valid"]), ran),
        *_numbers("time", _columns(one for one in TIME if one != "timing_valid"), done),
        *_texts("provenance", _columns(PROVENANCE), ran),
    ]


def _averaged(side: Sequence[Facts]) -> list[Facts]:
    """The runs whose numbers count: of several those that completed, a single one in any case."""
    if len(side) == 1:
        return list(side)
    return [one for one in side if one.row["outcome"] == "completed"]


def _about(a: Side, b: Side) -> list[Difference]:
    names = dict.fromkeys([*a.about, *b.about]) if a.kind == b.kind else {}
    pairs = {name: (a.about.get(name, NONE), b.about.get(name, NONE)) for name in names}
    only = len(a.trials.keys() - b.trials.keys()), len(b.trials.keys() - a.trials.keys())
    if any(only) and "trial" not in (a.kind, b.kind):
        pairs["trials that the other lacks"] = str(only[0]), str(only[1])
    return [Difference("about", name, *pair) for name, pair in pairs.items() if pair[0] != pair[1]]


_Read = Callable[[Facts], Any]


def _axis(axis: str, one: Facts) -> Any:
    return one.axes.get(axis)


def _key(key: str, one: Facts) -> Any:
    return one.spec.get(key)


def _column(name: str, one: Facts) -> Any:
    return one.row.get(name)


def _accuracy(test: str, one: Facts) -> float | None:
    return next((row["accuracy"] for row in one.evaluations if tested_under(row) == test), None)


def _columns(names: Iterable[str]) -> dict[str, _Read]:
    return {name: partial(_column, name) for name in names}


_Sides = Sequence[Sequence[Facts]]


def _texts(
    section: str, columns: dict[str, _Read], sides: _Sides, *, counted: bool = False
) -> list[Difference]:
    """Columns whose sets of values differ; counted: or the numbers at which they occur."""
    found = []
    for name, read in columns.items():
        first, second = (Counter(_label(read(one)) for one in side) for side in sides)
        same = first == second if counted else first.keys() == second.keys()
        if not same:
            shown = [_listed(one, counted=counted) for one in (first, second)]
            found.append(Difference(section, name, shown[0], shown[1]))
    return found


def _numbers(section: str, columns: dict[str, _Read], sides: _Sides) -> list[Difference]:
    found = []
    for name, read in columns.items():
        first, second = ([read(one) for one in side] for side in sides)
        before, after = _mean(first), _mean(second)
        change = None if before is None or after is None else after - before
        if before != after:
            shown = _shown(before, first), _shown(after, second)
            found.append(Difference(section, name, *shown, change))
    return found


def _mean(values: Sequence[Any]) -> float | None:
    there = [value for value in values if value is not None and math.isfinite(value)]
    return mean(there) if there else None


def _shown(value: float | None, values: Sequence[Any]) -> str:
    if value is None:
        return NONE
    there = sum(one is not None and math.isfinite(one) for one in values)
    return f"{value:.6g}" + (f" (n={there})" if len(values) > 1 else "")


def _label(value: Any) -> str:
    return NONE if value is None else label(value)


def _listed(values: Counter[str], *, counted: bool) -> str:
    if not counted or len(values) == sum(values.values()) == 1:
        words = list(values)
    else:
        words = [f"{n} {value}" for value, n in values.most_common()]
    more = f", … ({len(words)})" if len(words) > _LISTED else ""
    return ", ".join(words[:_LISTED]) + more


def _identified(watch: Watch, prefix: str) -> Side:
    """The trial, cell or submission whose id begins with `prefix`."""
    results = watch.results
    planned = {
        row["trial_id"]: row["cell_id"]
        for plan in list_plans(results)
        for row in read_plan(results, plan).rows()
    }
    ran = read_table(results, "runs", ["trial_id", "cell_id"]).to_pydict()
    cells = planned | dict(zip(ran["trial_id"], ran["cell_id"], strict=True))
    submissions = list_submissions(results)
    known = {
        "trial": watch.trial_ids(),
        "cell": set(cells.values()),
        "submission": set(submissions),
    }
    fit = [(kind, one) for kind in known for one in sorted(known[kind]) if one.startswith(prefix)]
    if len(fit) != 1:
        raise UserError(_unclear(results, prefix, fit))
    ((kind, identity),) = fit
    if kind == "trial":
        return Side(kind, identity, {}, facts(watch, [identity]))
    if kind == "cell":
        ids = [trial for trial, cell in cells.items() if cell == identity]
        return Side(kind, identity, {}, facts(watch, ids))
    submission = read_submission(results, identity)
    metadata = {name: text for name, text in submission.metadata.items() if name != "settings"}
    settings = {f"settings.{key}": label(value) for key, value in submission.settings().items()}
    ids = [row["trial_id"] for row in submission.rows()]
    return Side(kind, identity, metadata | settings, facts(watch, ids))


def _unclear(results: Results, prefix: str, fit: Sequence[tuple[str, str]]) -> str:
    if not fit:
        return (
            f"no trial, cell or submission begins with {prefix!r} in {results.path}; give at least "
            f"{SHORTEST_PREFIX} digits of its id"
        )
    shown = ", ".join(f"{kind} {identity[: len(prefix) + 4]}" for kind, identity in fit[:5])
    return f"{prefix} begins {len(fit)} ids: {shown}; type more of it"
