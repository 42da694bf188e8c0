"""Evaluations and probes from a study's grids.

For nets trained with fixed steps, with a tolerance, adapted, or without an ODE.
"""

from typing import Any

import pytest

from odecore.config.evaluation import LayerStatistics, Series, Trajectory
from sweeps.errors import UserError
from sweeps.spec import parse
from sweeps.study import EvaluationGrid, ProbeGrid
from sweeps.study.derived import planned_evaluations, planned_probes, tolerance_for

BASE: dict[str, Any] = {
    "data": {"name": "spheres"},
    "model": {"name": "flat_node"},
    "train": {"iterations": 1},
}
FIXED = parse({**BASE, "solver": {"name": "euler", "steps": 4}})
ADAPTIVE = parse(
    {**BASE, "solver": {"name": "dopri5", "tolerance": 1e-3, "backend": "torchdiffeq"}}
)
ADAPTED = parse({**BASE, "solver": {"name": "adapted_euler"}})
NO_ODE = parse({**BASE, "data": {"name": "mnist"}, "model": {"name": "dense", "layers": 1}})


def _axes(grid: str, solver: str | None, **given: Any) -> dict[str, Any]:
    return {
        "grid": [grid],
        "solver": solver,
        "factor": [],
        "steps": None,
        "tolerance": None,
    } | given


def solvers_of(grid: EvaluationGrid, spec: Any) -> list[Any]:
    return [
        one.evaluation.solver.model_dump() if one.evaluation.solver else None
        for one in planned_evaluations((grid,), {}, spec)
    ]


def test_fixed_solvers_take_steps_and_adaptive_ones_tolerances() -> None:
    grid = EvaluationGrid(
        "all",
        ("euler", "rk4", "dopri5"),
        steps=(2, 8),
        tolerances=(1e-2, 1e-7),
        max_evaluations=5_000,
    )
    found = solvers_of(grid, FIXED)
    assert [(one["name"], one.get("steps"), one.get("tolerance")) for one in found] == [
        ("euler", 2, None),
        ("euler", 8, None),
        ("rk4", 2, None),
        ("rk4", 8, None),
        ("dopri5", None, 1e-2),
        ("dopri5", None, 1e-7),
    ]
    assert found[-1]["max_evaluations"] == 5_000
    axes = planned_evaluations((grid,), {}, FIXED)[-1].axes
    assert axes == _axes("all", "dopri5", tolerance=1e-7)


def test_factors_scale_what_the_net_was_trained_with() -> None:
    steps = solvers_of(EvaluationGrid("factors", ("midpoint",), factors=(0.5, 2)), FIXED)
    assert [one["steps"] for one in steps] == [2, 8]
    tolerances = solvers_of(
        EvaluationGrid("factors", ("fehlberg2", "dopri5"), factors=(0.1, 1, 10)), ADAPTIVE
    )
    assert [one["tolerance"] for one in tolerances] == [1e-4, 1e-3, 1e-2] * 2
    assert {one["backend"] for one in tolerances} == {"torchdiffeq"}
    assert tolerance_for(1e-3, 0.1) == 1e-4


@pytest.mark.parametrize(
    "spec", [FIXED, ADAPTIVE, ADAPTED, NO_ODE], ids=["fixed", "adaptive", "adapted", "no ODE"]
)
def test_as_trained(spec: Any) -> None:
    grid = EvaluationGrid("on training images", settings={"split": "train"})
    [one] = planned_evaluations((grid,), {}, spec)
    assert one.evaluation.solver is None
    assert one.evaluation.split == "train"
    assert one.axes == _axes("on training images", "trained")


@pytest.mark.parametrize(
    ("grid", "spec", "says"),
    [
        (
            EvaluationGrid("g", ("dopri5",), factors=(1,)),
            FIXED,
            "factors need a net trained with a tolerance, not euler",
        ),
        (
            EvaluationGrid("g", ("euler",), factors=(1,)),
            ADAPTIVE,
            "factors need a net trained with fixed steps, not dopri5",
        ),
        (
            EvaluationGrid("g", ("euler",), factors=(1,)),
            NO_ODE,
            "factors need a net trained with fixed steps, not no solver",
        ),
        (
            EvaluationGrid("g", ("euler",), tolerances=(1e-3,)),
            FIXED,
            "the test solver euler needs steps or factors",
        ),
        (
            EvaluationGrid("g", ("dopri5",), steps=(3,)),
            FIXED,
            "the test solver dopri5 needs tolerances or factors",
        ),
        (
            EvaluationGrid("g", ("adapted_euler",), steps=(3,)),
            FIXED,
            "unknown test solver 'adapted_euler'; choose from euler",
        ),
    ],
)
def test_settings_without_a_meaning(grid: EvaluationGrid, spec: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        planned_evaluations((grid,), {}, spec)


def test_factors_beside_absolute_settings_are_refused() -> None:
    with pytest.raises(UserError, match="either factors, or steps and tolerances"):
        EvaluationGrid("g", ("euler",), factors=(1,), steps=(2,))


def test_probes_under_the_training_solver_another_one_or_none() -> None:
    dopri5 = {"name": "dopri5", "tolerance": 1e-3}
    grids = (
        ProbeGrid("paths", "trajectory", factors=(1, 2), settings={"points": 3}),
        ProbeGrid("statistics", "layer_statistics", solver=dopri5),
        ProbeGrid("by iteration", "series"),
    )
    first, second, statistics, series = planned_probes(grids, {}, FIXED)
    assert isinstance(second.probe, Trajectory)
    assert (first.axes["steps"], second.axes["steps"]) == (4, 8)
    assert isinstance(statistics.probe, LayerStatistics)
    assert statistics.axes == _axes("statistics", "dopri5", tolerance=0.001)
    assert series.probe == Series()
    assert series.axes == _axes("by iteration", None)
    [scaled] = planned_probes((ProbeGrid("p", "trajectory", factors=(0.1,)),), {}, ADAPTIVE)
    assert scaled.axes == _axes("p", "dopri5", tolerance=0.0001, factor=[0.1])
