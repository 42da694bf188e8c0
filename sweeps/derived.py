"""Evaluations and probes of one trial, from the grids that a study declares. Pure."""

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
from sweeps.study import TRAINED, EvaluationGrid, ProbeGrid, matches

_T = TypeVar("_T")
# A test solver as plain data with the names of its axes, factor None where the setting is absolute.
_Setting = tuple[dict[str, Any] | None, dict[str, str | None]]


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


def text(value: Any) -> str:
    """A value as people type it: 4 for 4.0, null, true, 1e-05, and strings without quotes."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def planned_evaluations(
    grids: Iterable[EvaluationGrid], cell: Mapping[str, Any], spec: TrialSpec
) -> tuple[PlannedEvaluation, ...]:
    """The evaluations of a trial of `cell`, each once. Raises UserError for a setting that its training gives no meaning to."""
    found: dict[str, tuple[Evaluation, dict[str, list[str]]]] = {}
    for grid in grids:
        if not matches(cell, grid.where):
            continue
        for name in grid.solvers:
            for solver, axes in _settings(grid, name, spec):
                one = _section(
                    "evaluations",
                    Evaluation.model_validate_json,
                    {**grid.settings, "solver": solver},
                )
                _add(found, eval_id(one), one, {"grid": grid.name, "solver": name, **axes})
    return tuple(
        PlannedEvaluation(identity, one, _joined(axes)) for identity, (one, axes) in found.items()
    )


def planned_probes(
    grids: Iterable[ProbeGrid], cell: Mapping[str, Any], spec: TrialSpec
) -> tuple[PlannedProbe, ...]:
    """The probes of a trial of `cell`, each once."""
    found: dict[str, tuple[ProbeConfig, dict[str, list[str]]]] = {}
    for grid in grids:
        if not matches(cell, grid.where):
            continue
        settings: list[_Setting] = [(None, {})]
        if grid.solver is not None:
            settings = [
                (
                    dict(grid.solver),
                    {
                        name: text(grid.solver[name])
                        for name in ("steps", "tolerance")
                        if name in grid.solver
                    },
                )
            ]
        elif grid.probe != "series":
            trained = _trained_solver(spec, grid.name)
            settings = [_scaled(trained.name, trained, factor) for factor in grid.factors]
        for solver, axes in settings:
            values = {**grid.settings, "name": grid.probe} | ({"solver": solver} if solver else {})
            one = _section("probes", PROBES.validate_json, values)
            _add(
                found,
                probe_id(one),
                one,
                {"grid": grid.name, "solver": solver["name"] if solver else None, **axes},
            )
    return tuple(
        PlannedProbe(identity, one, _joined(axes)) for identity, (one, axes) in found.items()
    )


def steps_for(trained: int, factor: float) -> int:
    """ceil(trained * factor), at least 1 (Ott 2021 evaluates at factors of the number of steps). Exact: 30 * 0.1 is 3, not 4."""
    return max(1, math.ceil(trained * Fraction(str(factor))))


def tolerance_for(trained: float, factor: float) -> float:
    """Trained * factor, as people would write it: .001 * .1 is .0001."""
    return float(Fraction(str(trained)) * Fraction(str(factor)))


def _settings(grid: EvaluationGrid, name: str, spec: TrialSpec) -> list[_Setting]:
    """The test solver `name` in all settings that `grid` has for it."""
    if name == TRAINED:
        return [(None, {})]
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
    found: list[_Setting] = [
        ({"name": name, field: value, **_backend(spec), **capped}, {field: text(value)})
        for field, value in absolute
    ]
    for factor in grid.factors:
        solver, axes = _scaled(name, _trained_solver(spec, grid.name, kind), factor)
        found.append(({**(solver or {}), **capped}, axes))
    if not found:
        missing = "steps or factors" if kind is FixedStep else "tolerances or factors"
        raise UserError(f"evaluations {grid.name!r}: the test solver {name} needs {missing}")
    return found


def _scaled(name: str, trained: FixedStep | Adaptive, factor: float) -> _Setting:
    """Solver `name` with `factor` times the steps or the tolerance of the training."""
    if isinstance(trained, FixedStep):
        steps = steps_for(trained.steps, factor)
        return {"name": name, "steps": steps, "backend": trained.backend}, {
            "steps": str(steps),
            "factor": text(factor),
        }
    tolerance = tolerance_for(trained.tolerance, factor)
    return {"name": name, "tolerance": tolerance, "backend": trained.backend}, {
        "tolerance": text(tolerance),
        "factor": text(factor),
    }


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
        solver: entry.config
        for solver, entry in lookup.SOLVERS.items()
        if entry.config in (FixedStep, Adaptive)
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
            f"{kind}.{key} = {text(first['input'])}: {first['msg'][0].lower()}{first['msg'][1:]}"
        ) from None


def _add(
    found: dict[str, tuple[_T, dict[str, list[str]]]],
    identity: str,
    one: _T,
    names: Mapping[str, str | None],
) -> None:
    """Add `one`, or only the names it has here when it is there already."""
    _, axes = found.setdefault(identity, (one, {}))
    for axis, name in names.items():
        if name is not None and name not in axes.setdefault(axis, []):
            axes[axis].append(name)


def _joined(axes: dict[str, list[str]]) -> dict[str, str]:
    return {axis: ",".join(values) for axis, values in axes.items()}
