"""What holds for every solver, on random linear systems: shapes, types, times, accuracy, and that
time and batches mean what they say.
"""

import itertools
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from trainings import make

from odecore import solvers
from odecore.config import TrialSpec, lookup
from odecore.config.solver import SolverConfig
from odecore.solvers.base import Solver, SolveStatus

PARSE = TypeAdapter(SolverConfig).validate_python
MANY = settings(max_examples=15, derandomize=True)


def configs() -> dict[str, dict[str, Any]]:
    """Every solver that can be named, with both backends where it has two."""
    found: dict[str, dict[str, Any]] = {}
    for name in lookup.SOLVERS:
        if name.startswith("adapted_"):
            extra = (
                {"test": "rk4_38"}
                if name == "adapted_midpoint"
                else {"tolerance": 1e-5}
                if name in ("adapted_fehlberg2", "adapted_dopri5")
                else {}
            )
            found[name] = {"name": name, **extra}
            continue
        accuracy = (
            {"steps": 16}
            if lookup.SOLVERS[name].builder.endswith("fixed_step")
            else {"tolerance": 1e-5}
        )
        for backend in ("odecore", "torchdiffeq"):
            if (name, backend) != ("rk4", "torchdiffeq"):
                found[f"{name}-{backend}"] = {"name": name, "backend": backend, **accuracy}
    return found


CONFIGS = configs()
EVERY = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
OWN = pytest.mark.parametrize(
    "config",
    [c for c in CONFIGS.values() if c.get("backend") != "torchdiffeq"],
    ids=lambda c: c["name"],
)


def build(config: dict[str, Any]) -> Solver:
    solver = solvers.build(PARSE(config))
    if config["name"] in ("adapted_euler", "adapted_midpoint"):
        # One step size for all examples of a test.
        vars(solver)["value"] = 0.07
    return solver


def expected_error(config: dict[str, Any], solver: Solver) -> float:
    """Far above the method's error on systems of norm 1/2, and far below what a wrong formula would
    make.
    """
    if "adapted" in config["name"] and "tolerance" not in config:
        return 0.07**solver.order
    if "steps" in config:
        return (1 / config["steps"]) ** solver.order
    # torchdiffeq steps past the end and interpolates back.
    return 1e-2 if config.get("backend") == "torchdiffeq" else 3e-3


@st.composite
def systems(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """A (d, d) of norm 1/2 and x0 (batch, d) in float64."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    size, batch = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    matrix = torch.randn(size, size, dtype=torch.float64, generator=generator)
    return matrix / (2 * torch.linalg.matrix_norm(matrix, 2)), torch.randn(
        batch, size, dtype=torch.float64, generator=generator
    )


@EVERY
@MANY
@given(system=systems(), end=st.floats(0.2, 1.5))
def test_linear_systems_end_near_the_matrix_exponential(
    config: dict[str, Any], system: tuple[Tensor, Tensor], end: float
) -> None:
    matrix, x0 = system
    solver = build(config)
    solution = solver(lambda _t, x: x @ matrix.T, x0, 0.0, end)
    assert solution.status is SolveStatus.OK
    exact = x0 @ torch.linalg.matrix_exp(end * matrix).T
    assert (solution.x1 - exact).norm() <= expected_error(config, solver) * (1 + x0.norm()) * end


@EVERY
@MANY
@given(
    shape=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    start=st.floats(-1, 1),
    length=st.floats(0.1, 1.5),
)
def test_shapes_types_and_times(
    config: dict[str, Any], shape: list[int], dtype: torch.dtype, start: float, length: float
) -> None:
    x0 = torch.linspace(-1, 1, torch.Size(shape).numel(), dtype=dtype).reshape(shape)
    seen: list[tuple[float, Tensor]] = []
    calls: list[float] = []

    def f(t: float, x: Tensor) -> Tensor:
        assert isinstance(t, float)
        assert (x.shape, x.dtype) == (x0.shape, dtype)
        calls.append(t)
        return torch.cos(x) * t

    before = x0.clone()
    solution = build(config)(
        f, x0, start, start + length, on_step=lambda t, x: seen.append((t, x.clone()))
    )
    assert torch.equal(x0, before)
    assert (solution.x1.shape, solution.x1.dtype, solution.status) == (
        x0.shape,
        dtype,
        SolveStatus.OK,
    )
    assert solution.nfe == len(calls)
    times = [t for t, _ in seen]
    assert len(times) == solution.steps_accepted
    assert all(earlier < later for earlier, later in itertools.pairwise([start, *times]))
    assert times[-1] == start + length
    assert torch.equal(seen[-1][1], solution.x1)
    assert min(calls) == pytest.approx(start)
    if config.get("backend") != "torchdiffeq":
        # The second of an adaptive solve is that of the first step size, which knows no end.
        assert max(calls[:1] + calls[2:]) <= start + length + 1e-9


@EVERY
@MANY
@given(start=st.floats(-2, 2))
def test_only_the_time_that_f_sees_decides(config: dict[str, Any], start: float) -> None:
    x0 = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    shifted = build(config)(lambda t, x: torch.sin(x) + (t - start) ** 2, x0, start, start + 1)
    plain = build(config)(lambda t, x: torch.sin(x) + t**2, x0)
    # The times differ by rounding only.
    torch.testing.assert_close(shifted.x1, plain.x1, rtol=1e-6, atol=1e-6)
    # dx/dt = 3 t^2 is t^3.
    cube = build(config)(lambda t, x: torch.full_like(x, 3 * t**2), x0).x1 - x0
    assert (cube - 1).abs().max() < 0.15


@pytest.mark.parametrize(
    "config",
    [
        c
        for c in CONFIGS.values()
        if "steps" in c or ("adapted" in c["name"] and "tolerance" not in c)
    ],
    ids=str,
)
@MANY
@given(system=systems(), factor=st.floats(-10, 10))
def test_fixed_steps_treat_every_sample_alone_and_are_linear(
    config: dict[str, Any], system: tuple[Tensor, Tensor], factor: float
) -> None:
    matrix, x0 = system
    solver = build(config)
    whole = solver(lambda _t, x: x @ matrix.T, x0).x1
    one_by_one = torch.cat([solver(lambda _t, x: x @ matrix.T, row).x1 for row in x0.split(1)])
    torch.testing.assert_close(whole, one_by_one, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        solver(lambda _t, x: x @ matrix.T, factor * x0).x1, factor * whole, rtol=1e-9, atol=1e-10
    )


@EVERY
def test_an_empty_batch_stays_empty(config: dict[str, Any]) -> None:
    weight = torch.ones(3, requires_grad=True)
    solution = build(config)(lambda _t, x: -x * weight, torch.empty(0, 3))
    assert (solution.status, solution.x1.shape) == (SolveStatus.OK, (0, 3))
    solution.x1.sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [0.0] * 3


@EVERY
def test_no_time_changes_nothing(config: dict[str, Any]) -> None:
    x0 = torch.randn(2, 3)
    for solver in (build(config), solvers.build(PARSE(config))):
        solution = solver(lambda _t, _x: pytest.fail("called"), x0, 0.7, 0.7)
        assert (solution.status, solution.nfe) == (SolveStatus.OK, 0)
        assert torch.equal(solution.x1, x0)


@EVERY
@MANY
@given(system=systems(), start=st.floats(-1, 1), length=st.floats(0.2, 1.5))
def test_the_way_back_leads_to_the_start(
    config: dict[str, Any], system: tuple[Tensor, Tensor], start: float, length: float
) -> None:
    matrix, x0 = system
    seen: list[float] = []

    def f(t: float, x: Tensor) -> Tensor:
        return x @ matrix.T + t

    solver = build(config)
    there = solver(f, x0, start, start + length).x1
    back = solver(f, there, start + length, start, on_step=lambda t, _x: seen.append(t))
    assert back.status is SolveStatus.OK
    assert len(seen) == back.steps_accepted
    assert all(later < earlier for earlier, later in itertools.pairwise(seen))
    assert seen[-1] == start
    bound = expected_error(config, solver) * (1 + x0.norm() + abs(start)) * max(length, 1)
    assert (back.x1 - x0).norm() <= 8 * bound


def combinations() -> dict[str, dict[str, Any]]:
    """Every solver with every gradient that a spec allows, as sections of a spec."""
    gradients = (
        {"name": "backprop"},
        {"name": "checkpoint"},
        {"name": "checkpoint", "every": "step"},
        {"name": "adjoint"},
    )
    shared = {
        "data": {"name": "spheres"},
        "model": {"name": "flat_node"},
        "train": {"iterations": 1},
    }
    found: dict[str, dict[str, Any]] = {}
    for (label, solver), gradient in itertools.product(CONFIGS.items(), gradients):
        sections = {"solver": solver, "gradient": gradient}
        try:
            TrialSpec.model_validate(shared | sections)
        except ValidationError:
            continue
        found["-".join([label, *gradient.values()])] = sections
    return found


COMBINATIONS = combinations()


def test_a_spec_refuses_what_cannot_be_done() -> None:
    # 9 solvers with backend odecore: 4 gradients, the adjoint not with rk4. 8 with torchdiffeq: not
    # by step. 4 adapted: back-propagation.
    assert len(COMBINATIONS) == 9 * 4 - 1 + 8 * 3 + 4


@pytest.mark.parametrize("sections", COMBINATIONS.values(), ids=COMBINATIONS.keys())
def test_each_solver_trains_with_each_gradient(sections: dict[str, Any]) -> None:
    def gradients(sections: dict[str, Any]) -> list[Tensor]:
        training = make({"iterations": 1, "optimizer": {"name": "sgd", "lr": 1e-3}}, **sections)
        training.step()
        assert training.outcome is None
        assert training.nfe_forward > 0
        assert (training.nfe_backward > 0) is (sections["gradient"]["name"] != "backprop")
        return [p.grad for p in training.model.parameters() if p.grad is not None]

    found = gradients(sections)
    plain = gradients(sections | {"gradient": {"name": "backprop"}})
    assert any(gradient.abs().max() > 0 for gradient in found)
    if sections["gradient"]["name"] == "adjoint":
        # The gradient of the solution, not of the steps; Euler's 16 are the coarsest.
        scale = max(gradient.norm() for gradient in plain)
        assert all(
            (one - other).norm() < 0.15 * scale for one, other in zip(found, plain, strict=True)
        )
    else:
        assert all(torch.equal(one, other) for one, other in zip(found, plain, strict=True))
