"""The interface of gradient methods, and of the fields they differentiate.

Shapes: x0 is (B, ...), B samples of a batch.
"""

from collections.abc import Iterable
from typing import Protocol

from torch import Tensor, nn

from odecore.solvers.base import Solution, Solver, VectorField


class Field(Protocol):
    """A parametrized right-hand side."""

    def bind(self) -> VectorField:
        """f(t, x) for one solve. What depends on parameters alone is computed here, once."""
        ...

    def parameters(self) -> Iterable[nn.Parameter]:
        """What gradients are wanted for."""
        ...


class Gradient(Protocol):
    """Solves over [0, t1]; a later backward pass gives gradients of x1.

    These are gradients with respect to x0 and the field's parameters.

    Norms in the field change their statistics in this solve only, not in whatever the backward pass
    evaluates.
    """

    def __call__(self, field: Field, x0: Tensor, solver: Solver, t1: float = 1.0) -> Solution: ...  # noqa: D102
