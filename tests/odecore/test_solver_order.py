"""Orders of convergence in float64, against a matrix exponential, and fixed-step methods against
formulas written out.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from odecore import solvers
from odecore.config.solver import Adaptive, FixedStep
from odecore.config.solver_methods import EMBEDDED_PAIRS, FIXED_STEP, ButcherTableau
from odecore.solvers.explicit_rk import AdaptiveRungeKutta

METHODS = pytest.mark.parametrize("name", FIXED_STEP)
PAIRS = pytest.mark.parametrize("name", EMBEDDED_PAIRS)


@pytest.fixture
def linear_system() -> tuple[Tensor, Tensor, Tensor]:
    """(A, x0, x1) of dx/dt = x A^T on [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(10, 10, dtype=torch.float64, generator=generator)
    x0 = torch.randn(3, 10, dtype=torch.float64, generator=generator)
    return matrix, x0, x0 @ torch.linalg.matrix_exp(matrix).T


def nonlinear(t: float, x: Tensor) -> Tensor:
    return torch.sin(3 * x) + t * x.flip(-1) - 0.5 * t**2


@METHODS
def test_error_falls_with_the_order_of_the_method(
    name: Any, linear_system: tuple[Tensor, Tensor, Tensor]
) -> None:
    matrix, x0, exact = linear_system
    # Fine enough to be asymptotic, coarse enough to stay above rounding.
    steps = 2 ** np.arange(6, 10) if FIXED_STEP[name].order < 4 else 2 ** np.arange(5, 9)
    errors = []
    for count in steps:
        solution = solvers.build(FixedStep(name=name, steps=int(count)))(
            lambda _t, x: x @ matrix.T, x0
        )
        errors.append((solution.x1 - exact).norm().item())
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(slope - FIXED_STEP[name].order) < 0.1
    assert solvers.build(FixedStep(name=name, steps=1)).order == FIXED_STEP[name].order


@METHODS
def test_order_holds_when_f_depends_on_t(name: Any) -> None:
    x0 = torch.tensor([0.3, -0.7], dtype=torch.float64)
    exact = solvers.build(FixedStep(name="rk4", steps=4096))(nonlinear, x0).x1
    coarse, fine = (
        (solvers.build(FixedStep(name=name, steps=k))(nonlinear, x0).x1 - exact).norm()
        for k in (64, 128)
    )
    assert abs(torch.log2(coarse / fine).item() - FIXED_STEP[name].order) < 0.1


@PAIRS
def test_error_falls_with_the_tolerance(
    name: Any, linear_system: tuple[Tensor, Tensor, Tensor]
) -> None:
    matrix, x0, exact = linear_system
    errors = []
    for tolerance in (1e-3, 1e-5, 1e-7):
        solution = solvers.build(Adaptive(name=name, tolerance=tolerance))(
            lambda _t, x: x @ matrix.T, x0
        )
        errors.append((solution.x1 - exact).abs().max().item())
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[2] < 1e-3


@pytest.mark.parametrize("name", [*FIXED_STEP, *EMBEDDED_PAIRS])
def test_tableau_is_consistent(name: Any) -> None:
    tableau = (FIXED_STEP | EMBEDDED_PAIRS)[name]
    assert sum(tableau.b) == pytest.approx(1)
    assert [sum(row) for row in tableau.a] == pytest.approx(tableau.c)
    assert [len(row) for row in tableau.a] == list(range(tableau.stages))
    assert len(tableau.b) == tableau.stages
    if tableau.error is not None:
        assert sum(tableau.error) == pytest.approx(0, abs=1e-15)


def test_classical_rk4_is_the_sum_in_the_textbook() -> None:
    x0 = torch.tensor([[0.3, -0.7], [1.1, 0.2]], dtype=torch.float64)
    x, h = x0, 0.2
    for i in range(5):
        t = i * h
        k1 = nonlinear(t, x)
        k2 = nonlinear(t + h / 2, x + h / 2 * k1)
        k3 = nonlinear(t + h / 2, x + h / 2 * k2)
        k4 = nonlinear(t + h, x + h * k3)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    solution = solvers.build(FixedStep(name="rk4", steps=5))(nonlinear, x0)
    torch.testing.assert_close(solution.x1, x, rtol=1e-14, atol=1e-14)
    assert (solution.nfe, solution.steps_accepted) == (20, 5)


# The trapezoidal rule with Euler's method inside: its last slope is not the next step's first.
HEUN_EULER = ButcherTableau(
    order=2, c=(0, 1), a=((), (1,)), b=(1 / 2, 1 / 2), error=(-1 / 2, 1 / 2)
)


def test_a_pair_whose_last_slope_is_not_the_next_first_one_evaluates_it_anew(
    linear_system: tuple[Tensor, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, x0, exact = linear_system
    monkeypatch.setitem(EMBEDDED_PAIRS, "heun_euler", HEUN_EULER)
    errors = []
    for tolerance in (1e-3, 1e-5, 1e-7):
        config = Adaptive.model_construct(
            name="heun_euler", tolerance=tolerance, max_evaluations=100_000, backend="odecore"
        )
        times: list[float] = []

        def f(t: float, x: Tensor, times: list[float] = times) -> Tensor:
            times.append(t)
            return x @ matrix.T

        solution = AdaptiveRungeKutta(config)(f, x0)
        assert len(times) == solution.nfe
        errors.append((solution.x1 - exact).abs().max().item() / solution.steps_accepted**-2)
    # Order 2: the error times the square of the number of steps is a constant.
    assert max(errors) < 2 * min(errors)
    assert [EMBEDDED_PAIRS[name].reuses_last_slope for name in ("bosh3", "fehlberg2", "dopri5")]
    assert not HEUN_EULER.reuses_last_slope


@METHODS
def test_every_step_is_reported_and_the_last_ends_on_t1(name: Any) -> None:
    seen: list[tuple[float, Tensor]] = []
    x0 = torch.tensor([0.3, -0.7], dtype=torch.float64)
    solution = solvers.build(FixedStep(name=name, steps=7))(
        nonlinear, x0, 0.5, 1.5, on_step=lambda t, x: seen.append((t, x))
    )
    assert [t for t, _ in seen] == pytest.approx([0.5 + i / 7 for i in range(1, 8)])
    assert seen[-1][0] == 1.5
    assert torch.equal(seen[-1][1], solution.x1)


@METHODS
def test_a_solve_leaves_its_input_alone(name: Any) -> None:
    x0 = torch.tensor([0.3, -0.7])
    kept = x0.clone()
    solvers.build(FixedStep(name=name, steps=3))(nonlinear, x0)
    assert torch.equal(x0, kept)
