"""How solves end that do not reach t1, and what they report about it."""

import math
import pickle
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from odecore import solvers
from odecore.config.solver import (
    AdaptedStep,
    AdaptedTolerance,
    Adaptive,
    Backend,
    FixedStep,
    SolverConfig,
)
from odecore.config.solver_methods import EMBEDDED_PAIRS
from odecore.solvers.base import SolveFailed, SolveStatus
from odecore.solvers.explicit_rk import initial_step, next_step

BACKENDS = pytest.mark.parametrize("backend", ["odecore", "torchdiffeq"])
EVERY: list[SolverConfig] = [
    *(FixedStep(name="euler", steps=2, backend=backend) for backend in get_args(Backend)),
    *(
        Adaptive(name=name, tolerance=1e-3, backend=backend)
        for name in EMBEDDED_PAIRS
        for backend in get_args(Backend)
    ),
    AdaptedStep(name="adapted_euler"),
    AdaptedTolerance(name="adapted_dopri5"),
]
PAIRS = pytest.mark.parametrize("name", ["bosh3", "fehlberg2", "dopri5"])


def blow_up(_t: float, x: Tensor) -> Tensor:
    """dz/dt = z^2 with z(0) = 2 is infinite at t = 1/2."""
    return x**2


TWO = torch.tensor([2.0], dtype=torch.float64)


@BACKENDS
@PAIRS
def test_a_solution_that_blows_up_ends_the_solve(name: Any, backend: Any) -> None:
    times: list[float] = []
    solution = solvers.build(Adaptive(name=name, tolerance=1e-4, backend=backend))(
        blow_up, TWO, on_step=lambda t, _x: times.append(t)
    )
    assert solution.status in (SolveStatus.NON_FINITE, SolveStatus.STEP_UNDERFLOW)
    assert times[-1] == pytest.approx(0.5, abs=0.01)
    assert solution.nfe < 10_000


@BACKENDS
@pytest.mark.parametrize("name", ["euler", "midpoint", "heun", "heun3", "rk4_38"])
def test_fixed_steps_over_a_blow_up_are_non_finite(name: Any, backend: Any) -> None:
    solution = solvers.build(FixedStep(name=name, steps=200, backend=backend))(blow_up, TWO)
    assert solution.status is SolveStatus.NON_FINITE
    assert solution.steps_accepted == 200


@PAIRS
def test_a_jump_too_high_for_any_step_is_an_underflow(name: Any) -> None:
    solution = solvers.build(Adaptive(name=name, tolerance=1e-6))(
        lambda t, x: torch.full_like(x, 0.0 if t < 0.5 else 1e25), TWO
    )
    assert solution.status is SolveStatus.STEP_UNDERFLOW
    assert solution.x1 == TWO


@BACKENDS
@PAIRS
@pytest.mark.parametrize("cap", [1, 2, 9, 40])
def test_the_cap_is_never_exceeded(name: Any, backend: Any, cap: int) -> None:
    calls = 0

    def oscillating(t: float, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return 100 * torch.stack([x[1], -x[0]])

    x0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    solution = solvers.build(
        Adaptive(name=name, tolerance=1e-8, max_evaluations=cap, backend=backend)
    )(oscillating, x0)
    assert solution.status is SolveStatus.MAX_EVALUATIONS
    assert calls == solution.nfe <= cap
    assert solution.x1.isfinite().all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("start", [0.0, 0.3], ids=["at once", "later"])
@pytest.mark.parametrize("config", EVERY, ids=str)
def test_a_bad_input_or_field_is_non_finite(config: SolverConfig, start: float, bad: float) -> None:
    calls: list[float] = []

    def field(t: float, x: Tensor) -> Tensor:
        calls.append(t)
        return x * bad if t >= start else x

    solution = solvers.build(config)(field, torch.tensor([1.0, 2.0]))
    assert (solution.status, solution.nfe) == (SolveStatus.NON_FINITE, len(calls))
    solution = solvers.build(config)(lambda _t, x: x, torch.tensor([1.0, bad]))
    assert solution.status is SolveStatus.NON_FINITE


@PAIRS
def test_a_field_of_zero_is_solved_in_few_steps(name: Any) -> None:
    solution = solvers.build(Adaptive(name=name, tolerance=1e-3))(
        lambda _t, x: torch.zeros_like(x), TWO
    )
    assert solution.status is SolveStatus.OK
    assert solution.x1 == TWO
    assert solution.steps_accepted < 10


def test_next_step_is_bounded() -> None:
    assert next_step(0.1, 0.0, 5) == pytest.approx(1.0)
    assert next_step(0.1, 1e-30, 5) == pytest.approx(1.0)
    assert next_step(0.1, 0.9999, 5) == pytest.approx(
        0.1
    )  # accepted: not smaller, though 0.9 / ratio^(1/5) is
    assert next_step(0.1, 1.0, 5) == pytest.approx(0.09)
    assert next_step(0.1, 32.0, 5) == pytest.approx(0.045)
    assert next_step(0.1, math.inf, 5) == pytest.approx(0.02)


def test_initial_step_is_the_textbooks() -> None:
    # f = -x at x0 = 1 with tolerance 1: scale 2, d0 = d1 = 1/2, h0 = 0.01, f(x0 + h0 f) - f = 0.01,
    # d2 = 0.01 / 2 / 0.01 = 1/2.
    x0 = torch.ones(4, dtype=torch.float64)
    h, nfe = initial_step(lambda _t, x: -x, 0.0, x0, -x0, order=3, tolerance=1.0)
    assert (h, nfe) == (pytest.approx((0.01 / 0.5) ** (1 / 3)), 2)


@pytest.mark.parametrize("status", SolveStatus)
def test_every_status_has_a_remedy_of_one_line_and_survives_pickling(status: SolveStatus) -> None:
    assert status.remedy.endswith(".")
    failure = pickle.loads(pickle.dumps(SolveFailed(status)))
    assert failure.status is status
    assert str(failure) == f"solve failed ({status.value}): {status.remedy}"
    assert "\n" not in str(failure)
