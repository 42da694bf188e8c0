"""Initial values, each from its own random stream: models that share a layer share its values.

Shapes: weights are (O, I) or (O, I, k, k), biases (O,).
"""

from collections.abc import Callable, Iterator
from math import prod
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn
from torch.nn import init

from odecore.training import streams

Scheme = Literal["kaiming_normal", "kaiming_uniform", "torch"]
# Fills a tensor of the given fan-in.
Fill = Callable[[Tensor, int, Generator], object]

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d


@runtime_checkable
class DrawsState(Protocol):
    """A module with random state beside its parameters, such as spectral norm's vectors."""

    def draw_initial_state(self, generator: Generator) -> None: ...  # noqa: D102 - see the class


def _zeros(bias: Tensor, _fan_in: int, _generator: Generator) -> object:
    return bias.zero_()


def _kaiming_normal(weight: Tensor, _fan_in: int, generator: Generator) -> object:
    return init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def _kaiming_uniform(weight: Tensor, _fan_in: int, generator: Generator) -> object:
    return init.kaiming_uniform_(weight, nonlinearity="relu", generator=generator)


def _torch(value: Tensor, fan_in: int, generator: Generator) -> object:
    return value.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)


# For weights and for biases.
SCHEMES: dict[Scheme, tuple[Fill, Fill]] = {
    "kaiming_normal": (_kaiming_normal, _zeros),
    "kaiming_uniform": (_kaiming_uniform, _zeros),
    "torch": (_torch, _torch),
}


@torch.no_grad()
def draw(model: nn.Module, seed: int) -> None:
    """Draw weights and biases of all linear layers and convolutions.

    The scheme is `model.initial_values`, or "torch" without one.

    kaiming_normal: N(0, 2 / fan_in), biases 0 (He et al. 2015; Ott 2021, code). kaiming_uniform:
    U(-b, b) with b = sqrt(6 / fan_in), biases 0 (ENorm 2019, code). torch: weights and biases U(-1
    / sqrt(fan_in), 1 / sqrt(fan_in)), what torch's constructors do. fan_in is torch's: for a
    transposed convolution its number of output channels times the kernel's size.

    A value's stream is keyed by (seed, "init", its name in the plain model): it depends on nothing
    else of the model, and a layer whose weight is reparametrized starts with the weight of the
    plain one. Other parameters (scales and shifts of norms, scalars) keep what they were made with.
    """
    scheme: Scheme = getattr(model, "initial_values", "torch")
    fill_weight, fill_bias = SCHEMES[scheme]
    for path, layer in _layers(model):
        before = layer.weight
        weight, fan_in = torch.empty(before.shape, dtype=before.dtype), prod(before.shape[1:])
        fill_weight(weight, fan_in, streams.generator(seed, "init", f"{path}.weight"))
        if isinstance(before, nn.Parameter):
            before.copy_(weight)
        else:
            # torch's parametrizations take an assigned weight apart into their own parameters.
            layer.weight = weight
        if layer.bias is not None:
            fill_bias(layer.bias, fan_in, streams.generator(seed, "init", f"{path}.bias"))
    # After the weights: to read a weight under spectral norm is to change its vectors.
    for path, module in model.named_modules():
        if isinstance(module, DrawsState):
            module.draw_initial_state(streams.generator(seed, "init", f"{path}.u"))


def _layers(model: nn.Module) -> Iterator[tuple[str, Layer]]:
    for path, module in model.named_modules():
        if isinstance(module, Layer):
            yield path, module
