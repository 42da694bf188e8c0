"""Second-order neural ODEs as first-order systems: SONODE, HBNODE and GHBNODE.

Norcliffe et al. 2020; Xia et al. 2021, code.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from odecore.config.models.second_order_node import SecondOrderNode as Config
from odecore.gradients.base import Gradient
from odecore.models.augmented_node import append_zeros
from odecore.models.conv_stack import ConvStack, backbone
from odecore.models.fields import FieldModule
from odecore.models.initial_values import Scheme
from odecore.models.ode_block import ODEBlock
from odecore.solvers.base import Solver, VectorField

# Xia et al. 2021, code: sigmoid(-3) = 0.047 is the damping at the start, softplus(2) = 2.13 the
# spring constant at the start where it is trained, and 1.5 where it is fixed.
INITIAL_G = -3.0
INITIAL_XI = 2.0
FIXED_SPRING = 1.5
LEAK = 0.3
SPRINGS: dict[str, Literal["trained", "fixed"] | None] = {
    "hbnode": None,
    "ghbnode": "trained",
    "ghbnode_fixed": "fixed",
}


class SonodeField(FieldModule):
    """y' = v, v' = f(t, [y; v]) on x = [y; v]: (B, 2 C, H, W). acceleration: f, to C channels."""

    def __init__(self, acceleration: ConvStack, channels: int) -> None:
        super().__init__()
        self.acceleration = acceleration
        self.channels = channels

    def bind(self) -> VectorField:
        """See the class."""
        acceleration = self.acceleration.bind()

        def f(t: float, x: Tensor) -> Tensor:
            return torch.cat((x[:, self.channels :], acceleration(t, x)), 1)

        return f


class HeavyBallField(FieldModule):
    """h' = -m, m' = f(t, h) - sigmoid(g) m on x = [h; m]: (B, 2 C, H, W).

    Xia et al. 2021, as coded; the paper's momentum is -m.

    spring: None for the plain form. Otherwise h' = tanh(-m), m' = f(t, h) - sigmoid(g) m + k h,
    where "trained" has k = softplus(xi) (the code for MNIST) and "fixed" has k = 1.5 (the code for
    CIFAR-10). g and xi are trained.
    The code's correction for the plain form, a frozen xi of -100 that adds softplus(-100) h = 4e-44
    h, is left out.
    """

    def __init__(
        self, force: ConvStack, channels: int, spring: Literal["trained", "fixed"] | None
    ) -> None:
        super().__init__()
        self.force = force
        self.channels = channels
        self.spring = spring
        self.g = nn.Parameter(torch.tensor(INITIAL_G))
        self.xi = nn.Parameter(torch.tensor(INITIAL_XI)) if spring == "trained" else None

    def bind(self) -> VectorField:
        """Both scalars' functions are computed here."""
        force = self.force.bind()
        damping = -torch.sigmoid(self.g)
        constant = None if self.xi is None else functional.softplus(self.xi)

        def f(t: float, x: Tensor) -> Tensor:
            h, m = x[:, : self.channels], x[:, self.channels :]
            slope = torch.addcmul(force(t, h), m, damping)
            if self.spring is None:
                return torch.cat((-m, slope), 1)
            pulled = (
                torch.add(slope, h, alpha=FIXED_SPRING)
                if constant is None
                else torch.addcmul(slope, h, constant)
            )
            return torch.cat((torch.tanh(-m), pulled), 1)

        return f


class SecondOrderNode(nn.Module):
    """head(flatten(h(1))), [h(0); m(0)] = [x; start(x)], x: (B, c, H, W). Logits: (B, K).

    h and m have d channels each.

    start: the 2 d - c other channels by three convolutions with leaky ReLUs, or zeros; or m(0) is
    the image, for d = c.
    depth_layers: of start, the field, and the head.
    Raises ValueError for d < c, and for a start by convolutions whose width is not given.
    """

    blocks = 1
    initial_values: Scheme = "torch"

    def __init__(
        self,
        config: Config,
        shape: tuple[int, ...],
        classes: int,
        solver: Solver,
        gradient: Gradient,
    ) -> None:
        super().__init__()
        image_channels, height, width = shape
        channels = config.channels
        if channels < image_channels:
            raise ValueError(
                f"model.channels = {channels} is less than the image's {image_channels} channels, "
                "which are part of the state"
            )
        self.channels = channels
        self.zeros = 2 * channels - image_channels
        self.starts_at_image = config.start == "image"
        self.start = _start(config, image_channels, self.zeros)
        field = _field(config, shape)
        stack = field.acceleration if isinstance(field, SonodeField) else field.force
        self.depth_layers = (0 if self.start is None else 3) + len(stack.table) + 1
        self.block = ODEBlock(field, solver, gradient)
        self.head = nn.Linear(channels * height * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        if self.starts_at_image:
            x0 = torch.cat((x, x), 1)
        elif self.start is None:
            x0 = append_zeros(x, self.zeros)
        else:
            x0 = torch.cat((x, self.start(x).to(x.dtype)), 1)
        return self.head(self.block(x0)[:, : self.channels].flatten(1))


def _start(config: Config, inputs: int, outputs: int) -> nn.Sequential | None:
    if config.start != "network":
        return None
    # The section's own check has made sure of the width.
    assert config.width is not None
    width = config.width
    return nn.Sequential(
        nn.Conv2d(inputs, width, 1),
        nn.LeakyReLU(LEAK),
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(LEAK),
        nn.Conv2d(width, outputs, 1),
    )


def _field(config: Config, shape: tuple[int, ...]) -> SonodeField | HeavyBallField:
    channels = config.channels
    if config.dynamics == "sonode":
        return SonodeField(backbone(config, 2 * channels, channels, shape), channels)
    return HeavyBallField(
        backbone(config, channels, channels, shape),
        channels,
        SPRINGS[config.dynamics],
    )


build = SecondOrderNode
