"""Overrides of a study: `key=value` and `+key=value`, as `sweeps.study.grammar` reads them.

On an axis, `key=a,b` restricts and `+key=c` extends; a registered name that the axis does not have
is added. For any other key, `key=value` changes the base and `key=a,b` makes an axis. Seeds are the
axis `seed`; evaluations have the axes evaluations.grid, evaluations.solver, evaluations.factor,
evaluations.steps and evaluations.tolerance.
"""

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sweeps.errors import UserError
from sweeps.spec import Evaluation
from sweeps.store.plans import label
from sweeps.study import EvaluationGrid, Study
from sweeps.study.grammar import Override, read
from sweeps.study.grid import Excluded, PlannedTrial, cells, expand
from sweeps.study.registered import registry
from sweeps.study.restrict import restrict

_EVALUATION_AXES = ("grid", "solver", "factor", "steps", "tolerance")


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


def select(study: Study, scale: str | None = None, texts: Iterable[str] = ()) -> Selection:
    """The trials of `study` at `scale` (None: its first) under the overrides `texts`.

    Raises UserError for an override that does not fit.
    """
    name = next(iter(study.scales)) if scale is None else scale
    study = study.at_scale(name)
    restricting: list[Override] = []
    changing: list[Override] = []
    base: dict[str, Any] = {}
    overrides = read(texts)
    extended = {override.key for override in overrides if override.extends}
    for override in overrides:
        if override.extends:
            changing.append(override)
        elif _is_axis(study, override.key):
            restricting.append(override)
            if override.key not in extended and (added := _registered(study, override)):
                changing.append(added)
        else:
            changing.append(override)
            if override.key.startswith("seed."):
                raise UserError(f"{override}: a seed has no parts; write seed=3 or seed=0..4")
            if override.key.startswith("evaluations."):
                study = _set_evaluations(study, override)
            elif len(override.values) > 1:
                study = _sweep(study, override)
            else:
                base[override.key] = override.value
    study = _extend(study, [override for override in changing if override.extends])
    try:
        declared = expand(study, base)
    except UserError as error:
        raise UserError(_explained(str(error), study, changing)) from None
    if not declared:
        raise UserError(f"study {study.name}: every cell of scale {name} is excluded")
    wording = tuple(sorted(override.wording for override in changing))
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
        restrict(study, declared, restricting),
        cells(study)[1],
    )


def matches(selection: Selection, texts: Sequence[str]) -> set[str]:
    """The selected trials that have all of these values, such as "seed=0" and "solver=euler".

    Raises UserError for what is no axis, for a value that no trial has, and if no trial matches.
    """
    study, overrides = selection.study, read(texts)
    for one in overrides:
        if one.extends or one.key.startswith("evaluations.") or not _is_axis(study, one.key):
            raise UserError(
                f"--first {one}: give values of the axes of {study.name}, which are "
                f"{', '.join((*study.grid, 'seed'))}"
            )
    return {trial.trial_id for trial in restrict(study, list(selection.selected), overrides)}


def _explained(message: str, study: Study, overrides: Sequence[Override]) -> str:
    """The message, and how it follows from an override that it does not name.

    `data.name=mnist` changes one key and keeps all others of `data`, which may not fit.
    """
    message = _as_typed(message, overrides)
    for one in overrides:
        section, _, last = one.key.rpartition(".")
        if (
            last == "name"
            and not one.extends
            and one.key not in message
            and f"{section}." in message
        ):
            whole = _chosen_with(study, one) or [f"'{section}={{name: {label(one.value)}, ...}}'"]
            return (
                f"{one} sets this key alone, and {section} keeps its other values: {message}; to "
                f"set all of {section}: {' or '.join(whole)}"
            )
    return message


def _chosen_with(study: Study, override: Override) -> list[str]:
    """`axis=name` for each name of an axis that sets the section of this override to its value."""
    section, _, last = override.key.rpartition(".")
    return [
        shlex.quote(f"{axis}={name}")
        for axis, names in study.grid.items()
        if isinstance(names, Mapping)
        for name, keys in names.items()
        if isinstance(keys, Mapping)
        and isinstance(chosen := keys.get(section), Mapping)
        and chosen.get(last) == override.value
    ]


def _as_typed(message: str, overrides: Iterable[Override]) -> str:
    """The message with the values of overrides as they were typed: 2.50, not 2.5."""
    for override in overrides:
        for value, typed in zip(override.values, override.typed, strict=True):
            message = message.replace(
                f"{override.key} = {value!r}: ", f"{override.key} = {typed.strip()}: "
            )
    return message


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


def _sweep(study: Study, override: Override) -> Study:
    """The study with one more axis, which included cells get as well."""
    key, values = override.key, override.values
    if repeated := _repeated(values):
        raise UserError(f"{override}: {label(repeated[0])} is given twice")
    include = [{**cell, key: value} for cell in study.include for value in values]
    return replace(
        study, grid={**study.grid, key: values}, include=include, swept=(*study.swept, key)
    )


def _repeated(values: Sequence[Any]) -> list[Any]:
    seen: set[str] = set()
    return [value for value in values if label(value) in seen or seen.add(label(value))]


def _set_evaluations(study: Study, override: Override) -> Study:
    field = override.key.removeprefix("evaluations.")
    valid = [name for name in Evaluation.model_fields if name != "solver"]
    if field not in valid:
        raise UserError(
            f"unknown key {override.key!r}; valid here: {', '.join([*_EVALUATION_AXES, *valid])}"
        )
    if len(override.values) > 1:
        raise UserError(f"{override}: {override.key} is no axis of evaluations; give one value")
    return replace(
        study,
        evaluations=[
            replace(grid, settings={**grid.settings, field: override.value})
            for grid in study.evaluations
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
                f"{', '.join([*grid, 'seed'])}; without + it sets the base, or makes an axis of "
                "several values"
            )
        else:
            _check_partners(study, override, extended)
            values = grid[key]
            # Zipped axes may repeat a value, such as one learning rate for two sizes.
            if isinstance(values, Mapping):
                _added(override, list(values))
                grid[key] = {**values, **_named(override, values)}
            elif len(study.partners(key)) > 1:
                grid[key] = [*values, *override.values]
            else:
                grid[key] = _added(override, values)
    return replace(study, grid=grid, seeds=seeds, evaluations=evaluations)


def _check_partners(study: Study, override: Override, extended: Mapping[str, Override]) -> None:
    partners = study.partners(override.key)
    lengths = {len(extended[partner].values) if partner in extended else 0 for partner in partners}
    if len(lengths) > 1:
        raise UserError(
            f"{override}: {' and '.join(partners)} advance together; extend each by as many values"
        )


def _added(override: Override, values: Sequence[Any]) -> list[Any]:
    for value in override.values:
        if value in values:
            raise UserError(
                f"{override}: {label(value)} is already there; leave out the + to keep only that"
            )
    if repeated := _repeated(override.values):
        raise UserError(f"{override}: {label(repeated[0])} is given twice")
    return [*values, *override.values]


def _registered(study: Study, override: Override) -> Override | None:
    """The + override that adds the registered names which an axis of names lacks."""
    values = study.grid.get(override.key)
    known = registry(values).names if isinstance(values, Mapping) else ()
    names = [
        name
        for name in dict.fromkeys(map(label, override.values))
        if name in known and name not in (values or ())
    ]
    text = f"+{override.key}={','.join(names)}"
    return Override(override.key, tuple(names), True, tuple(names), text) if names else None


def _named(override: Override, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What new names of an axis set. On a key of the spec, each sets that key alone."""
    if "." in override.key:
        return {label(value): {override.key: value} for value in override.values}
    found = registry(values)
    for value in override.values:
        if value not in found.names:
            others = ", ".join(name for name in found.names if name not in values)
            more = f" or give a registered one ({others})" if others else ""
            raise UserError(
                f"{override}: the values of {override.key} are names ({', '.join(values)}); add "
                f"one in the study's file{more}"
            )
    return {
        name: {found.key: {"name": name} if found.as_section else name} for name in override.values
    }


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
    for value, typed in zip(override.values, override.typed, strict=True):
        if not isinstance(value, kinds) or isinstance(value, bool) or value <= 0:
            raise UserError(
                f"{override}: {typed.strip()} is not a positive "
                f"{'whole number' if axis == 'steps' else 'number'}"
            )
