"""The interface of solvers: vector field, solution, and a status for numerical failures.

Shapes: states x, x0, x1 are (B, ...), B samples of a batch; f keeps the shape of x.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import torch
from torch import Tensor

from odecore.config.solver import SolverConfig

# f(t, x): t is a Python float, x and the result have any common shape.
VectorField = Callable[[float, Tensor], Tensor]

# Called after every accepted step with its end time and the state there.
OnStep = Callable[[float, Tensor], None]


class SolveStatus(StrEnum):
    """How a solve ended. All but OK are numerical failures: recorded, not programming errors."""

    OK = "ok"
    NON_FINITE = "non_finite"
    STEP_UNDERFLOW = "step_underflow"
    MAX_EVALUATIONS = "max_evaluations"

    @property
    def remedy(self) -> str:
        """One sentence: what happened and what to try."""
        return REMEDIES[self]


REMEDIES = {
    SolveStatus.OK: "The solve reached the end.",
    SolveStatus.NON_FINITE: "The state or its error estimate became infinite or NaN; "
    "use more steps, a smaller tolerance or a smaller learning rate.",
    SolveStatus.STEP_UNDERFLOW: "The step became too small to advance t; "
    "use a larger tolerance, or a field that is less stiff.",
    SolveStatus.MAX_EVALUATIONS: "The solve reached solver.max_evaluations before the end; "
    "raise it or use a larger tolerance.",
}


class SolveFailed(Exception):
    """A failed solve where no Solution can be returned: in a model's forward or backward pass."""

    def __init__(self, status: SolveStatus) -> None:
        super().__init__(f"solve failed ({status.value}): {status.remedy}")
        self.status = status

    def __reduce__(self) -> tuple[type["SolveFailed"], tuple[SolveStatus]]:
        # The default would rebuild it from the message, and processes do send exceptions to each
        # other.
        return SolveFailed, (self.status,)


@dataclass(frozen=True)
class Solution:
    """State at the end, and what it cost. After a failure x1 is the last state reached.

    x1: (B, ...). nfe: number of calls of f, including rejected steps and the initial step size.
    """

    x1: Tensor
    status: SolveStatus
    nfe: int
    steps_accepted: int
    steps_rejected: int


class Solver(Protocol):
    """Solves dx/dt = f(t, x) from t0 to t1, forwards or backwards. For t0 = t1 that is x0.

    config: what it was built from. order: order of convergence in the step size.
    """

    @property
    def config(self) -> SolverConfig: ...  # noqa: D102 - see the class

    @property
    def order(self) -> int: ...  # noqa: D102 - see the class

    def __call__(  # noqa: D102 - see the class
        self,
        f: VectorField,
        x0: Tensor,
        t0: float = 0.0,
        t1: float = 1.0,
        on_step: OnStep | None = None,
    ) -> Solution: ...


def solve_backwards(
    solver: Solver, f: VectorField, x0: Tensor, t0: float, t1: float, on_step: OnStep | None
) -> Solution:
    """From t0 down to t1 < t0: dx/ds = -f(-s, x) from s = -t0 up to -t1."""

    def report(s: float, x: Tensor) -> None:
        if on_step is not None:
            on_step(-s, x)

    return solver(lambda s, x: -f(-s, x), x0, -t0, -t1, None if on_step is None else report)


def solve_nothing(x0: Tensor) -> Solution:
    """From t0 to t1 = t0."""
    status = SolveStatus.OK if is_finite(x0) else SolveStatus.NON_FINITE
    return Solution(x0, status, nfe=0, steps_accepted=0, steps_rejected=0)


_postponed: ContextVar[Callable[[Tensor], None] | None] = ContextVar("postponed", default=None)


@contextmanager
def checks_postponed(note: Callable[[Tensor], None]) -> Iterator[None]:
    """Inside, `is_finite` waits for nothing: it answers yes, and `note` gets max |x|, a scalar."""
    token = _postponed.set(note)
    try:
        yield
    finally:
        _postponed.reset(token)


def is_finite(x: Tensor) -> bool:
    """Whether every entry is finite. One reduction, and waits for the device once."""
    if x.numel() == 0:
        return True
    largest = torch.linalg.vector_norm(x.detach(), math.inf)
    if note := _postponed.get():
        note(largest)
        return True
    return math.isfinite(largest.item())
