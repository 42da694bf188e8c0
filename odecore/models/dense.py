"""Fully connected nets of the equi-normalization report (ENorm 2019, section 2)."""

from collections.abc import Callable
from math import prod

from torch import Tensor, nn
from torch.nn import functional

from odecore.config.models.dense import Dense as Config
from odecore.gradients.base import Gradient
from odecore.models.fields import Normed
from odecore.models.initial_values import Scheme
from odecore.norms import equinorm
from odecore.solvers.base import Solver


class Dense(nn.Module):
    """head(ReLU norm linear ... ReLU norm linear flatten(x)). x: (B, ...). Logits: (B, K).

    There are config.layers + 1 linear layers before the head.

    With config.output = softmax the logits are softmax(head(...)), so that a cross-entropy acts on
    softmax probabilities: all of them lie in [0, 1], which bounds the loss and lets gradients
    vanish (ENorm 2019, section 4.1, tries such a layer).
    """

    blocks = 0
    initial_values: Scheme = "kaiming_uniform"

    def __init__(self, config: Config, features: int, classes: int) -> None:
        super().__init__()
        self.config = config
        self.depth_layers = config.layers + 2
        inputs = [features] + [config.width] * config.layers
        self.hidden = nn.ModuleList(
            Normed(config.norm, nn.Linear(size, config.width, config.bias)) for size in inputs
        )
        self.head = nn.Linear(config.width, classes, config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = x.flatten(1)
        for layer in self.hidden:
            x = functional.relu(layer(x))
        logits = self.head(x)
        return logits.softmax(1) if self.config.output == "softmax" else logits

    @property
    def balance(self) -> Callable[[], int] | None:
        """ENorm, called after each optimizer step; returns the number of dead units."""
        return None if self.config.enorm is None else self._balance

    def _balance(self) -> int:
        assert self.config.enorm is not None
        layers = [module for module in self.modules() if isinstance(module, nn.Linear)]
        biases = [layer.bias for layer in layers] if self.config.bias else None
        return equinorm.balance([layer.weight for layer in layers], biases, self.config.enorm)


def build(
    config: Config,
    shape: tuple[int, ...],
    classes: int,
    _solver: Solver | None,
    _gradient: Gradient | None,
) -> Dense:
    """shape: of one input, any number of axes.

    Solver and gradient are not used, since there is no ODE block.
    """
    return Dense(config, prod(shape), classes)
