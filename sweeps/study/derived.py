"""Evaluations and probes of one trial, from the grids that a study declares.

The functions are pure.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from pydantic import ValidationError

from odecore.config import lookup
from odecore.config.solver import Adaptive, FixedStep
from sweeps.errors import UserError
from sweeps.spec import PROBES, Evaluation, ProbeConfig, TrialSpec, eval_id, probe_id
from sweeps.store.plans import label
from sweeps.study import TRAINED, EvaluationGrid, ProbeGrid, matches

_T = TypeVar("_T")
# A test solver as plain data, and its factor, None if the setting is absolute.
_Setting = tuple[dict[str, Any] | None, float | None]
# Identity -> what is planned, and its axes.
_Planned = dict[str, tuple[_T, dict[str, Any]]]


@dataclass(frozen=True)
class PlannedEvaluation:
    """One evaluation of one trial.

    axes: the fields `grid` and `factor`, lists of all that are the same evaluation, and `solver`,
    `steps` and `tolerance`, None if it has none.
    """

    eval_id: str
    evaluation: Evaluation
    axes: dict[str, Any]


@dataclass(frozen=True)
class PlannedProbe:
    """One probe of one trial; axes as for evaluations."""

    probe_id: str
    probe: ProbeConfig
    axes: dict[str, Any]


def planned_evaluations(
    grids: Iterable[EvaluationGrid], cell: Mapping[str, Any], spec: TrialSpec
) -> tuple[PlannedEvaluation, ...]:
    """The evaluations of a trial of `cell`, each once.

    Raises UserError for a setting that has no meaning for its training.
    """
    planned: _Planned[Evaluation] = {}
    for grid in grids:
        if not matches(cell, grid.where):
            continue
        for name in grid.solvers:
            for setting in _settings(grid, name, spec):
                values = {**grid.settings, "solver": setting[0]}
                evaluation = _section("evaluations", Evaluation.model_validate_json, values)
                _add(planned, eval_id(evaluation), evaluation, grid.name, name, setting)
    return tuple(PlannedEvaluation(identity, *rest) for identity, rest in planned.items())


def planned_probes(
    grids: Iterable[ProbeGrid], cell: Mapping[str, Any], spec: TrialSpec
) -> tuple[PlannedProbe, ...]:
    """The probes of a trial of `cell`, each once."""
    planned: _Planned[ProbeConfig] = {}
    for grid in grids:
        if not matches(cell, grid.where):
            continue
        settings: list[_Setting] = [(None, None)]
        if grid.solver is not None:
            settings = [(dict(grid.solver), None)]
        elif grid.probe != "series":
            trained = _trained_solver(spec, grid.name)
            settings = [_scaled(trained.name, trained, factor) for factor in grid.factors]
        for setting in settings:
            solver = setting[0]
            values = {**grid.settings, "name": grid.probe} | ({"solver": solver} if solver else {})
            probe = _section("probes", PROBES.validate_json, values)
            name = solver["name"] if solver else None
            _add(planned, probe_id(probe), probe, grid.name, name, setting)
    return tuple(PlannedProbe(identity, *rest) for identity, rest in planned.items())


def steps_for(trained: int, factor: float) -> int:
    """ceil(trained * factor), at least 1. Exact: 30 * 0.1 is 3, not 4.

    Ott 2021 evaluates at factors of the number of steps.
    """
    return max(1, math.ceil(trained * Fraction(str(factor))))


def tolerance_for(trained: float, factor: float) -> float:
    """Trained * factor, as people would write it: .001 * .1 is .0001."""
    return float(Fraction(str(trained)) * Fraction(str(factor)))


def _settings(grid: EvaluationGrid, name: str, spec: TrialSpec) -> list[_Setting]:
    """The test solver `name` in all settings of `grid`."""
    if name == TRAINED:
        return [(None, None)]
    kind = _kind(name)
    capped = (
        {"max_evaluations": grid.max_evaluations}
        if grid.max_evaluations and kind is Adaptive
        else {}
    )
    absolute = (
        [("steps", value) for value in grid.steps]
        if kind is FixedStep
        else [("tolerance", value) for value in grid.tolerances]
    )
    settings: list[_Setting] = [
        ({"name": name, field: value, **_backend(spec), **capped}, None)
        for field, value in absolute
    ]
    for factor in grid.factors:
        solver, _ = _scaled(name, _trained_solver(spec, grid.name, kind), factor)
        settings.append(({**(solver or {}), **capped}, factor))
    if not settings:
        missing = "steps or factors" if kind is FixedStep else "tolerances or factors"
        raise UserError(f"evaluations {grid.name!r}: the test solver {name} needs {missing}")
    return settings


def _scaled(name: str, trained: FixedStep | Adaptive, factor: float) -> _Setting:
    """Solver `name` with `factor` times the steps or the tolerance of the training."""
    if isinstance(trained, FixedStep):
        setting: dict[str, Any] = {"steps": steps_for(trained.steps, factor)}
    else:
        setting = {"tolerance": tolerance_for(trained.tolerance, factor)}
    return {"name": name, **setting, "backend": trained.backend}, factor


def _trained_solver(
    spec: TrialSpec, grid: str, kind: type[FixedStep] | type[Adaptive] | None = None
) -> FixedStep | Adaptive:
    solver = spec.solver
    if not isinstance(solver, kind or (FixedStep, Adaptive)):
        given = solver.name if solver else "no solver"
        wanted = "a tolerance" if kind is Adaptive else "fixed steps"
        raise UserError(
            f"evaluations {grid!r}: factors need a net trained with {wanted}, not {given}"
        )
    return solver


def _kind(name: str) -> type[FixedStep] | type[Adaptive]:
    valid = {
        solver: record
        for solver, record in lookup.SOLVERS.items()
        if record in (FixedStep, Adaptive)
    }
    if name not in valid:
        raise UserError(
            f"unknown test solver {name!r}; choose from {', '.join(valid)} or {TRAINED}"
        )
    return FixedStep if valid[name] is FixedStep else Adaptive


def _backend(spec: TrialSpec) -> dict[str, str]:
    """The backend that the net was trained with."""
    return {"backend": getattr(spec.solver, "backend", "odecore")}


def _section(kind: str, validate: Any, values: dict[str, Any]) -> Any:
    try:
        return validate(json.dumps(values))
    except ValidationError as error:
        first: Any = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part not in lookup.SOLVERS)
        if first["type"] == "value_error":
            raise UserError(f"{kind}: {first['ctx']['error']}") from None
        raise UserError(
            f"{kind}.{key} = {label(first['input'])}: {first['msg'][0].lower()}{first['msg'][1:]}"
        ) from None


def _add(
    planned: _Planned[_T],
    identity: str,
    item: _T,
    grid: str,
    name: str | None,
    setting: _Setting,
) -> None:
    """Add `item`. If it is already there, add only the grid and the factor that ask for it."""
    solver, factor = setting
    at = {axis: (solver or {}).get(axis) for axis in ("steps", "tolerance")}
    _, axes = planned.setdefault(identity, (item, {"grid": [], "solver": name, "factor": [], **at}))
    for axis, value in (("grid", grid), ("factor", factor)):
        if value is not None and value not in axes[axis]:
            axes[axis].append(value)
