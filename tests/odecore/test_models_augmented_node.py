"""Aug-NODE against its equations with plain torch.nn layers, its control without appended channels,
and STEER's end time.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from odecore import gradients, solvers
from odecore.config.gradient import Backprop
from odecore.config.models.augmented_node import AugmentedNode as Config
from odecore.config.solver import FixedStep
from odecore.models import initial_values
from odecore.models.augmented_node import AugmentedNode, build

SHAPE = (2, 6, 5)
STEPS = 4


def model(**config: Any) -> AugmentedNode:
    built = build(
        Config.model_validate(config),
        SHAPE,
        3,
        solvers.build(FixedStep(name="euler", steps=STEPS)),
        gradients.build(Backprop()),
    )
    initial_values.draw(built, seed=0)
    return built.double()


def by_hand(net: AugmentedNode, x: Tensor, appended: int, time: bool, end: float = 1.0) -> Tensor:
    """Dupont et al. 2019: z(0) = [x; 0], Euler steps of conv1x1 - ReLU - conv3x3 - ReLU - conv1x1,
    head on all channels.
    """
    layers = [module for module in net.block.field.modules() if isinstance(module, nn.Conv2d)]
    z = torch.cat([x, torch.zeros(len(x), appended, *SHAPE[1:], dtype=x.dtype)], 1)
    for k in range(STEPS):
        hidden = z
        for number, layer in enumerate(layers):
            if time:
                hidden = torch.cat([torch.full_like(hidden[:, :1], k * end / STEPS), hidden], 1)
            hidden = layer(hidden)
            hidden = hidden if number == 2 else torch.relu(hidden)
        z = z + end / STEPS * hidden
    return z.reshape(len(x), -1) @ net.head.weight.T + net.head.bias


@pytest.mark.parametrize("time", [True, False])
@pytest.mark.parametrize("appended", [0, 5])
def test_outputs_and_gradients_are_those_of_the_equations(appended: int, time: bool) -> None:
    net = model(width=8, channels=appended, time=time)
    x = torch.randn(3, *SHAPE, dtype=torch.float64)
    ours, expected = net(x), by_hand(net, x, appended, time)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    parameters = list(net.parameters())
    mine, theirs = (
        torch.autograd.grad(logits.square().sum(), parameters) for logits in (ours, expected)
    )
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_steer_is_for_training_and_evaluation_ends_at_one() -> None:
    net = model(width=8, steer=0.75)
    assert net.block.steer == 0.75
    assert model(width=8).block.steer is None
    x = torch.randn(3, *SHAPE, dtype=torch.float64)
    net.eval()
    torch.testing.assert_close(net(x), by_hand(net, x, 5, True), rtol=1e-12, atol=1e-12)
    net.train()
    net.block.end_time = 1.6  # as training draws it
    torch.testing.assert_close(net(x), by_hand(net, x, 5, True, end=1.6), rtol=1e-12, atol=1e-12)


def test_a_convolution_stack_as_right_hand_side_sees_the_appended_channels_and_gets_the_norm() -> (
    None
):
    net = model(backbone="cnn6", norm="ta_bn", channels=5)
    assert (net.depth_layers, net.blocks) == (7, 1)
    assert sum(hasattr(module, "gamma") for module in net.modules()) == 5
    x = torch.randn(3, *SHAPE, dtype=torch.float64)
    assert net(x).shape == (3, 3)
    convolutions = [
        module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert (convolutions[0].in_channels, convolutions[-1].out_channels, net.head.in_features) == (
        8,
        7,
        7 * 30,
    )


def test_depth_counts_the_field_and_the_head() -> None:
    assert (model(width=8).depth_layers, model(width=8).blocks) == (4, 1)
