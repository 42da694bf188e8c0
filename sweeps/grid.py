"""From a study to its trials, completely and before anything runs: product, zip, conditional axes, include, exclude, seeds. Pure."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, TypeVar

from pydantic import ValidationError

from odecore.config import lookup
from odecore.config.solver import FixedStep
from sweeps.errors import UserError
from sweeps.spec import PROBES, Evaluation, ProbeConfig, TrialSpec, cell_id, eval_id, parse, probe_id, trial_id
from sweeps.study import EvaluationGrid, ProbeGrid, Study, matches

Cell = dict[str, Any]

_T = TypeVar("_T")


@dataclass(frozen=True)
class PlannedEvaluation:
    """One evaluation of one trial. axes: grid, solver, steps and factor as text; where several fall together, all of them, comma-separated."""

    eval_id: str
    evaluation: Evaluation
    axes: dict[str, str]


@dataclass(frozen=True)
class PlannedProbe:
    """One probe of one trial; axes as for evaluations."""

    probe_id: str
    probe: ProbeConfig
    axes: dict[str, str]


@dataclass(frozen=True)
class PlannedTrial:
    """One training run and what is done with its weights. axes: axis -> value as text, without the seed."""

    spec: TrialSpec
    trial_id: str
    cell_id: str
    axes: dict[str, str]
    evaluations: tuple[PlannedEvaluation, ...]
    probes: tuple[PlannedProbe, ...]


@dataclass(frozen=True)
class Excluded:
    """Cells left out for one reason."""

    reason: str
    cells: tuple[Cell, ...]


def text(value: Any) -> str:
    """A value as people type it: 4 for 4.0, null, true, 1e-05, and strings without quotes."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def cells(study: Study) -> tuple[list[Cell], list[Excluded]]:
    """The cells of `study` in order of its axes, and those that were excluded. A cell lacks the axes that do not exist for it (`when`)."""
    found: list[Cell] = [{}]
    for group in _groups(study):
        rows = list(zip(*(study.grid[axis] for axis in group), strict=True))
        conditions = [study.when[axis] for axis in group if axis in study.when]
        found = [
            cell | dict(zip(group, row, strict=True)) if exists else cell
            for cell in found
            for exists in (all(matches(cell, where) for where in conditions),)
            for row in (rows if exists else rows[:1])
        ]
    kept, dropped = [], {}
    for cell in found:
        reason = next((exclude.reason for exclude in study.exclude if exclude(cell)), None)
        (kept if reason is None else dropped.setdefault(reason, [])).append(cell)
    return kept + [dict(cell) for cell in study.include], [Excluded(reason, tuple(lost)) for reason, lost in dropped.items()]


def _groups(study: Study) -> list[Sequence[str]]:
    """Axes that advance together, each group at the place of its first member."""
    groups: list[Sequence[str]] = []
    for axis in study.grid:
        group = study.partners(axis)
        if group not in groups:
            groups.append(group)
    return groups


def expand(study: Study, overrides: Mapping[str, Any] | None = None) -> list[PlannedTrial]:
    """All trials of `study`, cell by cell, in the order of its axes. overrides: dotted keys that win over axes.

    Raises UserError for a spec that is not valid, and for two cells that are the same trials, naming both.
    """
    trials: list[PlannedTrial] = []
    seen: dict[str, Cell] = {}
    seeds = _seeds(study)
    for cell in cells(study)[0]:
        spec = parse(_values(study, cell, overrides or {}) | {"seed": seeds[0]})
        identity = cell_id(spec)
        if identity in seen:
            raise UserError(f"study {study.name}: two cells are the same trials: {_describe(seen[identity])} and {_describe(cell)}")
        seen[identity] = cell
        evaluations = _evaluations(study.evaluations, cell, spec)
        probes = _probes(study.probes, cell, spec)
        axes = {axis: text(value) for axis, value in cell.items()}
        for seed in seeds:
            seeded = spec.model_copy(update={"seed": seed})
            trials.append(PlannedTrial(seeded, trial_id(seeded), identity, axes, evaluations, probes))
    return trials


def _seeds(study: Study) -> list[int]:
    seeds = list(study.seeds)
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**31:
            raise UserError(f"seed = {text(seed)}: seeds are whole numbers from 0 to {2**31 - 1}, such as seed=3 or seed=0..4")
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(f"study {study.name}: give at least one seed, and each once")
    return seeds


def _describe(cell: Cell) -> str:
    return " ".join(f"{axis}={text(value)}" for axis, value in cell.items()) or "the base"


def _values(study: Study, cell: Cell, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Base, then the cell's axes, then overrides, as one nested dictionary."""
    nested: dict[str, Any] = {}
    for key, value in study.base.items():
        _set(nested, key, value)
    for axis, value in cell.items():
        choices = study.grid.get(axis)
        for key, chosen in (choices[value] if isinstance(choices, Mapping) else {axis: value}).items():
            _set(nested, key, chosen)
    for key, value in overrides.items():
        _set(nested, key, value)
    return nested


def _set(nested: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        inner = nested.get(section)
        # A copy, so that cells do not share sections of the study's base.
        nested[section] = dict(inner) if isinstance(inner, Mapping) else {}
        nested = nested[section]
    nested[last] = dict(value) if isinstance(value, Mapping) else value


def steps_for(trained: int, factor: float) -> int:
    """ceil(trained * factor), at least 1 (Ott 2021 evaluates at factors of the number of steps). Exact: 30 * 0.1 is 3, not 4."""
    return max(1, math.ceil(trained * Fraction(str(factor))))


def _evaluations(grids: Iterable[EvaluationGrid], cell: Cell, spec: TrialSpec) -> tuple[PlannedEvaluation, ...]:
    found: dict[str, tuple[Evaluation, dict[str, list[str]]]] = {}
    for grid in grids:
        if not matches(cell, grid.where):
            continue
        settings: list[tuple[int, str | None]] = [(steps, None) for steps in grid.steps]
        settings += [(steps_for(_trained_steps(spec, grid.name), factor), text(factor)) for factor in grid.factors]
        for solver, (steps, factor) in product(grid.solvers, settings):
            one = _section("evaluations", Evaluation.model_validate_json, {**grid.settings, "solver": _solver(spec, solver, steps)})
            _add(found, eval_id(one), one, {"grid": grid.name, "solver": solver, "steps": str(steps), "factor": factor})
    return tuple(PlannedEvaluation(identity, one, _joined(axes)) for identity, (one, axes) in found.items())


def _probes(grids: Iterable[ProbeGrid], cell: Cell, spec: TrialSpec) -> tuple[PlannedProbe, ...]:
    found: dict[str, tuple[ProbeConfig, dict[str, list[str]]]] = {}
    for grid in grids:
        if not matches(cell, grid.where):
            continue
        for factor in grid.factors:
            solver, steps = spec.solver.name, steps_for(_trained_steps(spec, grid.name), factor)
            one = _section("probes", PROBES.validate_json, {**grid.settings, "name": grid.probe, "solver": _solver(spec, solver, steps)})
            _add(found, probe_id(one), one, {"grid": grid.name, "solver": solver, "steps": str(steps), "factor": text(factor)})
    return tuple(PlannedProbe(identity, one, _joined(axes)) for identity, (one, axes) in found.items())


def _trained_steps(spec: TrialSpec, grid: str) -> int:
    if not isinstance(spec.solver, FixedStep):
        raise UserError(f"evaluations {grid!r}: factors of the number of steps need a net trained with fixed steps, not {spec.solver.name}")
    return spec.solver.steps


def _solver(spec: TrialSpec, name: str, steps: int) -> dict[str, Any]:
    """A fixed-step test solver, on the backend that the net was trained with."""
    valid = [solver for solver, entry in lookup.SOLVERS.items() if entry.config is FixedStep]
    if name not in valid:
        raise UserError(f"unknown test solver {name!r}; choose from {', '.join(valid)}")
    return {"name": name, "steps": steps, "backend": spec.solver.backend}


def _section(kind: str, validate: Any, values: dict[str, Any]) -> Any:
    try:
        return validate(json.dumps(values))
    except ValidationError as error:
        first: Any = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part not in lookup.SOLVERS)
        if first["type"] == "value_error":
            raise UserError(f"{kind}: {first['ctx']['error']}") from None
        raise UserError(f"{kind}.{key} = {text(first['input'])}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def _add(found: dict[str, tuple[_T, dict[str, list[str]]]], identity: str, one: _T, names: Mapping[str, str | None]) -> None:
    """Add `one`, or only the names it has here when it is there already."""
    _, axes = found.setdefault(identity, (one, {}))
    for axis, name in names.items():
        if name is not None and name not in axes.setdefault(axis, []):
            axes[axis].append(name)


def _joined(axes: dict[str, list[str]]) -> dict[str, str]:
    return {axis: ",".join(values) for axis, values in axes.items()}
