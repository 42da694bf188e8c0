"""Two small ODE blocks with norms inside, and some training steps on them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from odecore import gradients, norms, solvers
from odecore.config.gradient import Backprop, GradientConfig
from odecore.config.norm import (
    Batch,
    Layer,
    MiniBatch,
    NormConfig,
    Spectral,
    TemporalBatch,
    Weight,
)
from odecore.config.solver import FixedStep, SolverConfig
from odecore.models.fields import FieldModule
from odecore.models.ode_block import ODEBlock, repeat_side_effects
from odecore.solvers.base import VectorField

BACKPROP = Backprop()
EULER = FixedStep(name="euler", steps=4)
NORMS: dict[str, NormConfig] = {
    "batch": Batch(),
    "mini_batch": MiniBatch(),
    "layer": Layer(),
    "weight": Weight(),
    "spectral": Spectral(),
    "ta_bn": TemporalBatch(grid_size=9),
    "ta_bn_kernel": TemporalBatch(grid_size=9, interpolation="kernel"),
}


class Field(FieldModule):
    """conv - norm - tanh - transposed conv - norm, two channels."""

    def __init__(self, config: NormConfig) -> None:
        super().__init__()
        self.first, self.first_norm = norms.apply(config, nn.Conv2d(2, 3, 3, padding=1))
        self.last, self.last_norm = norms.apply(config, nn.ConvTranspose2d(3, 2, 3, padding=1))

    def bind(self) -> VectorField:
        return lambda t, x: self.last_norm(
            self.last(torch.tanh(self.first_norm(self.first(x), t))), t
        )


def two_blocks(
    norm: NormConfig,
    solver: SolverConfig = EULER,
    gradient: GradientConfig = BACKPROP,
    anode: bool = False,
) -> nn.Sequential:
    torch.manual_seed(0)
    blocks = [
        ODEBlock(Field(norm), solvers.build(solver), gradients.build(gradient)).double()
        for _ in range(2)
    ]
    for block in blocks:
        block.anode_side_effects = anode
    return nn.Sequential(*blocks)


def backward_here(loss: Tensor) -> None:
    loss.backward()


def trained(
    model: nn.Module,
    steps: int = 2,
    lr: float = 0.0,
    backward: Callable[[Tensor], None] = backward_here,
) -> tuple[Tensor, Tensor]:
    """(gradients of the last step in one vector, all buffers in one vector) after some training
    steps on fresh batches.
    """
    gradient = torch.empty(0)
    for step in range(steps):
        x = torch.randn(
            3, 2, 4, 4, generator=torch.Generator().manual_seed(step), dtype=torch.float64
        ).requires_grad_()
        model.zero_grad()
        backward(model(x).square().sum())
        repeat_side_effects(model)
        gradient = torch.cat(
            [part.grad.flatten() for part in (x, *model.parameters()) if part.grad is not None]
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= lr * (parameter.grad if parameter.grad is not None else 0)
    return gradient, buffers(model)


def buffers(model: nn.Module) -> Tensor:
    return torch.cat([buffer.flatten().clone() for buffer in model.buffers()] or [torch.zeros(1)])
