"""torchdiffeq with our interface: the reference for our solvers, and its adjoint.

Shapes: states are (B, ...), B samples of a batch; times (2,).
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from odecore.config.solver import Adaptive, TestSolverConfig
from odecore.config.solver_methods import EMBEDDED_PAIRS, FIXED_STEP, torchdiffeq_name
from odecore.solvers.base import (
    OnStep,
    Solution,
    SolveFailed,
    SolveStatus,
    VectorField,
    is_finite,
    solve_backwards,
    solve_nothing,
)


@dataclass(frozen=True)
class TorchdiffeqSolver:
    """torchdiffeq.odeint. Caveat: adaptive methods step past t1 and interpolate; ours do not."""

    config: TestSolverConfig

    def __post_init__(self) -> None:
        torchdiffeq_name(self.config.name)

    @property
    def order(self) -> int:
        """Order of convergence in the step size."""
        return (FIXED_STEP | EMBEDDED_PAIRS)[self.config.name].order

    def __call__(
        self,
        f: VectorField,
        x0: Tensor,
        t0: float = 0.0,
        t1: float = 1.0,
        on_step: OnStep | None = None,
    ) -> Solution:
        """Solve from t0 to t1; see `Solver`."""
        from torchdiffeq import odeint

        if t1 < t0:
            return solve_backwards(self, f, x0, t0, t1, on_step)
        return _solve(odeint, self.config, f, x0, t0, t1, on_step)


def solve_with_adjoint(
    config: TestSolverConfig,
    f: VectorField,
    x0: Tensor,
    parameters: Iterable[nn.Parameter],
    tolerance: float | None,
    t1: float = 1.0,
) -> Solution:
    """torchdiffeq.odeint_adjoint over [0, t1]; gradients go to x0 and to `parameters`.

    tolerance: of the backward solve, None for the forward one's. The backward solve raises
    SolveFailed where a forward one returns a status.
    """
    from torchdiffeq import odeint_adjoint

    call = functools.partial(
        odeint_adjoint,
        adjoint_params=tuple(parameters),
        adjoint_rtol=tolerance,
        adjoint_atol=tolerance,
    )
    return _solve(call, config, f, x0, 0.0, t1, None)


def _solve(
    odeint: Callable[..., Any],
    config: TestSolverConfig,
    f: VectorField,
    x0: Tensor,
    t0: float,
    t1: float,
    on_step: OnStep | None,
) -> Solution:
    if t0 == t1:
        return solve_nothing(x0)
    watched = _Watched(f, config, on_step)
    if x0.numel() == 0:
        # torchdiffeq's mean error of no samples is NaN.
        return watched.solution(x0 + (t1 - t0) * watched(torch.tensor(t0), x0), SolveStatus.OK)
    times = torch.tensor([t0, t1], dtype=x0.dtype, device=x0.device)
    if isinstance(config, Adaptive):
        accuracy: dict[str, Any] = {"rtol": config.tolerance, "atol": config.tolerance}
    else:
        # Not step_size: torchdiffeq divides by it and takes a step too many when the quotient is
        # rounded up.
        accuracy = {"options": {"grid_constructor": functools.partial(_equal_steps, config.steps)}}
    try:
        x1 = odeint(watched, x0, times, method=torchdiffeq_name(config.name), **accuracy)[-1]
    except SolveFailed as failure:
        return watched.solution(
            watched.last_state if watched.last_state is not None else x0, failure.status
        )
    if on_step is not None:
        on_step(t1, x1)
    solution = watched.solution(x1, SolveStatus.OK if is_finite(x1) else SolveStatus.NON_FINITE)
    watched.start_backward()
    return solution


def _equal_steps(steps: int, _f: object, _x0: Tensor, times: Tensor) -> Tensor:
    return torch.linspace(
        float(times[0]), float(times[-1]), steps + 1, dtype=times.dtype, device=times.device
    )


class _Watched:
    """f for torchdiffeq, with callbacks: counts calls, reports steps, stops failed solves.

    Ending it before torchdiffeq's own assertions do gives underflow and cap the same exception,
    also in the backward solve of the adjoint.
    """

    def __init__(self, f: VectorField, config: TestSolverConfig, on_step: OnStep | None) -> None:
        self._f = f
        self._on_step = on_step
        self._cap = config.max_evaluations if isinstance(config, Adaptive) else None
        self._steps = 0 if isinstance(config, Adaptive) else config.steps
        self.last_state: Tensor | None = None
        self._last_slope: Tensor | None = None
        self._nfe = self._accepted = self._rejected = 0
        # torchdiffeq warns about callbacks that a method does not have, so only these are set. A
        # fixed-step solve is told where each step starts, an adaptive one where each accepted step
        # starts.
        if isinstance(config, Adaptive):
            self.callback_step = functools.partial(self._check_step, forward=True)
            self.callback_step_adjoint = functools.partial(self._check_step, forward=False)
            self.callback_accept_step = self._step_accepted
            self.callback_reject_step = self._step_rejected
        elif on_step is not None:
            self.callback_step = self._report_start

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        if self._cap is not None and self._nfe >= self._cap:
            raise SolveFailed(SolveStatus.MAX_EVALUATIONS)
        self._nfe += 1
        slope = self._f(float(t.detach()), x)
        self._last_slope = slope.detach()
        return slope

    def solution(self, x1: Tensor, status: SolveStatus) -> Solution:
        return Solution(x1, status, self._nfe, self._steps + self._accepted, self._rejected)

    def start_backward(self) -> None:
        """From here on, calls belong to the backward solve, which has the same cap for itself."""
        self._nfe = 0

    def _check_step(
        self, t: Tensor, state: Tensor | tuple[Tensor, ...], h: Tensor, *, forward: bool
    ) -> None:
        if not all(
            bool(torch.isfinite(part).all())
            for part in (state if isinstance(state, tuple) else (state,))
        ):
            raise SolveFailed(SolveStatus.NON_FINITE)
        # torchdiffeq itself steps forward in -t on the way back.
        start = t if forward else -t
        if not bool(start + h > start):
            # torchdiffeq replaces a step size that is not finite by 0.
            finite = bool(h) and self._last_slope is not None and is_finite(self._last_slope)
            raise SolveFailed(SolveStatus.STEP_UNDERFLOW if finite else SolveStatus.NON_FINITE)

    def _step_accepted(self, t: Tensor, x: Tensor, _h: Tensor) -> None:
        self._report_start(t, x, _h)
        self._accepted += 1

    def _step_rejected(self, _t: Tensor, _x: Tensor, _h: Tensor) -> None:
        self._rejected += 1

    def _report_start(self, t: Tensor, x: Tensor, _h: Tensor) -> None:
        if self._on_step is not None and self.last_state is not None:
            self._on_step(float(t.detach()), x)
        self.last_state = x
