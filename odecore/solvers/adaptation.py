"""Step size and tolerance, adapted in training (Ott 2021, algorithms 1 and 2, and code).

Both are adapted so that a better solver agrees with the training solver on the batch.
Shapes: states x, x0 are (B, ...), B samples of a batch.

The algorithms see the net only through `measure`: the current batch's accuracy, and what it cost,
under a given solver.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from odecore.config.solver import AdaptedStep, AdaptedTolerance, Adaptive
from odecore.config.solver_methods import EMBEDDED_PAIRS, FIXED_STEP
from odecore.solvers.base import (
    OnStep,
    Solution,
    Solver,
    SolveStatus,
    VectorField,
    solve_backwards,
    solve_nothing,
)
from odecore.solvers.explicit_rk import AdaptiveRungeKutta, take_steps

# Ott 2021, algorithm 1 and code.
INTERVAL_ITERATIONS = 50
THRESHOLD = 0.1
SHRINKING = 0.5
GROWTH = 1.1
# The test solver's error is this many times smaller.
ACCURACY_FACTOR = 50
MAX_STEPS = 500
LARGEST_STEP = 1.0
# Training tolerance over test tolerance.
TOLERANCE_FACTOR = {"fehlberg2": 5, "dopri5": 10}
REMEMBERED_ITERATIONS = 5
# Ours: the loop of the paper's code does not end when NFE cannot grow.
SMALLEST_TOLERANCE = 1e-12
MAX_TIGHTENINGS = 10


class Measured(NamedTuple):
    """Accuracy of the current batch under a solver (NaN after a failed solve), and its NFE."""

    accuracy: float
    nfe: int


Measure = Callable[[Solver], Measured]


@dataclasses.dataclass(frozen=True)
class StepSizeRungeKutta:
    """`method` with steps of one size; the last one is shortened to end on t1."""

    config: AdaptedStep
    method: str
    step_size: float

    @property
    def order(self) -> int:
        """Order of convergence in the step size."""
        return FIXED_STEP[self.method].order

    def __call__(
        self,
        f: VectorField,
        x0: Tensor,
        t0: float = 0.0,
        t1: float = 1.0,
        on_step: OnStep | None = None,
    ) -> Solution:
        """Solve from t0 to t1; see `Solver`."""
        if t0 == t1:
            return solve_nothing(x0)
        if t1 < t0:
            return solve_backwards(self, f, x0, t0, t1, on_step)
        return take_steps(
            FIXED_STEP[self.method], f, x0, t0, t1, step_sizes(t1 - t0, self.step_size), on_step
        )


def step_sizes(length: float, h: float) -> list[float]:
    """ceil(length / h) steps of size h; the last one is shortened.

    A quotient that differs from an integer by rounding error only counts as that integer.
    """
    quotient = length / h
    steps = max(
        1,
        round(quotient)
        if math.isclose(quotient, round(quotient), rel_tol=1e-9)
        else math.ceil(quotient),
    )
    return [h] * (steps - 1) + [length - (steps - 1) * h]


class AdaptedStepSolver:
    """Fixed steps whose size `value` is adapted; NaN until the first batch sets it."""

    def __init__(self, config: AdaptedStep) -> None:
        self.config = config
        self.value = math.nan
        self.method = config.name.removeprefix("adapted_")

    @property
    def order(self) -> int:
        """Order of convergence in the step size."""
        return FIXED_STEP[self.method].order

    def at(self, step_size: float) -> Solver:
        """The training method with another step size."""
        return StepSizeRungeKutta(self.config, self.method, step_size)

    def __call__(
        self,
        f: VectorField,
        x0: Tensor,
        t0: float = 0.0,
        t1: float = 1.0,
        on_step: OnStep | None = None,
    ) -> Solution:
        """Solve from t0 to t1; see `Solver`. The first solve calls f twice more."""
        if t0 == t1:
            return solve_nothing(x0)
        if not math.isnan(self.value):
            return self.at(self.value)(f, x0, t0, t1, on_step)
        if t1 < t0:
            return solve_backwards(self, f, x0, t0, t1, on_step)
        self.value, nfe = first_step_size(f, t0, x0, self.order)
        if math.isnan(self.value):
            return Solution(x0, SolveStatus.NON_FINITE, nfe, steps_accepted=0, steps_rejected=0)
        solution = self.at(self.value)(f, x0, t0, t1, on_step)
        return dataclasses.replace(solution, nfe=solution.nfe + nfe)

    def test_solver(self) -> Solver:
        """The better solver, of order q > p, where p is the order of the training solver.

        Step size h if 1 / h^(q - p) > 50, else h_test with h_test^q = h^p / 50.
        """
        h, p, q = self.value, self.order, FIXED_STEP[self.config.test].order
        h_test = h if 1 / h ** (q - p) > ACCURACY_FACTOR else (h**p / ACCURACY_FACTOR) ** (1 / q)
        return StepSizeRungeKutta(self.config, self.config.test, h_test)

    def adapt(self, train: Measured, _earlier: Sequence[int], measure: Measure) -> dict[str, float]:
        """Halve the step size when the test solver disagrees, else try to enlarge it by 1.1.

        Ott 2021, algorithm 1. Two solvers agree when their accuracies differ by at most 0.1.
        The enlarged step size is kept if it still agrees with the test solver.

        At most 500 steps: where halving would exceed them, the number of steps moves half-way to
        500. Returns what is worth recording.
        """
        test = measure(self.test_solver())
        h = self.value
        if not agree(test, train):
            self.value = _more_steps(h)
        else:
            enlarged = min(GROWTH * h, LARGEST_STEP)
            if agree(test, measure(self.at(enlarged))):
                self.value = enlarged
        return self.numbers() | _accuracies(train, test)

    def numbers(self) -> dict[str, float]:
        """What it is now, for a record: step_size, and steps over [0, 1]."""
        return {"step_size": self.value, "steps": float(len(step_sizes(1.0, self.value)))}


def _more_steps(h: float) -> float:
    if 2 / h <= MAX_STEPS:
        return SHRINKING * h
    # h -> 2 h / (500 h + 1) is 1/h -> (1/h + 500) / 2.
    return h if int(1 / h) == MAX_STEPS else 2 * h / (MAX_STEPS * h + 1)


@torch.no_grad()
def first_step_size(f: VectorField, t0: float, x0: Tensor, order: int) -> tuple[float, int]:
    """First step size (Hairer, Norsett & Wanner I, p.

    169), and its NFE: 2, or 1 if f is not finite.

    Norms are over the last axis and averaged over the others (Ott 2021, code).

    NaN when f is not finite. Caveat: it may exceed the interval, which is then one step; and where
    f is below 1e-5 it is 1e-4 or less.
    """

    def size(x: Tensor) -> float:
        return torch.linalg.vector_norm(x, dim=-1).mean().item()

    slope = f(t0, x0)
    d0, d1 = size(x0), size(slope)
    h0 = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    if not math.isfinite(h0) or h0 == 0:
        return math.nan, 1
    d2 = size(f(t0 + h0, torch.add(x0, slope, alpha=h0)) - slope) / h0
    if not math.isfinite(d2):
        return math.nan, 2
    steepest = max(d1, d2)
    h1 = max(1e-6, h0 * 1e-3) if steepest < 1e-15 else (0.01 / steepest) ** (1 / (order + 1))
    return min(100 * h0, h1), 2


class AdaptedToleranceSolver:
    """An embedded pair whose tolerance `value` is adapted."""

    def __init__(self, config: AdaptedTolerance) -> None:
        self.config = config
        self.value = config.tolerance
        self.method = config.name.removeprefix("adapted_")

    @property
    def order(self) -> int:
        """Order of the solution that is continued."""
        return EMBEDDED_PAIRS[self.method].order

    def at(self, tolerance: float, method: str | None = None) -> Solver:
        """The training method, or another one, with another tolerance."""
        values = {
            "name": method or self.method,
            "tolerance": tolerance,
            "max_evaluations": self.config.max_evaluations,
        }
        return AdaptiveRungeKutta(Adaptive.model_validate(values))

    def __call__(
        self,
        f: VectorField,
        x0: Tensor,
        t0: float = 0.0,
        t1: float = 1.0,
        on_step: OnStep | None = None,
    ) -> Solution:
        """Solve from t0 to t1; see `Solver`."""
        return self.at(self.value)(f, x0, t0, t1, on_step)

    def adapt(self, train: Measured, earlier: Sequence[int], measure: Measure) -> dict[str, float]:
        """Halve the tolerance when the test solver disagrees, else try to enlarge it by 1.1.

        Ott 2021, algorithm 2. The enlarged tolerance is kept if it agrees with the test solver.

        earlier: NFE of the iterations before this one, at most 5. An enlarged tolerance
        that takes as many as each of the 5 is not kept.
        train.nfe is that of the current iteration; the paper's code reads memory that was
        never written. Returns what to record.
        """
        test = self._measure_test(train, measure)
        tolerance = self.value
        if not agree(test, train):
            self.value = max(SHRINKING * tolerance, SMALLEST_TOLERANCE)
        else:
            enlarged = measure(self.at(GROWTH * tolerance))
            unchanged = len(earlier) == REMEMBERED_ITERATIONS and all(
                enlarged.nfe == nfe for nfe in earlier
            )
            if agree(test, enlarged) and not unchanged:
                self.value = GROWTH * tolerance
        return self.numbers() | {"nfe_forward": float(train.nfe)} | _accuracies(train, test)

    def numbers(self) -> dict[str, float]:
        """What it is now, for a record: tolerance."""
        return {"tolerance": self.value}

    def _measure_test(self, train: Measured, measure: Measure) -> Measured:
        """dopri5 with a smaller tolerance; tightened while its NFE is at most training's."""
        tolerance = max(self.value / TOLERANCE_FACTOR[self.method], SMALLEST_TOLERANCE)
        test = measure(self.at(tolerance, "dopri5"))
        for _ in range(MAX_TIGHTENINGS):
            if test.nfe > train.nfe or math.isnan(test.accuracy) or tolerance == SMALLEST_TOLERANCE:
                break
            tolerance = max(tolerance / 10, SMALLEST_TOLERANCE)
            test = measure(self.at(tolerance, "dopri5"))
        return test


Adapted = AdaptedStepSolver | AdaptedToleranceSolver


def agree(first: Measured, second: Measured) -> bool:
    """Whether accuracies differ by at most 0.1; a failed solve agrees with nothing."""
    return abs(first.accuracy - second.accuracy) <= THRESHOLD


def _accuracies(train: Measured, test: Measured) -> dict[str, float]:
    return {
        "batch_accuracy.train_solver": train.accuracy,
        "batch_accuracy.test_solver": test.accuracy,
    }


def register_adapted_value(block: nn.Module, solver: Solver) -> None:
    """Store the adapted value of `solver` in the state of `block`, as the buffer `adaptation`.

    The buffer is None for a solver that is not adapted.

    The solver has the value as a number: reading the buffer in every solve would wait for the
    device.
    """
    block.register_buffer(
        "adaptation",
        torch.tensor(solver.value, dtype=torch.float64) if isinstance(solver, Adapted) else None,
    )
    if isinstance(solver, Adapted):
        block.register_state_dict_pre_hook(_write)
        block.register_load_state_dict_post_hook(_read)


def _write(block: nn.Module, *_: Any) -> None:
    if isinstance(solver := block.solver, Adapted) and isinstance(block.adaptation, Tensor):
        block.adaptation.fill_(solver.value)


def _read(block: nn.Module, _keys: Any) -> None:
    if isinstance(solver := block.solver, Adapted) and isinstance(block.adaptation, Tensor):
        solver.value = block.adaptation.item()


build_step = AdaptedStepSolver
build_tolerance = AdaptedToleranceSolver
