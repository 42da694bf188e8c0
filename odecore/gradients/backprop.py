"""Back-propagation through the solver: autograd stores and differentiates every step.

Shapes: x0 is (B, ...), B samples of a batch.
"""

from torch import Tensor

from odecore.config.gradient import Backprop
from odecore.gradients.base import Field, Gradient
from odecore.solvers.base import Solution, Solver


def backprop(field: Field, x0: Tensor, solver: Solver, t1: float = 1.0) -> Solution:
    """The exact gradient of the discrete solve. Adaptive step sizes are constants."""
    return solver(field.bind(), x0, t1=t1)


def build(_config: Backprop) -> Gradient:
    """Plain back-propagation; it has nothing to configure."""
    return backprop
