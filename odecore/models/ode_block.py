"""The ODE block x0 -> x1: solution at t = 1 of dx/dt = f(t, x), with a solver and a gradient.

Shapes: x0 and x1 are (B, ...), B samples of a batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from odecore import solvers
from odecore.config.solver import Adaptive, FixedStep, SolverConfig
from odecore.gradients.backprop import backprop
from odecore.gradients.base import Gradient
from odecore.models.fields import FieldModule
from odecore.norms import side_effects
from odecore.solvers import adaptation
from odecore.solvers.base import Solution, SolveFailed, Solver, SolveStatus, VectorField

__all__ = [
    "ODEBlock",
    "SolveFailed",
    "count_fallbacks",
    "count_nfe",
    "ode_blocks",
    "repeat_side_effects",
    "reset_nfe",
    "use_solver",
]


class ODEBlock(nn.Module):
    """Solves its field over [0, end_time] and counts what that costs.

    A failed solve is repeated by Euler where the solver's config has fallback_steps; fallbacks
    counts these solves until reset_counts().

    nfe_forward: calls of f inside forward(). nfe_backward: calls of f later, by
    recomputation or by the adjoint's backward solve.
    Both grow until reset_counts().
    steer: b of the end times U(1 - b, 1 + b) that training draws (Ghosh et al. 2020), None for 1.
    anode_side_effects: each training step changes norm statistics twice, as when ANODE recomputes
    (Gusak 2020, code): recomputation really does, and after plain back-propagation
    `repeat_side_effects` does. adaptation: value of an adapted solver, None for others.
    """

    def __init__(self, field: FieldModule, solver: Solver, gradient: Gradient) -> None:
        super().__init__()
        self.field = field
        self.solver = solver
        self.gradient = gradient
        self.end_time = 1.0
        self.steer: float | None = None
        self.anode_side_effects = False
        self.nfe_forward = 0
        self.nfe_backward = 0
        self.fallbacks = 0
        self.adaptation: Tensor | None
        adaptation.register_adapted_value(self, solver)
        self._inside_forward = False
        self._changes: list[Callable[[], Any]] = []

    def forward(self, x0: Tensor) -> Tensor:
        """x0 and result: the same shape (B, ...). Raises SolveFailed for any status but OK.

        Under autocast the layers before may give x0 in half precision. The state is float32: only f
        computes in less.
        """
        x0 = x0 if torch.finfo(x0.dtype).bits > 16 else x0.float()
        # Only plain back-propagation has no second pass that would make the changes by itself.
        repeatable = (
            self.anode_side_effects
            and self.training
            and torch.is_grad_enabled()
            and self.gradient is backprop
        )
        self._changes = []
        self._inside_forward = True
        try:
            with (
                side_effects.handled_by(side_effects.collect(self._changes))
                if repeatable
                else nullcontext()
            ):
                solution = self._solve(x0)
        finally:
            self._inside_forward = False
        if solution.status is not SolveStatus.OK:
            raise SolveFailed(solution.status)
        return solution.x1

    def _solve(self, x0: Tensor) -> Solution:
        field, config = _CountedField(self), self.solver.config
        solution = self.gradient(field, x0, self.solver, self.end_time)
        if solution.status is SolveStatus.OK or not isinstance(config, Adaptive):
            return solution
        if config.fallback_steps is None:
            return solution
        self.fallbacks += 1
        euler = FixedStep(name="euler", steps=config.fallback_steps, backend=config.backend)
        return self.gradient(field, x0, solvers.build(euler), self.end_time)

    def bind_counted(self) -> VectorField:
        """The field made ready for one solve, counting its calls."""
        f = self.field.bind()

        def counted(t: float, x: Tensor) -> Tensor:
            if self._inside_forward:
                self.nfe_forward += 1
                return f(t, x)
            self.nfe_backward += 1
            if not self.anode_side_effects:
                return f(t, x)
            with side_effects.handled_by(side_effects.perform):
                return f(t, x)

        return counted

    def reset_counts(self) -> None:
        """Start counting from 0."""
        self.nfe_forward = self.nfe_backward = self.fallbacks = 0

    def repeat_side_effects(self) -> None:
        """Repeat the norm changes of the last forward pass, in their order, if there are any."""
        changes, self._changes = self._changes, []
        for change in changes:
            change()


class _CountedField:
    """A block's field for gradient methods. Not a module: the block registers the field itself."""

    def __init__(self, block: ODEBlock) -> None:
        self.bind = block.bind_counted
        self.parameters = block.field.parameters


def ode_blocks(model: nn.Module) -> list[ODEBlock]:
    """All ODE blocks of a model, in order."""
    return [module for module in model.modules() if isinstance(module, ODEBlock)]


@contextmanager
def use_solver(model: nn.Module, config: SolverConfig) -> Iterator[None]:
    """Inside, ODE blocks solve with `config` and plain gradients; then the old ones return."""
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


def count_nfe(model: nn.Module) -> tuple[int, int]:
    """NFE since the last reset, (forward, backward), summed over the blocks."""
    blocks = ode_blocks(model)
    return sum(block.nfe_forward for block in blocks), sum(block.nfe_backward for block in blocks)


def count_fallbacks(model: nn.Module) -> int:
    """Solves since the last reset that failed and were repeated by Euler, in all blocks."""
    return sum(block.fallbacks for block in ode_blocks(model))


def reset_nfe(model: nn.Module) -> None:
    """Start counting from 0 in every block."""
    for block in ode_blocks(model):
        block.reset_counts()


def repeat_side_effects(model: nn.Module) -> None:
    """After plain back-propagation: repeat the norm changes that ANODE's recomputation makes.

    Acts on blocks with anode_side_effects.

    Gives ANODE's running statistics (Gholami et al. 2019; Gusak 2020, code) at the cost of C
    numbers per norm and evaluation. Does nothing otherwise.
    """
    for block in ode_blocks(model):
        block.repeat_side_effects()
