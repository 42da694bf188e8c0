"""Gusak's stacked nets ODENet4 and ODENet10, and ResNet4 and ResNet10 (Gusak 2020, code).

The ResNets have residual blocks in place of the ODE blocks.
"""

from torch import Tensor, nn
from torch.nn import functional

from odecore.config.models.stacked_odenet import StackedOdenet as Config
from odecore.config.norm import NormConfig
from odecore.gradients.base import Gradient
from odecore.models.fields import FieldModule, Normed
from odecore.models.initial_values import Scheme
from odecore.models.ode_block import ODEBlock
from odecore.solvers.base import Solver, VectorField

# ReLUs are out of place throughout: probes and norms may still hold what they act on.


def conv3x3(inputs: int, outputs: int, norm: NormConfig, stride: int = 1) -> Normed:
    """3x3 convolution without bias, and its norm."""
    return Normed(norm, nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False))


class ConvNormField(FieldModule):
    """f(z) = ReLU norm conv ReLU norm conv z, without skip, z: (B, C, H, W) (Gusak 2020, code).

    Time reaches the norms only.

    The last operation is a ReLU, so f >= 0 and no coordinate of the state ever falls.
    """

    def __init__(self, channels: int, norm: NormConfig) -> None:
        super().__init__()
        self.first = conv3x3(channels, channels, norm)
        self.second = conv3x3(channels, channels, norm)

    def bind(self) -> VectorField:
        """The layers as they are."""

        def f(t: float, z: Tensor) -> Tensor:
            return functional.relu(self.second(functional.relu(self.first(z, t)), t)).to(z.dtype)

        return f


class ResidualBlock(nn.Module):
    """ReLU(shortcut(x) + norm conv ReLU norm conv x) (He et al. 2016, post-activation).

    The shortcut is x itself, or a 1x1 convolution with norm where the shape changes. The slot's
    norm is that of all its convolutions.
    """

    def __init__(self, inputs: int, outputs: int, norm: NormConfig, stride: int = 1) -> None:
        super().__init__()
        self.first = conv3x3(inputs, outputs, norm, stride)
        self.second = conv3x3(outputs, outputs, norm)
        same = inputs == outputs and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else Normed(norm, nn.Conv2d(inputs, outputs, 1, stride, bias=False))
        )

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, inputs, H, W). (B, outputs, H / stride, W / stride)."""
        return functional.relu(self.second(functional.relu(self.first(x))) + self.shortcut(x))


class StackedOdenet(nn.Module):
    """head(mean over space of stages(ReLU norm stem x)), x: (B, C, H, W). Logits: (B, K)."""

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
        # Layers with weights on the way from input to output; a shortcut's convolution is not on
        # it.
        self.depth_layers: int = config.layers
        self.blocks = config.ode_blocks
        width, norm = config.width, config.residual_norm

        def block(channels: int) -> nn.Module:
            if config.kind == "residual":
                return ResidualBlock(channels, channels, norm)
            assert solver is not None
            assert gradient is not None
            return ODEBlock(ConvNormField(channels, config.ode_norm), solver, gradient)

        self.stem = conv3x3(channels, width, config.stem_norm)
        if config.layers == 4:
            stages, features = [block(width)], width
        else:
            first, second = (
                ResidualBlock(width, width, norm),
                ResidualBlock(width, 2 * width, norm, stride=2),
            )
            stages, features = [first, block(width), second, block(2 * width)], 2 * width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        return self.head(self.stages(functional.relu(self.stem(x))).mean((2, 3)))


def build(
    config: Config,
    shape: tuple[int, ...],
    classes: int,
    solver: Solver | None,
    gradient: Gradient | None,
) -> StackedOdenet:
    """shape: (C, H, W) of one image. solver, gradient: None for kind = residual."""
    return StackedOdenet(config, shape[0], classes, solver, gradient)
