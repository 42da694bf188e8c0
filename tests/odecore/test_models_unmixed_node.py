"""Zheng's unmixed net: an ODE on the image and a linear layer, both kinds of backbone, and what
reaches the norms.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from odecore import gradients, norms, solvers
from odecore.config.gradient import Backprop
from odecore.config.models.unmixed_node import UnmixedNode as Config
from odecore.config.solver import FixedStep
from odecore.models import initial_values
from odecore.models.unmixed_node import UnmixedNode, build

SHAPE = (2, 14, 10)


def model(shape: tuple[int, ...] = SHAPE, steps: int = 3, **config: Any) -> UnmixedNode:
    built = build(
        Config.model_validate(config),
        shape,
        5,
        solvers.build(FixedStep(name="euler", steps=steps)),
        gradients.build(Backprop()),
    )
    initial_values.draw(built, seed=0)
    return built.double()


@pytest.mark.parametrize("norm", ["none", "ta_bn"])
@pytest.mark.parametrize("backbone", ["cnn4", "mlp"])
@pytest.mark.parametrize("steps", [1, 4])
def test_model_is_euler_steps_and_a_linear_layer(backbone: str, norm: str, steps: int) -> None:
    net = model(steps=steps, backbone=backbone, norm=norm)
    x = z = torch.randn(3, *SHAPE, dtype=torch.float64)
    for k in range(steps):
        z = z + net.block.field(k / steps, z) / steps
    expected = nn.functional.linear(z.reshape(3, -1), net.head.weight, net.head.bias)
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=1e-12)
    assert net.block.nfe_forward == steps


@pytest.mark.parametrize(
    ("backbone", "layers"),
    [
        ("cnn4", 5),
        ("cnn6", 7),
        ("cnn8", 9),
        ("cnn10", 11),
        ("cnn12", 13),
        ("unet18", 19),
        ("mlp", 3),
    ],
)
def test_depth_counts_the_field_and_the_head(backbone: str, layers: int) -> None:
    net = model(backbone=backbone)
    assert (net.depth_layers, net.blocks) == (layers, 1)
    assert (
        sum(
            isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
            for module in net.modules()
        )
        == layers
    )


def test_mlp_is_two_linear_layers_that_see_the_time_as_a_first_feature() -> None:
    net = model(backbone="mlp")
    first, last = (module for module in net.block.field.modules() if isinstance(module, nn.Linear))
    x = torch.randn(4, *SHAPE, dtype=torch.float64)

    def with_t(features: Tensor) -> Tensor:
        return torch.cat([torch.full((4, 1), 0.3, dtype=torch.float64), features], 1)

    hidden = torch.relu(with_t(x.reshape(4, -1)) @ first.weight.T + first.bias)
    expected = (with_t(hidden) @ last.weight.T + last.bias).reshape(4, *SHAPE)
    torch.testing.assert_close(net.block.field(0.3, x), expected, rtol=1e-12, atol=1e-12)
    assert first.out_features == last.in_features - 1 == 784


@pytest.mark.parametrize("backbone", ["cnn6", "mlp"])
def test_norms_follow_all_layers_but_the_last_and_get_the_time(backbone: str) -> None:
    net = model(backbone=backbone, norm="ta_bn")
    temporal = [
        module
        for module in net.modules()
        if isinstance(module, norms.Norm) and list(module.parameters())
    ]
    assert len(temporal) == net.depth_layers - 2
    times: dict[nn.Module, list[float]] = {norm: [] for norm in temporal}
    for norm in temporal:
        norm.register_forward_pre_hook(lambda module, inputs: times[module].append(inputs[1]))
    net(torch.randn(3, *SHAPE, dtype=torch.float64))
    assert list(times.values()) == [[0.0, 1 / 3, 2 / 3]] * len(temporal)


def test_every_parameter_gets_a_gradient() -> None:
    net = model(backbone="unet18", norm="batch")
    net(torch.randn(3, *SHAPE, dtype=torch.float64)).square().sum().backward()
    # A shift before a norm of the whole channel changes nothing, so the convolutions' biases get
    # zeros; nothing else does.
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("layer.bias"):
            assert parameter.grad.abs().max() > 1e-12, name


def test_initial_values_are_torchs_own_ranges_and_norms_keep_theirs() -> None:
    net = model(backbone="cnn6", norm="batch")
    up = net.block.field.get_submodule("layers.3.layer")
    assert isinstance(up, nn.ConvTranspose2d)
    # torch's constructors take the outputs of a transposed convolution as its fan-in: 64 channels
    # of 3 x 3.
    for values in (up.weight, up.bias):
        assert values is not None
        bound = (64 * 9) ** -0.5
        assert 0.9 * bound < values.abs().max().item() <= bound
    scale, shift = net.block.field.get_submodule("layers.3.norm").parameters()
    assert scale.eq(1).all()
    assert shift.eq(0).all()
