"""Zheng's unmixed neural ODE: the ODE acts on the input itself, then one linear layer.

Zheng 2024 (paper and its appendix).
"""

from math import prod

from torch import Tensor, nn
from torch.nn import functional

from odecore.config.backbone import has_last_norm, has_last_relu, rows_of
from odecore.config.models.unmixed_node import UnmixedNode as Config
from odecore.config.norm import NormConfig
from odecore.gradients.base import Gradient
from odecore.models.conv_stack import ConvStack
from odecore.models.dropout import Dropout
from odecore.models.fields import FieldModule, Normed, with_time
from odecore.models.initial_values import Scheme
from odecore.models.ode_block import ODEBlock
from odecore.norms.outputs import BatchNorm
from odecore.solvers.base import Solver, VectorField

MLP_WIDTH = 784


class MlpField(FieldModule):
    """linear [t, ReLU norm linear [t, x]] with 784 hidden features (Zheng 2024, MNIST text).

    last_norm, last_relu: after the last layer too (Zheng 2024, code).
    x: (B, ...) with D entries per sample.

    Time is one more feature before the others. The paper does not say so for this net; it does so
    in the convolutions, whose printed numbers of parameters need it, and f is a function of time
    throughout.
    """

    def __init__(
        self, features: int, norm: NormConfig, *, last_norm: bool = False, last_relu: bool = False
    ) -> None:
        super().__init__()
        self.first = Normed(norm, nn.Linear(1 + features, MLP_WIDTH))
        last = nn.Linear(1 + MLP_WIDTH, features)
        self.last = Normed(norm, last) if last_norm else last
        self.last_relu = last_relu

    def bind(self) -> VectorField:
        """The layers as they are."""

        def f(t: float, x: Tensor) -> Tensor:
            hidden = functional.relu_(self.first(with_time(t, x.flatten(1)), t))
            hidden = with_time(t, hidden)
            slope = self.last(hidden, t) if isinstance(self.last, Normed) else self.last(hidden)
            slope = functional.relu_(slope) if self.last_relu else slope
            return slope.view_as(x).to(x.dtype)

        return f


class UnmixedNode(nn.Module):
    """head(flatten(x(1))), x(0): the image (B, C, H, W). Logits: (B, K).

    head: the linear layer, or that behind norm over the C channels and dropout, as configured.
    depth_layers: of the field, and the linear layer of the head.
    """

    blocks = 1
    initial_values: Scheme = "torch"

    def __init__(
        self,
        config: Config,
        block: ODEBlock,
        shape: tuple[int, ...],
        classes: int,
        depth_layers: int,
    ) -> None:
        super().__init__()
        self.depth_layers = depth_layers
        self.block = block
        self.head_norm = BatchNorm(shape[0]) if "norm" in config.head else None
        self.dropout = Dropout() if "dropout" in config.head else None
        self.head = nn.Linear(prod(shape), classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        x = self.block(x)
        if self.head_norm is not None:
            x = self.head_norm(x, 1.0)
        if self.dropout is not None:
            x = self.dropout(x)
        return self.head(x.flatten(1))


def build(
    config: Config, shape: tuple[int, ...], classes: int, solver: Solver, gradient: Gradient
) -> UnmixedNode:
    """shape: (C, H, W) of one image."""
    channels, height, width = shape
    last_norm = has_last_norm(config.last_layer)
    last_relu = has_last_relu(config.backbone, config.last_layer)
    if config.backbone == "mlp":
        field = MlpField(prod(shape), config.norm, last_norm=last_norm, last_relu=last_relu)
        layers = 2
    else:
        table = rows_of(config.backbone, config.layout, channels)
        field = ConvStack(
            table,
            channels,
            channels,
            (height, width),
            config.norm,
            last_norm=last_norm,
            last_relu=last_relu,
        )
        layers = len(table)
    return UnmixedNode(config, ODEBlock(field, solver, gradient), shape, classes, layers + 1)
