"""Gladzik's nets: downsampling convolutions, residual or ODE blocks of 64 channels, pooled head.

Gladzik 2019, section 4.1.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from odecore.config.models.groupnorm_odenet import GroupnormOdenet as Config
from odecore.gradients.base import Gradient
from odecore.models.fields import FieldModule, with_time
from odecore.models.initial_values import Scheme
from odecore.models.ode_block import ODEBlock
from odecore.solvers.base import Solver, VectorField

CHANNELS = 64


def group_norm(channels: int) -> nn.GroupNorm:
    """32 groups, or one per channel where there are fewer channels."""
    return nn.GroupNorm(min(32, channels), channels)


class TimeConvField(FieldModule):
    """f(t, z) = norm conv [t, ReLU norm conv [t, ReLU norm z]], z: (B, C, H, W).

    3x3 convolutions with bias (Gladzik 2019, section 4.1.4).

    As in torchdiffeq's example odenet_mnist. [t, .] puts the time as a constant channel before the
    others. The thesis does not mention the last norm; its parameter counts need it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = group_norm(channels)
        self.conv1 = nn.Conv2d(channels + 1, channels, 3, padding=1)
        self.norm2 = group_norm(channels)
        self.conv2 = nn.Conv2d(channels + 1, channels, 3, padding=1)
        self.norm3 = group_norm(channels)

    def bind(self) -> VectorField:
        """The layers as they are."""

        def f(t: float, z: Tensor) -> Tensor:
            hidden = self.conv1(with_time(t, functional.relu(self.norm1(z))))
            return self.norm3(self.conv2(with_time(t, functional.relu(self.norm2(hidden))))).to(
                z.dtype
            )

        return f


class ResidualBlock(nn.Module):
    """x + conv ReLU norm conv ReLU norm x, 3x3 without bias (He et al. 2016, pre-activation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = group_norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = group_norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return x + self.conv2(
            functional.relu(self.norm2(self.conv1(functional.relu(self.norm1(x)))))
        )


class GroupnormOdenet(nn.Module):
    """head(stages(downsampling(x))), x: (B, C, H, W). Logits: (B, K). No field is shared."""

    initial_values: Scheme = "torch"

    def __init__(
        self,
        config: Config,
        channels: int,
        classes: int,
        solver: Solver | None,
        gradient: Gradient | None,
    ) -> None:
        super().__init__()
        # Three convolutions before the blocks, two in each, and the linear layer.
        self.depth_layers = 3 + 2 * config.blocks + 1
        self.blocks = config.ode_blocks

        def stage() -> nn.Module:
            if config.kind == "residual":
                return ResidualBlock(CHANNELS)
            assert solver is not None
            assert gradient is not None
            return ODEBlock(TimeConvField(CHANNELS), solver, gradient)

        self.downsampling = nn.Sequential(
            nn.Conv2d(channels, CHANNELS, 3),
            group_norm(CHANNELS),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
            group_norm(CHANNELS),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
        )
        self.stages = nn.Sequential(*(stage() for _ in range(config.blocks)))
        self.norm = group_norm(CHANNELS)
        self.head = nn.Linear(CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        features = functional.relu(self.norm(self.stages(self.downsampling(x))))
        return self.head(torch.mean(features, (2, 3)))


def build(
    config: Config,
    shape: tuple[int, ...],
    classes: int,
    solver: Solver | None,
    gradient: Gradient | None,
) -> GroupnormOdenet:
    """shape: (C, H, W) of one image. solver, gradient: None for kind = residual."""
    return GroupnormOdenet(config, shape[0], classes, solver, gradient)
