"""The ODE block: x0 -> x1, solution at t = 1 of dx/dt = f(t, x), with its solver and gradient method as parts that can be changed."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from odecore import solvers
from odecore.config.solver import SolverConfig
from odecore.gradients.backprop import backprop
from odecore.gradients.base import Gradient
from odecore.models.fields import FieldModule
from odecore.solvers.base import SolveFailed, Solver, SolveStatus, VectorField

__all__ = ["ODEBlock", "SolveFailed", "count_evaluations", "reset_evaluations", "use_solver"]


class ODEBlock(nn.Module):
    """Solves its field over [0, 1] and counts what that costs.

    evaluations_forward: calls of f inside forward(). evaluations_backward: calls of f later, by recomputation or by the adjoint's backward solve.
    Both grow until reset_counts().
    """

    def __init__(self, field: FieldModule, solver: Solver, gradient: Gradient) -> None:
        super().__init__()
        self.field = field
        self.solver = solver
        self.gradient = gradient
        self.evaluations_forward = 0
        self.evaluations_backward = 0
        self._inside_forward = False

    def forward(self, x0: Tensor) -> Tensor:
        """x0 and the result: any shape that the field takes. Raises SolveFailed when the solve ends with any status but OK."""
        self._inside_forward = True
        try:
            solution = self.gradient(_CountedField(self), x0, self.solver)
        finally:
            self._inside_forward = False
        if solution.status is not SolveStatus.OK:
            raise SolveFailed(solution.status)
        return solution.x1

    def bind_counted(self) -> VectorField:
        """The field made ready for one solve, counting its calls."""
        f = self.field.bind()

        def counted(t: float, x: Tensor) -> Tensor:
            if self._inside_forward:
                self.evaluations_forward += 1
            else:
                self.evaluations_backward += 1
            return f(t, x)

        return counted

    def reset_counts(self) -> None:
        """Start counting from 0."""
        self.evaluations_forward = self.evaluations_backward = 0


class _CountedField:
    """A block's field, as gradient methods take it. Not a module: the field must be part of the block once, under one name."""

    def __init__(self, block: ODEBlock) -> None:
        self.bind = block.bind_counted
        self.parameters = block.field.parameters


def ode_blocks(model: nn.Module) -> list[ODEBlock]:
    """All ODE blocks of a model, in order."""
    return [module for module in model.modules() if isinstance(module, ODEBlock)]


@contextmanager
def use_solver(model: nn.Module, config: SolverConfig) -> Iterator[None]:
    """Inside, every ODE block solves with `config` and plain gradients; afterwards with what it had."""
    blocks = ode_blocks(model)
    before = [(block.solver, block.gradient) for block in blocks]
    solver = solvers.build(config)
    try:
        for block in blocks:
            block.solver, block.gradient = solver, backprop
        yield
    finally:
        for block, (solver_before, gradient_before) in zip(blocks, before, strict=True):
            block.solver, block.gradient = solver_before, gradient_before


def count_evaluations(model: nn.Module) -> tuple[int, int]:
    """Evaluations of f since the last reset, (forward, backward), summed over the blocks."""
    blocks = ode_blocks(model)
    return sum(block.evaluations_forward for block in blocks), sum(block.evaluations_backward for block in blocks)


def reset_evaluations(model: nn.Module) -> None:
    """Start counting from 0 in every block."""
    for block in ode_blocks(model):
        block.reset_counts()
