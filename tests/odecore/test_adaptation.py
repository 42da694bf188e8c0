"""Adaptation of step size and tolerance: scripted accuracies, decisions worked out by hand."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from odecore import solvers
from odecore.config.solver import AdaptedStep, AdaptedTolerance, Adaptive, FixedStep
from odecore.solvers.adaptation import (
    AdaptedStepSolver,
    AdaptedToleranceSolver,
    Measured,
    StepSizeRungeKutta,
    first_step_size,
    step_sizes,
)
from odecore.solvers.base import Solver
from odecore.solvers.explicit_rk import AdaptiveRungeKutta


class Script:
    """Answers the algorithm's questions with given (accuracy, evaluations) and keeps what it asked
    for: method and step size or tolerance.
    """

    def __init__(self, answers: Iterable[tuple[float, int]]) -> None:
        self.answers = iter(answers)
        self.asked: list[tuple[str, float]] = []

    def __call__(self, solver: Solver) -> Measured:
        match solver:
            case StepSizeRungeKutta():
                self.asked.append((solver.method, solver.step_size))
            case AdaptiveRungeKutta():
                self.asked.append((solver.config.name, solver.config.tolerance))
            case _:
                raise AssertionError(solver)
        return Measured(*next(self.answers))


def step_solver(h: float, name: Any = "adapted_euler", test: Any = "midpoint") -> AdaptedStepSolver:
    solver = AdaptedStepSolver(AdaptedStep(name=name, test=test))
    solver.value = h
    return solver


def check_step(solver: AdaptedStepSolver, train: float, *answers: float) -> list[tuple[str, float]]:
    script = Script((answer, 1) for answer in answers)
    solver.adapt(Measured(train, 1), [], script)
    assert next(script.answers, None) is None, "it asked for less than it should"
    return script.asked


def test_a_scripted_sequence_of_steps() -> None:
    """Ott 2021, algorithm 1: accuracies of the training solver, the test solver and the enlarged
    step -> step size after the check.
    """
    solver = step_solver(0.1)
    # 1. They differ by 0.2 > 0.1: halved. h_test = sqrt(0.1 / 50) = 0.0447.
    assert check_step(solver, 0.9, 0.7) == [("midpoint", pytest.approx(0.044721359549995794))]
    assert solver.value == 0.05
    # 2. They differ by 0.05, and 0.055 still agrees with the test solver: kept.
    assert check_step(solver, 0.75, 0.7, 0.79) == [
        ("midpoint", pytest.approx(math.sqrt(0.001))),
        ("euler", pytest.approx(0.055)),
    ]
    assert solver.value == pytest.approx(0.055)
    # 3. They agree, the enlarged step of 0.0605 does not: the step stays. It is compared with the
    # test solver, not with the training one.
    check_step(solver, 0.65, 0.7, 0.55)
    assert solver.value == pytest.approx(0.055)
    # 4. The other direction counts too: halved.
    check_step(solver, 0.5, 0.7)
    assert solver.value == pytest.approx(0.0275)
    # 5. Finer than 1/50: the test solver has the same step.
    solver.value = 0.019
    assert check_step(solver, 0.5, 0.5, 0.5)[0] == ("midpoint", 0.019)
    assert solver.value == pytest.approx(0.0209)


def test_a_step_is_at_most_one() -> None:
    solver = step_solver(0.95)
    assert check_step(solver, 0.5, 0.5, 0.5)[1] == ("euler", 1.0)
    assert solver.value == 1.0
    check_step(solver, 0.5, 0.5, 0.5)
    assert solver.value == 1.0


def test_the_number_of_steps_moves_half_way_to_500() -> None:
    solver = step_solver(1 / 240)
    steps = []
    for _ in range(4):
        check_step(solver, 0.9, 0.1)
        steps.append(1 / solver.value)
    # 240 is doubled, 480 <= 500. Then (480 + 500) / 2 and so on.
    assert steps == pytest.approx([480, 490, 495, 497.5])
    solver.value = 1 / 500.5
    check_step(solver, 0.9, 0.1)
    assert solver.value == 1 / 500.5
    # From above it comes down.
    solver.value = 1 / 2000
    check_step(solver, 0.9, 0.1)
    assert 1 / solver.value == pytest.approx(1250)


@pytest.mark.parametrize(
    ("name", "test", "h", "expected"),
    [
        ("adapted_midpoint", "rk4_38", 0.1, 0.1),  # 1 / h^2 = 100 > 50
        ("adapted_midpoint", "rk4_38", 0.5, (0.25 / 50) ** 0.25),
        ("adapted_euler", "rk4_38", 0.2, 0.2),  # 1 / h^3 = 125 > 50
        ("adapted_euler", "rk4_38", 0.5, (0.5 / 50) ** 0.25),
        ("adapted_euler", "midpoint", 0.5, 0.1),
    ],
)
def test_test_solvers(name: str, test: str, h: float, expected: float) -> None:
    asked = check_step(step_solver(h, name, test), 0.9, 0.1)
    assert asked == [(test, pytest.approx(expected))]


def test_a_failed_solve_agrees_with_nothing() -> None:
    solver = step_solver(0.1)
    check_step(solver, 0.0, math.nan)
    assert solver.value == 0.05
    check_step(solver, 0.0, 0.0, math.nan)
    assert solver.value == 0.05


def tolerance_solver(
    name: Any = "adapted_fehlberg2", tolerance: float = 1e-6
) -> AdaptedToleranceSolver:
    return AdaptedToleranceSolver(AdaptedTolerance(name=name, tolerance=tolerance))


def test_a_scripted_sequence_of_tolerances() -> None:
    """Ott 2021, algorithm 2: (accuracy, evaluations) of the test solver and of the enlarged
    tolerance -> tolerance after the check.
    """
    solver, earlier = tolerance_solver(), [26, 26, 28, 26, 26]
    # 1. The test solver takes 20 and 26 evaluations, no more than the 26 of the training: a tenth
    # each time. Then they disagree: halved.
    script = Script([(0.9, 20), (0.9, 26), (0.5, 32)])
    assert solver.adapt(Measured(0.9, 26), earlier, script)["nfe_forward"] == 26
    assert script.asked == [
        ("dopri5", pytest.approx(tolerance)) for tolerance in (2e-7, 2e-8, 2e-9)
    ]
    assert solver.value == 5e-7
    # 2. They agree; enlarged, it takes 26 evaluations, as four of the five iterations before but
    # not all.
    script = Script([(0.9, 32), (0.85, 26)])
    solver.adapt(Measured(0.9, 26), earlier, script)
    assert script.asked == [("dopri5", pytest.approx(1e-7)), ("fehlberg2", pytest.approx(5.5e-7))]
    assert solver.value == pytest.approx(5.5e-7)
    # 3. The same, but all five took 26: the solver does not react, so the tolerance stays.
    solver.adapt(Measured(0.9, 26), [26] * 5, Script([(0.9, 32), (0.85, 26)]))
    assert solver.value == pytest.approx(5.5e-7)
    # 4. Enlarged, it disagrees with the test solver.
    solver.adapt(Measured(0.9, 26), earlier, Script([(0.9, 32), (0.7, 20)]))
    assert solver.value == pytest.approx(5.5e-7)
    # 5. With fewer than five iterations before, equal numbers say nothing; and enlarged, it must
    # agree with the test solver only.
    solver.adapt(Measured(0.9, 26), [26] * 4, Script([(0.82, 32), (0.75, 26)]))
    assert solver.value == pytest.approx(6.05e-7)


def test_dopri5_is_tested_with_a_tenth_of_its_tolerance() -> None:
    script = Script([(0.9, 100), (0.9, 20)])
    tolerance_solver("adapted_dopri5", 1e-3).adapt(Measured(0.9, 26), [], script)
    assert script.asked == [("dopri5", pytest.approx(1e-4)), ("dopri5", pytest.approx(1.1e-3))]


def test_the_search_for_a_test_tolerance_ends() -> None:
    # After ten tenths, and at 1e-12; the paper's code would go on.
    script = Script([(0.1, 2)] * 50)
    tolerance_solver(tolerance=5.0).adapt(Measured(0.9, 26), [], script)
    assert [tolerance for _, tolerance in script.asked] == pytest.approx(
        [10.0**-k for k in range(11)]
    )
    solver, script = tolerance_solver(tolerance=1.5e-12), Script([(0.1, 2)] * 50)
    solver.adapt(Measured(0.9, 26), [], script)
    assert script.asked == [("dopri5", 1e-12)]
    assert solver.value == 1e-12


def literal_first_step(f: Any, y0: np.ndarray, order: int) -> float:
    """The paper's code, line by line, in NumPy."""
    d0 = np.mean(np.linalg.norm(y0, axis=-1))
    f_y0 = f(0.0, y0)
    d1 = np.mean(np.linalg.norm(f_y0, axis=-1))
    h0 = 1e-6 if d1 < 1e-5 or d0 < 1e-5 else 0.01 * d0 / d1
    f_y1 = f(h0, y0 + h0 * f_y0)
    d2 = np.mean(np.linalg.norm(f_y1 - f_y0, axis=-1)) / h0
    h1 = max(1e-6, h0 * 1e-3) if max(d1, d2) < 1e-15 else (0.01 / max(d1, d2)) ** (1 / (order + 1))
    return min(100 * h0, h1)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("shape", [(5, 2), (3, 2, 4, 4)])
@pytest.mark.parametrize("kind", ["steep", "slow", "zero", "time"])
def test_the_first_step_is_hairers(order: int, shape: tuple[int, ...], kind: str) -> None:
    fields = {
        "steep": lambda _t, x: -30 * x**3 + 1,
        "slow": lambda _t, x: 1e-7 * x,
        "zero": lambda _t, x: 0 * x,
        "time": lambda t, x: x + 1e4 * t,
    }
    x0 = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert first_step_size(fields[kind], 0.0, x0, order)[0] == pytest.approx(
        literal_first_step(fields[kind], x0.numpy(), order)
    )


@pytest.mark.parametrize("name", ["adapted_euler", "adapted_midpoint"])
def test_the_first_solve_sets_the_step_for_all(name: Any) -> None:
    x0 = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    solver = AdaptedStepSolver(AdaptedStep(name=name, test="rk4_38"))
    calls = 0

    def counted(t: float, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return t - 3 * x

    solution = solver(counted, x0)
    value = solver.value
    assert value == pytest.approx(
        literal_first_step(lambda t, x: t - 3 * x, x0.numpy(), solver.order)
    )
    assert solution.nfe == calls == 2 + len(step_sizes(1.0, value)) * solver.order
    solver(counted, 10 * x0)
    assert solver.value == value


@pytest.mark.parametrize("steps", [1, 2, 7, 49, 93, 500])
def test_the_number_of_steps_is_not_rounded_up(steps: int) -> None:
    h = 1 / steps
    for step in (h, h * 1.1 / 1.1, math.nextafter(h, 0), math.nextafter(h, 1)):
        sizes = step_sizes(1.0, step)
        assert len(sizes) == steps
        assert sum(sizes) == pytest.approx(1.0)


def test_the_last_step_is_shortened() -> None:
    assert step_sizes(1.0, 0.3) == pytest.approx([0.3, 0.3, 0.3, 0.1])
    assert step_sizes(1.0, 3.0) == [1.0]
    assert step_sizes(0.5, 0.3) == pytest.approx([0.3, 0.2])
    # Whole numbers of steps are the fixed-step solver's, bit for bit.
    x0 = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    ours, times = step_solver(0.25)(lambda t, x: x.sin() + t, x0), []
    fixed = solvers.build(FixedStep(name="euler", steps=4))(
        lambda t, x: x.sin() + t, x0, on_step=lambda t, _x: times.append(t)
    )
    assert torch.equal(ours.x1, fixed.x1)
    assert times == [0.25, 0.5, 0.75, 1.0]


def test_steps_of_one_size_are_torchdiffeqs() -> None:
    from torchdiffeq import odeint

    x0 = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for name, theirs in (("euler", "euler"), ("midpoint", "midpoint"), ("rk4_38", "rk4")):
        for h in (0.3, 0.17, 0.021):
            solver = StepSizeRungeKutta(AdaptedStep(name="adapted_euler"), name, h)
            expected = odeint(
                lambda t, x: x.sin() + t,
                x0,
                torch.tensor([0.0, 1.0], dtype=torch.float64),
                method=theirs,
                options={"step_size": h},
            )
            torch.testing.assert_close(
                solver(lambda t, x: x.sin() + t, x0).x1, expected[-1], rtol=1e-10, atol=1e-12
            )


def test_a_field_that_is_not_finite_ends_the_first_solve() -> None:
    solver = AdaptedStepSolver(AdaptedStep(name="adapted_euler"))
    assert solver(lambda _t, x: x * math.inf, torch.ones(2, 2)).status.value == "non_finite"


def test_adapted_tolerance_solves_as_its_pair() -> None:
    x0 = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    ours = tolerance_solver("adapted_dopri5", 1e-4)(lambda t, x: x.sin() + t, x0)
    assert torch.equal(
        ours.x1,
        solvers.build(Adaptive(name="dopri5", tolerance=1e-4))(lambda t, x: x.sin() + t, x0).x1,
    )
