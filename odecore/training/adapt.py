"""Adaptation of step size or tolerance in training: what its algorithms need from the net."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from odecore.models.ode_block import SolveFailed, count_nfe, ode_blocks
from odecore.norms import side_effects
from odecore.solvers.adaptation import INTERVAL_ITERATIONS, Adapted, Measure, Measured
from odecore.solvers.base import Solver


def adapted_solver(model: nn.Module) -> Adapted | None:
    """The solver of the model's ODE blocks (they share one), if it is an adapted one."""
    solvers = [block.solver for block in ode_blocks(model) if isinstance(block.solver, Adapted)]
    return solvers[0] if solvers else None


def is_due(iteration: int) -> bool:
    """Whether step `iteration`, counted from 0, adapts: every 50th does."""
    return (iteration + 1) % INTERVAL_ITERATIONS == 0


def accuracy(logits: Tensor, labels: Tensor, divisor: int) -> float:
    """Correct answers over `divisor`; logits (B, K), labels (B,). One device sync."""
    return int((logits.argmax(1) == labels).sum()) / divisor


def measure_on(
    model: nn.Module, logits: Callable[[], Tensor], labels: Tensor, divisor: int
) -> Measure:
    """Accuracy of the current batch under any solver, in train mode, without side effects.

    No gradients are computed and no norm changes. Shapes: logits (B, K), labels (B,).

    logits: runs the model on the batch. NFE is counted in the blocks as usual.
    """

    def measure(solver: Solver) -> Measured:
        before = count_nfe(model)[0]
        try:
            with (
                torch.no_grad(),
                side_effects.handled_by(side_effects.withhold),
                _solved_by(model, solver),
            ):
                batch_accuracy = accuracy(logits(), labels, divisor)
        except SolveFailed:
            batch_accuracy = float("nan")
        return Measured(batch_accuracy, count_nfe(model)[0] - before)

    return measure


@contextmanager
def _solved_by(model: nn.Module, solver: Solver) -> Iterator[None]:
    blocks = ode_blocks(model)
    before = [block.solver for block in blocks]
    try:
        for block in blocks:
            block.solver = solver
        yield
    finally:
        for block, solver_before in zip(blocks, before, strict=True):
            block.solver = solver_before
