"""The continuous adjoint: gradients from a second ODE, solved backwards.

Chen et al. 2018, algorithm 1. Shapes: states x, x0 are (B, ...), B samples of a batch.
"""

from dataclasses import dataclass

from torch import Tensor

from odecore.config.gradient import Adjoint
from odecore.config.solver import AdaptedStep, AdaptedTolerance, FixedStep
from odecore.gradients.base import Field
from odecore.norms import side_effects
from odecore.solvers.base import Solution, Solver
from odecore.solvers.torchdiffeq_solver import solve_with_adjoint


@dataclass(frozen=True)
class AdjointGradient:
    """da/dt = -a^T df/dx, dL/dtheta = -int_t1^0 a^T df/dtheta dt, by torchdiffeq.

    odeint_adjoint runs with the solver's method.

    A fixed-step solver takes as many steps back as forward. Caveat: not the gradient of the
    discrete solve; it differs by the solver's error.
    Memory does not grow with the number of steps. Both directions run in torchdiffeq, whatever the
    solver's backend.
    On the way back norms change nothing, and a spectral norm keeps its last u and v.
    """

    config: Adjoint

    def __call__(self, field: Field, x0: Tensor, solver: Solver, t1: float = 1.0) -> Solution:
        """Solve over [0, t1]. The backward pass raises SolveFailed when its solve fails.

        Raises ValueError for a method that torchdiffeq does not have, and for a tolerance that a
        fixed-step method would ignore.
        """
        if isinstance(solver.config, AdaptedStep | AdaptedTolerance):
            raise ValueError(
                f"the adjoint cannot follow {solver.config.name}, which changes its steps in "
                "training; use gradient.name = backprop"
            )
        if self.config.tolerance is not None and isinstance(solver.config, FixedStep):
            raise ValueError(
                f"gradient.tolerance has no meaning for the fixed-step solver "
                f"{solver.config.name!r}; leave it null"
            )
        f, forward = field.bind(), True

        def evaluate(t: float, x: Tensor) -> Tensor:
            if forward:
                return f(t, x)
            with side_effects.handled_by(side_effects.withhold):
                return f(t, x)

        solution = solve_with_adjoint(
            solver.config, evaluate, x0, field.parameters(), self.config.tolerance, t1
        )
        forward = False
        return solution


build = AdjointGradient
