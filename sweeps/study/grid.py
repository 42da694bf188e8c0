"""From a study to its trials, completely and before anything runs.

Product, zip, conditional axes, include, exclude, seeds. The functions are pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.errors import UserError
from sweeps.spec import TrialSpec, cell_id, parse, trial_id
from sweeps.store.plans import axis_words, label
from sweeps.study import Dependent, Study, matches, plain_data
from sweeps.study.derived import (
    PlannedEvaluation,
    PlannedProbe,
    planned_evaluations,
    planned_probes,
)

Cell = dict[str, Any]


@dataclass(frozen=True)
class PlannedTrial:
    """One training run, and its evaluations and probes. axes: axis -> value, without the seed."""

    spec: TrialSpec
    trial_id: str
    cell_id: str
    axes: dict[str, Any]
    evaluations: tuple[PlannedEvaluation, ...]
    probes: tuple[PlannedProbe, ...]


@dataclass(frozen=True)
class Excluded:
    """Cells left out for one reason."""

    reason: str
    cells: tuple[Cell, ...]


def cells(study: Study) -> tuple[list[Cell], list[Excluded]]:
    """The cells of `study` in order of its axes, and those that were excluded.

    A cell lacks the axes that do not exist for it (`when`).
    """
    product: list[Cell] = [{}]
    for group in _groups(study):
        rows = list(zip(*(study.grid[axis] for axis in group), strict=True))
        conditions = [study.when[axis] for axis in group if axis in study.when]
        product = [
            cell | dict(zip(group, row, strict=True)) if exists else cell
            for cell in product
            for exists in (all(matches(cell, where) for where in conditions),)
            for row in (rows if exists else rows[:1])
        ]
    kept, dropped = [], {}
    for cell in product:
        reason = next((exclude.reason for exclude in study.exclude if exclude(cell)), None)
        (kept if reason is None else dropped.setdefault(reason, [])).append(cell)
    return kept + [dict(cell) for cell in study.include], [
        Excluded(reason, tuple(lost)) for reason, lost in dropped.items()
    ]


def _groups(study: Study) -> list[Sequence[str]]:
    """Axes that advance together, each group at the place of its first member."""
    groups: list[Sequence[str]] = []
    for axis in study.grid:
        group = study.partners(axis)
        if group not in groups:
            groups.append(group)
    return groups


def expand(study: Study, overrides: Mapping[str, Any] | None = None) -> list[PlannedTrial]:
    """All trials of `study`, cell by cell, in the order of its axes.

    overrides: dotted keys that win over axes. Raises UserError for a spec that is not valid, and
    for two cells that are the same trials; it names both.
    """
    trials: list[PlannedTrial] = []
    seen: dict[str, Cell] = {}
    seeds = _seeds(study)
    for cell in cells(study)[0]:
        values = _values(study, cell, overrides or {})
        if "seed" in values:
            raise UserError(f"study {study.name} sets seed; give the seeds as seeds=(0, 1, 2)")
        spec = parse(values | {"seed": seeds[0]})
        identity = cell_id(spec)
        if identity in seen:
            raise UserError(
                f"study {study.name}: two cells are the same trials: {_describe(seen[identity])} "
                f"and {_describe(cell)}"
            )
        seen[identity] = cell
        evaluations = planned_evaluations(study.evaluations, cell, spec)
        probes = planned_probes(study.probes, cell, spec)
        for seed in seeds:
            seeded = spec.model_copy(update={"seed": seed})
            trials.append(
                PlannedTrial(seeded, trial_id(seeded), identity, cell, evaluations, probes)
            )
    return trials


def _seeds(study: Study) -> list[int]:
    seeds = list(study.seeds)
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**31:
            raise UserError(
                f"seed = {label(seed)}: seeds are whole numbers from 0 to {2**31 - 1}, such as "
                "seed=3 or seed=0..4"
            )
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(f"study {study.name}: give at least one seed, and each once")
    return seeds


def _describe(cell: Cell) -> str:
    return " ".join(axis_words(cell)) or "the base"


def _values(study: Study, cell: Cell, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Base, then the cell's axes, then overrides of scale and user, as one nested dictionary.

    Axes that the user made come last.
    """
    nested: dict[str, Any] = {}
    for key, value in study.base.items():
        _set(nested, key, value)
    for axis, value in cell.items():
        choices = study.grid.get(axis)
        keys = choices[value] if isinstance(choices, Mapping) else {axis: value}
        if callable(keys):
            keys = _called(keys, nested, f"study {study.name}: {axis} = {value}")
        for key, chosen in keys.items():
            _set(nested, key, chosen)
    swept = {axis: cell[axis] for axis in study.swept}
    for key, value in [*study.overrides.items(), *overrides.items(), *swept.items()]:
        _set(nested, key, value)
    return nested


def _called(function: Dependent, values: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """The keys that a user's function gives. Raises UserError if it fails."""
    try:
        found = function(values)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{place}: its function failed: {type(error).__name__}: {error}") from error
    return plain_data.section(found, place)


def _set(nested: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        inner = nested.get(section)
        # A copy, so that cells do not share sections of the study's base.
        nested[section] = dict(inner) if isinstance(inner, Mapping) else {}
        nested = nested[section]
    nested[last] = dict(value) if isinstance(value, Mapping) else value
