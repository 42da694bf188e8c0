"""IL-NODE and 2nd-Ord against their equations, with normalization and pooling written out."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from odecore import gradients, solvers
from odecore.config.gradient import Backprop
from odecore.config.models.input_layer_node import InputLayerNode as Config
from odecore.config.solver import FixedStep
from odecore.models import initial_values
from odecore.models.input_layer_node import InputLayerNode, build

SHAPE = (3, 8, 12)
STEPS = 3


def model(**config: Any) -> InputLayerNode:
    built = build(
        Config.model_validate(config),
        SHAPE,
        5,
        solvers.build(FixedStep(name="euler", steps=STEPS)),
        gradients.build(Backprop()),
    )
    initial_values.draw(built, seed=0)
    return built.double()


def normalized(z: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Instance normalization with scale and shift."""
    centred = z - z.mean((2, 3), keepdim=True)
    deviation = (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
    return centred / deviation * norm.weight[:, None, None] + norm.bias[:, None, None]


def slope(net: InputLayerNode, z: Tensor) -> Tensor:
    """Massaroli et al. 2020, code: GroupNorm - conv - Softplus - conv - Softplus - GroupNorm - conv
    1x1.
    """
    norm_in, norm_out = (
        module for module in net.block.field.modules() if isinstance(module, nn.GroupNorm)
    )
    first, second, third = (
        module for module in net.block.field.modules() if isinstance(module, nn.Conv2d)
    )
    hidden = F.softplus(F.conv2d(normalized(z, norm_in), first.weight, None, padding=1))
    hidden = F.softplus(F.conv2d(hidden, second.weight, None, padding=1))
    return F.conv2d(normalized(hidden, norm_out), third.weight, third.bias)


def logits(net: InputLayerNode, z: Tensor) -> Tensor:
    """1x1 convolution, mean of each of 4 x 4 tiles (of 2 x 3 pixels here), linear layer."""
    readout = F.conv2d(z, net.readout.weight, net.readout.bias)
    pooled = readout.reshape(len(z), 6, 4, 2, 4, 3).mean((3, 5))
    return pooled.reshape(len(z), 96) @ net.head.weight.T + net.head.bias


def stemmed(net: InputLayerNode, x: Tensor) -> Tensor:
    assert isinstance(net.stem, nn.Conv2d)
    return F.conv2d(x, net.stem.weight, None, padding=1)


def by_hand(net: InputLayerNode, x: Tensor, width: int, order: int, stem: str) -> Tensor:
    h = 1 / STEPS
    if order == 2:
        position = stemmed(net, x)
        velocity = torch.zeros_like(position)
        for _ in range(STEPS):
            acceleration = slope(net, torch.cat([position, velocity], 1))
            position, velocity = position + h * velocity, velocity + h * acceleration
        return logits(net, torch.cat([position, velocity], 1))
    z = (
        stemmed(net, x)
        if stem == "convolution"
        else torch.cat([x, torch.zeros(len(x), width - 3, *SHAPE[1:], dtype=x.dtype)], 1)
    )
    for _ in range(STEPS):
        z = z + h * slope(net, z)
    return logits(net, z)


@pytest.mark.parametrize(("order", "stem"), [(1, "convolution"), (1, "zeros"), (2, "convolution")])
def test_outputs_and_gradients_are_those_of_the_equations(order: Any, stem: Any) -> None:
    net = model(width=8, order=order, stem=stem)
    x = torch.randn(3, *SHAPE, dtype=torch.float64)
    # Scales and shifts that are not 1 and 0.
    for parameter in net.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    ours, expected = net(x), by_hand(net, x, 8, order, stem)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    parameters = list(net.parameters())
    mine, theirs = (
        torch.autograd.grad(found.square().sum(), parameters) for found in (ours, expected)
    )
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_the_field_is_autonomous() -> None:
    net = model(width=8)
    z = torch.randn(2, 8, 8, 12, dtype=torch.float64)
    assert torch.equal(net.block.field(0.0, z), net.block.field(0.9, z))


@pytest.mark.parametrize(("config", "layers"), [({}, 6), ({"order": 2}, 6), ({"stem": "zeros"}, 5)])
def test_depth_counts_stem_field_readout_and_head(config: dict[str, Any], layers: int) -> None:
    net = model(width=8, **config)
    assert (net.depth_layers, net.blocks) == (layers, 1)
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules()) == layers


def test_initial_values_leave_the_norms_and_draw_the_rest() -> None:
    net = model(width=8)
    assert isinstance(net.stem, nn.Conv2d)
    assert 0.8 * 27**-0.5 < net.stem.weight.abs().max().item() <= 27**-0.5
    for module in net.modules():
        if isinstance(module, nn.GroupNorm):
            assert module.weight.eq(1).all()
            assert module.bias.eq(0).all()


def test_too_few_channels_to_append_to_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.width = 2 is less than the image's 3 channels"):
        model(width=2, stem="zeros")
