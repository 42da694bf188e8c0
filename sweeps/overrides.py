"""Overrides as people type them.

On an axis, `key=value` restricts and `+key=value` extends. For any other key, `key=value` changes
the base. Seeds are the axis `seed`; evaluations have the axes evaluations.grid, evaluations.solver,
evaluations.factor, evaluations.steps and evaluations.tolerance.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sweeps.derived import PlannedEvaluation
from sweeps.errors import UserError
from sweeps.grid import Excluded, PlannedTrial, cells, expand
from sweeps.spec import Evaluation
from sweeps.store.plans import label
from sweeps.study import EvaluationGrid, Study

_RANGE = re.compile(r"(-?[0-9]{1,18})\.\.(-?[0-9]{1,18})")
# A range longer than this is a typing error, and would be expanded in memory.
_LONGEST_RANGE = 100_000
_EVALUATION_AXES = ("grid", "solver", "factor", "steps", "tolerance")


@dataclass(frozen=True)
class Override:
    """One override. extends: it was written with +."""

    key: str
    values: tuple[Any, ...]
    extends: bool = False

    def __str__(self) -> str:
        return f"{'+' if self.extends else ''}{self.key}={','.join(map(label, self.values))}"


@dataclass(frozen=True)
class Selection:
    """The study and the trials of one command.

    declared: the full grid, as in the plan file. selected: what restricting overrides leave of it.
    study: at its scale and extended. plan_name: the name of the plan file. overrides: those that
    change the grid and so the plan file.
    """

    study: Study
    scale: str
    plan_name: str
    overrides: tuple[str, ...]
    declared: list[PlannedTrial]
    selected: list[PlannedTrial]
    excluded: list[Excluded]


def read(texts: Iterable[str]) -> list[Override]:
    """`key=value`, `key=a,b`, `key=0..4`, `+key=value`.

    Values are JSON or else strings; a list or section is one value.
    """
    overrides: dict[tuple[str, bool], Override] = {}
    for given in texts:
        key, equals, values = given.partition("=")
        name = key.removeprefix("+")
        if not equals or not values or not name or any(not part for part in name.split(".")):
            raise UserError(
                f"override {given!r}: write key=value, such as solver.steps=2,4 or seed=0..4"
            )
        extends = key.startswith("+")
        if (name, extends) in overrides:
            raise UserError(
                f"{key} is given twice; write its values in one override, such as {key}=1,2"
            )
        # A list or a section is one value, including its commas.
        pieces = [values] if values[0] in "[{" else values.split(",")
        overrides[name, extends] = Override(
            name, tuple(value for piece in pieces for value in _read_values(name, piece)), extends
        )
    return list(overrides.values())


def _read_values(key: str, piece: str) -> Iterable[Any]:
    if ".." in piece and piece[0] not in "[{":
        match = _RANGE.fullmatch(piece)
        if match is None:
            raise UserError(
                f"{key} = {piece}: a range is first..last in whole numbers, such as 0..4"
            )
        first, last = int(match[1]), int(match[2])
        if last < first:
            raise UserError(f"{key} = {piece}: {first} is above {last}; write {last}..{first}")
        if last - first >= _LONGEST_RANGE:
            raise UserError(f"{key} = {piece}: a range has at most {_LONGEST_RANGE:,} values")
        return range(first, last + 1)
    if not piece:
        raise UserError(f"{key}: a value between two commas is missing")
    try:
        value = json.loads(piece, parse_constant=str)
    except ValueError:
        return (piece,)
    return (value,)


def select(study: Study, scale: str | None = None, texts: Iterable[str] = ()) -> Selection:
    """The trials of `study` at `scale` (None: its first) under the overrides `texts`.

    Raises UserError for an override that does not fit.
    """
    name = next(iter(study.scales)) if scale is None else scale
    study = study.at_scale(name)
    restricting: list[Override] = []
    changing: list[Override] = []
    base: dict[str, Any] = {}
    for override in read(texts):
        if override.extends:
            changing.append(override)
        elif _is_axis(study, override.key):
            restricting.append(override)
        else:
            changing.append(override)
            if override.key.startswith("evaluations."):
                study = _set_evaluations(study, override)
            else:
                base[override.key] = _single(study, override)
    study = _extend(study, [override for override in changing if override.extends])
    declared = expand(study, base)
    wording = tuple(sorted(map(str, changing)))
    suffix = (
        "+" + hashlib.blake2b("\n".join(wording).encode(), digest_size=4).hexdigest()
        if wording
        else ""
    )
    return Selection(
        study,
        name,
        f"{study.name}@{name}{suffix}",
        wording,
        declared,
        _restrict(study, declared, restricting),
        cells(study)[1],
    )


def _axes(study: Study) -> list[str]:
    """The axes of trials: those of the grid, and those that only included cells have."""
    return list(study.grid) + [
        axis for cell in study.include for axis in cell if axis not in study.grid
    ]


def _is_axis(study: Study, key: str) -> bool:
    section, _, axis = key.partition(".")
    return (
        key == "seed"
        or key in _axes(study)
        or (section == "evaluations" and axis in _EVALUATION_AXES)
    )


def _single(study: Study, override: Override) -> Any:
    value, *others = override.values
    if others:
        raise UserError(
            f"{override.key} is not an axis of {study.name}, so it takes one value; axes: "
            f"{', '.join([*_axes(study), 'seed'])}"
        )
    return value


def _set_evaluations(study: Study, override: Override) -> Study:
    field = override.key.removeprefix("evaluations.")
    valid = [name for name in Evaluation.model_fields if name != "solver"]
    if field not in valid:
        raise UserError(
            f"unknown key {override.key!r}; valid here: {', '.join([*_EVALUATION_AXES, *valid])}"
        )
    value = _single(study, override)
    return replace(
        study,
        evaluations=[
            replace(grid, settings={**grid.settings, field: value}) for grid in study.evaluations
        ],
    )


def _extend(study: Study, overrides: Sequence[Override]) -> Study:
    extended = {override.key: override for override in overrides}
    grid, seeds, evaluations = dict(study.grid), study.seeds, study.evaluations
    for key, override in extended.items():
        if key == "seed":
            seeds = _added(override, seeds)
        elif key.startswith("evaluations."):
            evaluations = _extend_evaluations(evaluations, override)
        elif key not in grid:
            raise UserError(
                f"{override}: {key} is not an axis of {study.name}; axes: "
                f"{', '.join([*grid, 'seed'])}; without + it sets the base"
            )
        elif isinstance(values := grid[key], Mapping) and "." in key:
            # Names of values of a key of the spec: a new name sets that key alone.
            _added(override, list(values))
            grid[key] = {**values, **{label(value): {key: value} for value in override.values}}
        elif isinstance(values, Mapping):
            raise UserError(
                f"{override}: the values of {key} are names ({', '.join(values)}); add one in the "
                "study's file"
            )
        else:
            partners = study.partners(key)
            if (
                len(
                    {
                        len(extended[partner].values) if partner in extended else 0
                        for partner in partners
                    }
                )
                > 1
            ):
                raise UserError(
                    f"{override}: {' and '.join(partners)} advance together; extend each by as "
                    "many values"
                )
            # Zipped axes may repeat a value, such as one learning rate for two sizes.
            grid[key] = (
                _added(override, values) if len(partners) == 1 else [*values, *override.values]
            )
    return replace(study, grid=grid, seeds=seeds, evaluations=evaluations)


def _added(override: Override, values: Sequence[Any]) -> list[Any]:
    for value in override.values:
        if value in values:
            raise UserError(
                f"{override}: {label(value)} is already there; leave out the + to keep only that"
            )
    return [*values, *override.values]


def _extend_evaluations(
    grids: Sequence[EvaluationGrid], override: Override
) -> list[EvaluationGrid]:
    """Add the new values to every grid that has the axis."""
    axis = override.key.removeprefix("evaluations.")
    name = {
        "solver": "solvers",
        "factor": "factors",
        "steps": "steps",
        "tolerance": "tolerances",
    }.get(axis)
    if name is None:
        raise UserError(
            f"{override}: + takes evaluations.solver, evaluations.factor, evaluations.steps or "
            "evaluations.tolerance"
        )
    if not any(getattr(grid, name) for grid in grids):
        raise UserError(f"{override}: no evaluation of this study has {axis}")
    _check_positive(override, axis)
    new = [
        [
            value
            for value in override.values
            if getattr(grid, name) and value not in getattr(grid, name)
        ]
        for grid in grids
    ]
    if not any(new):
        raise UserError(f"{override}: already there; leave out the + to keep only that")
    return [
        replace(grid, **{name: [*getattr(grid, name), *values]})
        for grid, values in zip(grids, new, strict=True)
    ]


def _check_positive(override: Override, axis: str) -> None:
    if axis == "solver":
        return
    kinds = (int,) if axis == "steps" else (int, float)
    for value in override.values:
        if not isinstance(value, kinds) or isinstance(value, bool) or value <= 0:
            raise UserError(
                f"{override}: {label(value)} is not a positive "
                f"{'whole number' if axis == 'steps' else 'number'}"
            )


def _restrict(
    study: Study, declared: list[PlannedTrial], overrides: Sequence[Override]
) -> list[PlannedTrial]:
    selected = declared
    for override in overrides:
        wanted = {label(value) for value in override.values}
        section, _, axis = override.key.partition(".")
        if override.key == "seed":
            _check_seeds(override)
            _check(override, map(label, study.seeds), "among the seeds")
            selected = [trial for trial in selected if trial.spec.seed in override.values]
        elif section == "evaluations":
            labels = [
                name
                for trial in declared
                for evaluation in trial.evaluations
                for name in _labels(evaluation, axis)
            ]
            _check(override, labels, "among the evaluations", addable=axis != "grid")
            selected = [
                replace(trial, evaluations=_matching(trial.evaluations, axis, wanted))
                for trial in selected
            ]
        else:
            labels = [
                label(trial.axes[override.key]) for trial in declared if override.key in trial.axes
            ]
            override = replace(override, values=_with_commas(override, labels))
            _check(override, labels, "on the axis")
            wanted = {label(value) for value in override.values}
            selected = [
                trial
                for trial in selected
                if override.key in trial.axes and label(trial.axes[override.key]) in wanted
            ]
    if not selected:
        raise UserError(f"no trial of {study.name} has {' and '.join(map(str, overrides))} at once")
    return selected


def _with_commas(override: Override, labels: Iterable[str]) -> tuple[Any, ...]:
    """The values, with labels that contain a comma put together again, such as `Baseline, bias`."""
    known = set(labels)
    pieces, joined = list(override.values), []
    while pieces:
        length = next(
            (n for n in range(len(pieces), 1, -1) if ",".join(map(label, pieces[:n])) in known), 1
        )
        joined.append(",".join(map(label, pieces[:length])) if length > 1 else pieces[0])
        pieces = pieces[length:]
    return tuple(joined)


def _matching(
    evaluations: Iterable[PlannedEvaluation], axis: str, wanted: set[str]
) -> tuple[PlannedEvaluation, ...]:
    return tuple(
        evaluation for evaluation in evaluations if wanted.intersection(_labels(evaluation, axis))
    )


def _labels(evaluation: PlannedEvaluation, axis: str) -> list[str]:
    """The values of an evaluation on one of its axes, as people type them."""
    value = evaluation.axes[axis]
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [label(value) for value in values]


def _check(override: Override, labels: Iterable[str], place: str, addable: bool = True) -> None:
    valid = list(dict.fromkeys(labels))
    for value in map(label, override.values):
        if value not in valid:
            hint = f"; to add it: +{override.key}={value}" if addable else ""
            raise UserError(f"{override.key} = {value} is not {place} ({', '.join(valid)}){hint}")


def _check_seeds(override: Override) -> None:
    for value in override.values:
        if not isinstance(value, int) or isinstance(value, bool):
            # As it was typed: `label` writes 1.0 as 1.
            typed = value if isinstance(value, str) else json.dumps(value)
            raise UserError(f"seed = {typed}: seeds are whole numbers, such as seed=3 or seed=0..4")
