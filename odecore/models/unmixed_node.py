"""Zheng's unmixed neural ODE: the ODE acts on the input itself, then one linear layer.

Zheng 2024 (paper and its appendix).
"""

from math import prod

from torch import Tensor, nn
from torch.nn import functional

from odecore.config.backbone import STACKS
from odecore.config.models.unmixed_node import UnmixedNode as Config
from odecore.config.norm import NormConfig
from odecore.gradients.base import Gradient
from odecore.models.conv_stack import ConvStack
from odecore.models.fields import FieldModule, Normed, with_time
from odecore.models.initial_values import Scheme
from odecore.models.ode_block import ODEBlock
from odecore.solvers.base import Solver, VectorField

MLP_WIDTH = 784


class MlpField(FieldModule):
    """linear [t, ReLU norm linear [t, x]] with 784 hidden features (Zheng 2024, MNIST text).

    x: (B, ...) with D entries per sample.

    Time is one more feature before the others. The paper does not say so for this net; it does so
    in the convolutions, whose printed numbers of parameters need it, and f is a function of time
    throughout.
    """

    def __init__(self, features: int, norm: NormConfig) -> None:
        super().__init__()
        self.first = Normed(norm, nn.Linear(1 + features, MLP_WIDTH))
        self.last = nn.Linear(1 + MLP_WIDTH, features)

    def bind(self) -> VectorField:
        """The layers as they are."""

        def f(t: float, x: Tensor) -> Tensor:
            hidden = functional.relu_(self.first(with_time(t, x.flatten(1)), t))
            return self.last(with_time(t, hidden)).view_as(x).to(x.dtype)

        return f


class UnmixedNode(nn.Module):
    """head(flatten(x(1))), x(0): the image (B, C, H, W). Logits: (B, K).

    depth_layers: of the field, and the head.
    """

    blocks = 1
    initial_values: Scheme = "torch"

    def __init__(self, block: ODEBlock, features: int, classes: int, depth_layers: int) -> None:
        super().__init__()
        self.depth_layers = depth_layers
        self.block = block
        self.head = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        return self.head(self.block(x).flatten(1))


def build(
    config: Config, shape: tuple[int, ...], classes: int, solver: Solver, gradient: Gradient
) -> UnmixedNode:
    """shape: (C, H, W) of one image."""
    channels, height, width = shape
    if config.backbone == "mlp":
        field, layers = MlpField(prod(shape), config.norm), 2
    else:
        table = STACKS[config.backbone]
        field, layers = (
            ConvStack(table, channels, channels, (height, width), config.norm),
            len(table),
        )
    return UnmixedNode(ODEBlock(field, solver, gradient), prod(shape), classes, layers + 1)
