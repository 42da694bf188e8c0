"""Explicit Runge-Kutta methods with fixed steps, and embedded pairs with step-size control.

Shapes: states, slopes and errors are all (B, ...), the shape of x0, B samples of a batch.

Stages are a plain list of tensors; one strided tensor for all of them, as in torchdiffeq, costs
about as much as f itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from odecore.config.solver import Adaptive, FixedStep
from odecore.config.solver_methods import EMBEDDED_PAIRS, FIXED_STEP, ButcherTableau
from odecore.solvers.base import (
    OnStep,
    Solution,
    SolveStatus,
    VectorField,
    is_finite,
    solve_backwards,
    solve_nothing,
)

# Step control of Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section II.4,
# with torchdiffeq's constants.
SAFETY = 0.9
LARGEST_FACTOR = 10.0
SMALLEST_FACTOR = 0.2

# Runs one step: given the step and its tensors. Replaced by gradients that store or recompute steps
# in their own way.
RunStep = Callable[..., Any]


def run_directly(step: Callable[..., Any], *tensors: Tensor) -> Any:
    """The ordinary way to run a step: call it."""
    return step(*tensors)


@dataclass(frozen=True)
class FixedStepRungeKutta:
    """config.steps equal steps. The state is checked at the end: one device sync per solve."""

    config: FixedStep
    run_step: RunStep = run_directly

    @property
    def order(self) -> int:
        """Order of convergence in the step size."""
        return FIXED_STEP[self.config.name].order

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
        h = (t1 - t0) / self.config.steps
        return take_steps(
            FIXED_STEP[self.config.name],
            f,
            x0,
            t0,
            t1,
            [h] * self.config.steps,
            on_step,
            self.run_step,
        )


@dataclass(frozen=True)
class AdaptiveRungeKutta:
    """Embedded pair with step-size control, rtol = atol = config.tolerance.

    A step is accepted when the root mean square of error / tolerance is at most 1.

    The steps are torchdiffeq's. Unlike it, the last one is shortened to end on t1: no
    interpolation. The step size is a number to autograd.
    Caveat: one step size for the whole batch, so a sample's result depends on its batch, as with
    torchdiffeq.
    """

    config: Adaptive
    run_step: RunStep = run_directly

    @property
    def order(self) -> int:
        """Order of the solution that is continued."""
        return EMBEDDED_PAIRS[self.config.name].order

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
        tableau, tolerance = EMBEDDED_PAIRS[self.config.name], self.config.tolerance
        t, x, nfe, accepted, rejected = t0, x0, 0, 0, 0

        def ended(status: SolveStatus) -> Solution:
            return Solution(x, status, nfe, accepted, rejected)

        if self.config.max_evaluations < 2:
            return ended(SolveStatus.MAX_EVALUATIONS)
        slope = f(t0, x0)
        h, nfe = initial_step(f, t0, x0, slope, self.order, tolerance)
        if not math.isfinite(h):
            return ended(SolveStatus.NON_FINITE)
        magnitude = x0.detach().abs()
        while t < t1:
            if t + h == t or h < math.ulp(t1 - t0):
                return ended(SolveStatus.STEP_UNDERFLOW)
            if nfe + tableau.adaptive_step_nfe > self.config.max_evaluations:
                return ended(SolveStatus.MAX_EVALUATIONS)
            t_next = min(t + h, t1)
            h = t_next - t if t_next == t1 else h

            def step(
                x: Tensor, slope: Tensor, t: float = t, h: float = h
            ) -> tuple[Tensor, Tensor, Tensor]:
                slopes, last = evaluate_stages(f, t, x, h, tableau, slope)
                x1 = last if tableau.ends_on_last_stage else combine(x, slopes, tableau.b, h)
                next_slope = slopes[-1] if tableau.reuses_last_slope else f(t + h, x1)
                return x1, next_slope, scaled_error(slopes, tableau, h / tolerance)

            x_next, slope_next, error = self.run_step(step, x, slope)
            nfe += tableau.adaptive_step_nfe
            magnitude_next = x_next.detach().abs()
            ratio = error_ratio(error, magnitude, magnitude_next)
            if math.isnan(ratio):
                return ended(SolveStatus.NON_FINITE)
            if ratio <= 1:
                t, x, slope, magnitude = t_next, x_next, slope_next, magnitude_next
                accepted += 1
                if on_step is not None:
                    on_step(t, x)
            else:
                rejected += 1
            h = next_step(h, ratio, tableau.order)
        return ended(SolveStatus.OK if is_finite(x) else SolveStatus.NON_FINITE)


def take_steps(
    tableau: ButcherTableau,
    f: VectorField,
    x0: Tensor,
    t0: float,
    t1: float,
    sizes: Sequence[float],
    on_step: OnStep | None = None,
    run_step: RunStep = run_directly,
) -> Solution:
    """Steps of the given sizes, all equal but perhaps the last, from t0 to t1."""
    x, steps = x0, len(sizes)
    for i, h in enumerate(sizes):
        t = t0 + i * sizes[0]

        def step(x: Tensor, t: float = t, h: float = h) -> Tensor:
            slopes, _ = evaluate_stages(f, t, x, h, tableau)
            return combine(x, slopes, tableau.b, h)

        x = run_step(step, x)
        if on_step is not None:
            on_step(t0 + (i + 1) * h if i + 1 < steps else t1, x)
    status = SolveStatus.OK if is_finite(x) else SolveStatus.NON_FINITE
    return Solution(x, status, nfe=steps * tableau.stages, steps_accepted=steps, steps_rejected=0)


def evaluate_stages(
    f: VectorField,
    t: float,
    x: Tensor,
    h: float,
    tableau: ButcherTableau,
    first: Tensor | None = None,
) -> tuple[list[Tensor], Tensor]:
    """Slopes k_1 .. k_s of one step, and the state at the last stage. first: k_1 if known."""
    slopes = [f(t, x) if first is None else first]
    state = x
    for c, row in zip(tableau.c[1:], tableau.a[1:], strict=True):
        state = combine(x, slopes, row, h)
        slopes.append(f(t + c * h, state))
    return slopes, state


def combine(x: Tensor, slopes: Sequence[Tensor], weights: Sequence[float], h: float) -> Tensor:
    """State x + h sum_i weights_i slopes_i; one fused multiply-add per non-zero weight."""
    total = None
    for slope, weight in zip(slopes, weights, strict=True):
        if weight:
            # In place is safe: autograd keeps neither operand of an addition.
            total = (
                torch.add(x, slope, alpha=h * weight)
                if total is None
                else total.add_(slope, alpha=h * weight)
            )
    return x if total is None else total


@torch.no_grad()
def scaled_error(
    slopes: Sequence[Tensor], tableau: ButcherTableau, h_over_tolerance: float
) -> Tensor:
    """(h / tolerance) sum_i e_i k_i. Not part of the graph: the step size is a number."""
    if tableau.error is None:
        raise ValueError("a method without an embedded one has no error estimate")
    first, *rest = [
        (slope, weight) for slope, weight in zip(slopes, tableau.error, strict=True) if weight
    ]
    error = torch.mul(first[0], first[1] * h_over_tolerance)
    for slope, weight in rest:
        error.add_(slope, alpha=weight * h_over_tolerance)
    return error


@torch.no_grad()
def error_ratio(error: Tensor, magnitude: Tensor, magnitude_next: Tensor) -> float:
    """Root mean square of error / (tolerance (1 + max(|x0|, |x1|))). One device sync.

    error: already divided by the tolerance.
    """
    return rms(error.div_(torch.maximum(magnitude, magnitude_next).add_(1))).item()


def rms(x: Tensor) -> Tensor:
    """Root mean square of all entries, 0 of none."""
    return torch.linalg.vector_norm(x) / math.sqrt(max(x.numel(), 1))


def next_step(h: float, ratio: float, order: int) -> float:
    """Next step size, h SAFETY / ratio^(1/order) within bounds; not smaller if accepted."""
    if ratio == 0:
        return h * LARGEST_FACTOR
    smallest = 1.0 if ratio < 1 else SMALLEST_FACTOR
    return h * min(LARGEST_FACTOR, max(SAFETY / ratio ** (1 / order), smallest))


@torch.no_grad()
def initial_step(
    f: VectorField, t0: float, x0: Tensor, slope: Tensor, order: int, tolerance: float
) -> tuple[float, int]:
    """First step size (Hairer, Norsett & Wanner I, section II.4, algorithm 4.14), and its NFE.

    The exponent is 1/order, as in torchdiffeq. slope: f(t0, x0). NFE: 2 with the call that made
    `slope`, 1 when that is not finite; the step size then is NaN.
    """
    scale = x0.abs().add_(1).mul_(tolerance)
    d0, d1 = torch.stack([rms(x0 / scale), rms(slope / scale)]).tolist()
    h0 = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    if not math.isfinite(h0) or h0 == 0:
        return math.nan, 1
    slope_next = f(t0 + h0, torch.add(x0, slope, alpha=h0))
    d2 = rms((slope_next - slope) / scale).item() / h0
    h1 = (
        max(1e-6, h0 * 1e-3) if d1 <= 1e-15 and d2 <= 1e-15 else (0.01 / max(d1, d2)) ** (1 / order)
    )
    return min(100 * h0, h1) if math.isfinite(d2) else math.nan, 2
