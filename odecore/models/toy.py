"""Vector fields without parameters: Lady Windermere's fan and the crossing on a line.

Ott 2021, Figure 3; Gladzik 2019, Figure 5.10.
"""

import torch
from torch import Tensor, nn

from odecore.config.models.toy import Crossing as CrossingConfig
from odecore.config.models.toy import WindermereFan as FanConfig
from odecore.gradients.base import Gradient
from odecore.models.fields import FieldModule
from odecore.models.ode_block import ODEBlock
from odecore.solvers.base import Solver, VectorField


class FanField(FieldModule):
    """f(z) = A(z) z, A = [[alpha, 1], [-gamma |z|^delta, beta]], z: (B, 2) (Ott 2021, Figure 3)."""

    def __init__(self, config: FanConfig) -> None:
        super().__init__()
        self.config = config

    def bind(self) -> VectorField:
        """It has no parameters."""
        alpha, beta, gamma, delta = (
            self.config.alpha,
            self.config.beta,
            self.config.gamma,
            self.config.delta,
        )

        def f(_t: float, z: Tensor) -> Tensor:
            z1, z2 = z.unbind(1)
            return torch.stack(
                (
                    alpha * z1 + z2,
                    beta * z2 - gamma * torch.linalg.vector_norm(z, dim=1) ** delta * z1,
                ),
                1,
            )

        return f


class CrossingField(FieldModule):
    """f(z) = -2 z, z: (B, 1)."""

    def bind(self) -> VectorField:
        """It has no parameters."""

        def f(_t: float, z: Tensor) -> Tensor:
            return -2 * z

        return f


class WindermereFan(nn.Module):
    """The state at t = 1 as logits (B, 2), x: (B, 2). Nothing is trained.

    The question is whether a line can separate the classes' end points.
    """

    depth_layers = 0
    blocks = 1

    def __init__(self, block: ODEBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        return self.block(x)


class Crossing(nn.Module):
    """Logits (z, -z): (B, 2) of the state z at t = 1, x: (B, 1).

    Class 0 is the point -1, which the function to be learned sends to 1.
    """

    depth_layers = 0
    blocks = 1

    def __init__(self, block: ODEBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        z = self.block(x)
        return torch.cat((z, -z), 1)


def build_fan(
    config: FanConfig, _shape: tuple[int, ...], _classes: int, solver: Solver, gradient: Gradient
) -> WindermereFan:
    """Shape and classes are the toy data's, (2,) and 2."""
    return WindermereFan(ODEBlock(FanField(config), solver, gradient))


def build_crossing(
    _config: CrossingConfig,
    _shape: tuple[int, ...],
    _classes: int,
    solver: Solver,
    gradient: Gradient,
) -> Crossing:
    """Shape and classes are the toy data's, (1,) and 2."""
    return Crossing(ODEBlock(CrossingField(), solver, gradient))
