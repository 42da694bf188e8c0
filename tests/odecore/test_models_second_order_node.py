"""SONODE, HBNODE and GHBNODE against first-order systems written from their equations, with an
Euler loop by hand.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from odecore import gradients, solvers
from odecore.config.gradient import Backprop
from odecore.config.models.second_order_node import SecondOrderNode as Config
from odecore.config.solver import FixedStep
from odecore.models import initial_values
from odecore.models.second_order_node import HeavyBallField, SecondOrderNode, build

SHAPE = (2, 6, 5)
STEPS = 4
CHANNELS = 3
DYNAMICS = ["sonode", "hbnode", "ghbnode", "ghbnode_fixed"]


def model(**config: Any) -> SecondOrderNode:
    config = {"channels": CHANNELS, **config}
    built = build(
        Config.model_validate(config),
        SHAPE,
        4,
        solvers.build(FixedStep(name="euler", steps=STEPS)),
        gradients.build(Backprop()),
    )
    initial_values.draw(built, seed=0)
    return built.double()


def start(net: SecondOrderNode, x: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Position and momentum at 0: the first d and the last d of the image's channels and the
    others.
    """
    others = torch.zeros(len(x), 2 * CHANNELS - 2, *SHAPE[1:], dtype=x.dtype)
    if kind == "network":
        assert net.start is not None
        first, second, third = (module for module in net.start if isinstance(module, nn.Conv2d))

        def leaky(values: Tensor) -> Tensor:
            return torch.where(values > 0, values, 0.3 * values)

        others = third(leaky(second(leaky(first(x)))))
    everything = torch.cat([x, others], 1)
    return everything[:, :CHANNELS], everything[:, CHANNELS:]


def force(net: SecondOrderNode, t: float, x: Tensor) -> Tensor:
    """conv1x1 - ReLU - conv3x3 - ReLU - conv1x1, t concatenated before each."""
    for number, layer in enumerate(
        module for module in net.block.field.modules() if isinstance(module, nn.Conv2d)
    ):
        x = layer(torch.cat([torch.full_like(x[:, :1], t), x if number == 0 else torch.relu(x)], 1))
    return x


def slopes(
    net: SecondOrderNode, dynamics: str, t: float, h: Tensor, m: Tensor
) -> tuple[Tensor, Tensor]:
    if dynamics == "sonode":
        return m, force(net, t, torch.cat([h, m], 1))
    field = net.block.field
    assert isinstance(field, HeavyBallField)
    gamma = 1 / (1 + torch.exp(-field.g))
    if dynamics == "hbnode":
        return -m, force(net, t, h) - gamma * m
    spring = 1.5 if field.xi is None else torch.log1p(torch.exp(field.xi))
    return torch.tanh(-m), force(net, t, h) - gamma * m + spring * h


@pytest.mark.parametrize("kind", ["network", "zeros"])
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_outputs_and_gradients_are_those_of_the_equations(dynamics: str, kind: str) -> None:
    net = model(dynamics=dynamics, start=kind, width=8)
    x = torch.randn(3, *SHAPE, dtype=torch.float64)
    h, m = start(net, x, kind)
    for k in range(STEPS):
        dh, dm = slopes(net, dynamics, k / STEPS, h, m)
        h, m = h + dh / STEPS, m + dm / STEPS
    expected = h.reshape(3, -1) @ net.head.weight.T + net.head.bias
    ours = net(x)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    parameters = list(net.parameters())
    mine, theirs = (
        torch.autograd.grad(logits.square().sum(), parameters) for logits in (ours, expected)
    )
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_scalars_are_trained_from_the_authors_values() -> None:
    def scalars(dynamics: str) -> dict[str, float]:
        field = model(dynamics=dynamics, width=8).block.field
        return {
            name: parameter.item()
            for name, parameter in field.named_parameters()
            if parameter.dim() == 0
        }

    assert scalars("sonode") == {}
    assert scalars("hbnode") == {"g": -3.0}
    assert scalars("ghbnode") == {"g": -3.0, "xi": 2.0}
    # The authors' code for CIFAR-10 fixes the spring constant.
    assert scalars("ghbnode_fixed") == {"g": -3.0}


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_a_convolution_stack_as_right_hand_side(dynamics: str) -> None:
    net = model(dynamics=dynamics, backbone="cnn6", norm="ta_bn", start="zeros", channels=2)
    assert (net.depth_layers, net.blocks) == (7, 1)
    assert net.start is None
    assert sum(hasattr(module, "gamma") for module in net.modules()) == 5
    convolutions = [
        module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert (convolutions[0].in_channels, convolutions[-1].out_channels) == (
        1 + (4 if dynamics == "sonode" else 2),
        2,
    )
    assert net(torch.randn(3, *SHAPE, dtype=torch.float64)).shape == (3, 4)


@pytest.mark.parametrize(("kind", "layers"), [("network", 7), ("zeros", 4)])
def test_depth_counts_start_field_and_head(kind: str, layers: int) -> None:
    net = model(start=kind, width=8)
    assert (net.depth_layers, net.blocks) == (layers, 1)
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules()) == layers


def test_what_cannot_be_built_says_what_to_change() -> None:
    with pytest.raises(
        ValueError, match=r"model\.channels = 1 is less than the image's 2 channels"
    ):
        model(channels=1, width=8)
    with pytest.raises(
        ValueError, match=r"model\.backbone = cnn4 does not have; use model\.start = zeros"
    ):
        model(backbone="cnn4")
