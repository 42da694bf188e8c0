"""Nets of Zheng 2024 as released, against torch.nn with the time concatenated after all others."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from odecore import gradients, solvers
from odecore.config import TrialSpec
from odecore.config.gradient import Backprop
from odecore.config.models.second_order_node import SecondOrderNode as SecondOrderConfig
from odecore.config.models.unmixed_node import UnmixedNode as Config
from odecore.config.solver import FixedStep
from odecore.models import initial_values, parameter_count
from odecore.models.dropout import Dropout, set_streams
from odecore.models.second_order_node import SecondOrderNode
from odecore.models.unmixed_node import UnmixedNode, build
from odecore.norms import Norm
from odecore.training.streams import generator
from sweeps.errors import UserError
from sweeps.spec import parse

RELEASED = {"layout": "released", "last_layer": "norm_relu", "head": "norm_dropout"}
# Zheng 2024, code: d is stride 2, u transposed with stride 2.
ARROWS = {
    "cnn4": "32d 64d 32u cu",
    "cnn6": "32 64d 128d 64u 32u c",
    "cnn8": "32 64d 128d 256d 128u 64u 32u c",
    "cnn10": "32 64d 128d 256d 256 256 128u 64u 32u c",
    "cnn12": "32 64d 128d 256d 256 256 256 256 128u 64u 32u c",
    "unet18": "32 32 64 64 128 128 256 256 128u 128 128 64u 64 64 32u 32 32 c",
}


def model(shape: tuple[int, ...] = (3, 16, 16), steps: int = 2, **config: Any) -> UnmixedNode:
    built = build(
        Config.model_validate(RELEASED | config),
        shape,
        5,
        solvers.build(FixedStep(name="euler", steps=steps)),
        gradients.build(Backprop()),
    )
    initial_values.draw(built, seed=0)
    return built.double()


def with_t(t: float, x: Tensor) -> Tensor:
    return torch.cat([x, torch.full_like(x[:, :1], t)], 1)


class Released(nn.Module):
    """The arrows as modules; every layer has the time, a batch norm and a ReLU, also the last."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.name, self.layers, self.norms = name, nn.ModuleList(), nn.ModuleList()
        inputs, narrow = channels, 2 if channels == 1 and name != "unet18" else 1
        for number, arrow in enumerate(ARROWS[name].split()):
            outputs = channels if arrow[0] == "c" else int(arrow.strip("ud")) // narrow
            # U-Net: the layer after a transposed one sees the encoder's map too.
            twice = 2 if name == "unet18" and number in (9, 12, 15) else 1
            if arrow.endswith("u"):
                layer: nn.Module = nn.ConvTranspose2d(inputs + 1, outputs, 3, 2, 1, 1)
            else:
                stride = 2 if arrow.endswith("d") else 1
                layer = nn.Conv2d(twice * inputs + 1, outputs, 3, stride, 1)
            self.layers.append(layer)
            self.norms.append(nn.BatchNorm2d(outputs))
            inputs = outputs

    def step(self, number: int, t: float, x: Tensor) -> Tensor:
        return torch.relu(self.norms[number](self.layers[number](with_t(t, x))))

    def forward(self, t: float, x: Tensor) -> Tensor:
        if self.name != "unet18":
            for number in range(len(self.layers)):
                x = self.step(number, t, x)
            return x
        maps = []
        for first in (0, 2, 4, 6):
            x = nn.functional.max_pool2d(x, 2) if first else x
            x = self.step(first + 1, t, self.step(first, t, x))
            maps.append(x)
        for first in (8, 11, 14):
            x = torch.cat([self.step(first, t, x), maps[2 - (first - 8) // 3]], 1)
            x = self.step(first + 2, t, self.step(first + 1, t, x))
        return self.norms[17](self.layers[17](with_t(t, x)))


def copied(net: UnmixedNode, theirs: Released) -> Released:
    """`theirs` with our weights: our time channel is the first input, theirs the last."""
    for number, layer in enumerate(theirs.layers):
        mine = net.block.field.get_submodule(f"layers.{number}.layer")
        assert isinstance(mine, nn.Conv2d | nn.ConvTranspose2d)
        inputs = 0 if isinstance(mine, nn.ConvTranspose2d) else 1
        weight = torch.roll(mine.weight.detach(), -1, inputs)
        layer.load_state_dict({"weight": weight, "bias": mine.bias})
    return theirs.double()


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("name", ARROWS)
def test_field_is_the_released_block(name: str, channels: int) -> None:
    net = model((channels, 16, 16), backbone=name, norm="batch")
    theirs = copied(net, Released(name, channels))
    x = torch.randn(3, channels, 16, 16, dtype=torch.float64)
    for t in (0.25, 1.0):
        torch.testing.assert_close(net.block.field(t, x), theirs(t, x), rtol=1e-10, atol=1e-12)
    for module in (net, theirs):
        module.eval()
    torch.testing.assert_close(net.block.field(0.5, x), theirs(0.5, x), rtol=1e-10, atol=1e-12)
    # The ReLU after the last layer, which the U-Net lacks.
    assert bool((net.block.field(0.5, x) >= 0).all()) == (name != "unet18")


@pytest.mark.parametrize("last_layer", ["plain", "norm", "relu", "norm_relu"])
def test_each_form_of_the_last_layer(last_layer: str) -> None:
    net = model(backbone="cnn6", norm="mini_batch", last_layer=last_layer)
    theirs = copied(net, Released("cnn6", 3))
    x = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    last = x
    for number in range(5):
        last = theirs.step(number, 0.5, last)
    last = theirs.layers[5](with_t(0.5, last))
    if last_layer.startswith("norm"):
        last = theirs.norms[5](last)
    if last_layer.endswith("relu"):
        last = torch.relu(last)
    torch.testing.assert_close(net.block.field(0.5, x), last, rtol=1e-10, atol=1e-12)


def test_mlp_is_two_linear_layers_each_with_norm_and_relu_and_has_no_norm_in_its_head() -> None:
    net = model((1, 6, 5), backbone="mlp", norm="batch", layout="printed", head="dropout").eval()
    state = net.block.field.state_dict()
    x = torch.randn(4, 1, 6, 5, dtype=torch.float64)
    hidden = x.flatten(1)
    for name in ("first", "last"):
        weight = torch.roll(state[f"{name}.layer.weight"], -1, 1)
        hidden = with_t(0.3, hidden) @ weight.T + state[f"{name}.layer.bias"]
        hidden = torch.relu(hidden / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(net.block.field(0.3, x), hidden.view_as(x), rtol=1e-10, atol=1e-12)
    assert net.head_norm is None
    assert isinstance(net.dropout, Dropout)


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("cnn4", 70_632),
        ("cnn6", 220_008),
        ("cnn8", 813_672),
        ("cnn10", 1_998_440),
        ("cnn12", 3_183_208),
        ("unet18", 2_186_920),
    ],
)
def test_numbers_of_parameters_are_those_of_the_printed_layout(name: str, printed: int) -> None:
    config = Config.model_validate(RELEASED | {"backbone": name, "norm": "ta_bn"})
    with torch.device("meta"):
        net = build(
            config,
            (3, 32, 32),
            10,
            solvers.build(FixedStep(name="euler", steps=1)),
            gradients.build(Backprop()),
        )
    of_norms = [module for module in net.modules() if isinstance(module, Norm)]
    assert parameter_count(net) - sum(map(parameter_count, of_norms)) == printed


def test_head_is_norm_flatten_dropout_linear() -> None:
    net = model(backbone="cnn4", steps=3)
    x = torch.randn(6, 3, 16, 16, dtype=torch.float64)
    reference = nn.BatchNorm2d(3).double()
    assert net.head_norm is not None
    for _ in range(2):
        set_streams(net, seed=7, iteration=4)
        mask = torch.rand(6, 3, 16, 16, generator=generator(7, "dropout", 0, 4)) >= 0.5
        solved = reference(net.block(x))
        expected = (2 * mask * solved).flatten(1) @ net.head.weight.T + net.head.bias
        torch.testing.assert_close(net(x), expected, rtol=1e-10, atol=1e-12)
    for module in (net, reference):
        module.eval()
    expected = reference(net.block(x)).flatten(1) @ net.head.weight.T + net.head.bias
    torch.testing.assert_close(net(x), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dynamics", ["sonode", "hbnode"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_second_order_with_the_released_unet_starts_with_velocity_at_the_image(
    dynamics: str, norm: str
) -> None:
    config = SecondOrderConfig.model_validate(
        {
            "dynamics": dynamics,
            "backbone": "unet18",
            "channels": 3,
            "start": "image",
            "layout": "released",
            "last_layer": "norm",
            "norm": norm,
        }
    )
    solver = solvers.build(FixedStep(name="euler", steps=2))
    net = SecondOrderNode(config, (3, 16, 16), 5, solver, gradients.build(Backprop())).double()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    seen: list[Tensor] = []
    net.block.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    y = net(x)
    assert torch.equal(seen[0], torch.cat([x, x], 1))
    # One step of half a unit by hand: positions move with the velocity, of which HBNODE takes -m.
    force = net.block.field.get_submodule("acceleration" if dynamics == "sonode" else "force")
    state, sign = (x, x), 1.0 if dynamics == "sonode" else -1.0
    net.eval()
    y = net(x)
    for t in (0.0, 0.5):
        h, m = state
        inputs = torch.cat([h, m], 1) if dynamics == "sonode" else h
        slope = force(t, inputs)
        if dynamics == "hbnode":
            slope = slope - torch.sigmoid(torch.tensor(-3.0, dtype=torch.float64)) * m
        state = h + 0.5 * sign * m, m + 0.5 * slope
    torch.testing.assert_close(y, net.head(state[0].flatten(1)), rtol=1e-8, atol=1e-10)


def test_masks_differ_by_step_and_seed_and_leave_other_streams_alone() -> None:
    x, net = torch.ones(4, 50), nn.Sequential(Dropout())
    masks = []
    for seed, iteration in ((0, 0), (0, 1), (1, 0), (0, 0)):
        before = torch.get_rng_state()
        set_streams(net, seed, iteration)
        masks.append(net(x))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(masks[0], masks[3])
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == 3
    assert 0.3 < masks[0].mean() / 2 < 0.7


SPEC = {
    "data": {"name": "cifar10"},
    "model": {"name": "unmixed_node", **RELEASED},
    "solver": {"name": "euler", "steps": 2},
    "train": {"epochs": 1},
}


@pytest.mark.parametrize(
    ("data", "changed", "message"),
    [
        ("cifar10", {"backbone": "mlp"}, "model.backbone = mlp has one layout"),
        ("mnist", {"backbone": "unet18"}, "multiples of 8"),
        ("cifar10", {"norm": {"name": "group", "groups": 32}}, "does not divide 3 channels"),
    ],
)
def test_what_cannot_be_built_is_refused_when_planned(
    data: str, changed: dict[str, Any], message: str
) -> None:
    assert isinstance(parse(SPEC), TrialSpec)
    with pytest.raises(UserError, match=message):
        parse(SPEC | {"data": {"name": data}, "model": SPEC["model"] | changed})
