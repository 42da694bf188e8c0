"""Gladzik's nets against the thesis's structure written out, with torchdiffeq as the solver of the
reference.
"""

import math
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor
from torchdiffeq import odeint

from odecore.config import TrialSpec
from odecore.models import build_model
from odecore.models.groupnorm_odenet import GroupnormOdenet, ResidualBlock, group_norm
from odecore.models.ode_block import count_nfe, ode_blocks

State = dict[str, Tensor]
assert_exact = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def build(kind: str, blocks: int, data: str = "mnist", **solver: Any) -> GroupnormOdenet:
    """In float64, with scales and shifts of norms away from 1 and 0."""
    values = {
        "data": {"name": data, "augment": "resize32_crop28"},
        "model": {"name": "groupnorm_odenet", "kind": kind, "blocks": blocks},
    }
    if kind == "ode":
        values["solver"] = solver or {"name": "euler", "steps": 1}
    model = build_model(TrialSpec.model_validate(values | {"train": {"epochs": 1}}))
    assert isinstance(model, GroupnormOdenet)
    model = model.double()
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            for parameter in module.parameters():
                parameter.data += 0.3 * torch.randn(
                    parameter.shape, generator=generator, dtype=torch.float64
                )
    return model


def images(channels: int = 1) -> Tensor:
    return torch.randn(
        2, channels, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )


def norm(state: State, at: str, x: Tensor) -> Tensor:
    """Group normalization from its definition: 32 groups of two channels, biased variance, eps
    1e-5.
    """
    grouped = x.reshape(len(x), 32, -1)
    mean, variance = grouped.mean(2, keepdim=True), grouped.var(2, correction=0, keepdim=True)
    normal = ((grouped - mean) / (variance + 1e-5).sqrt()).reshape(x.shape)
    return normal * state[f"{at}.weight"].view(1, -1, 1, 1) + state[f"{at}.bias"].view(1, -1, 1, 1)


def conv(state: State, at: str, x: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
    return F.conv2d(x, state[f"{at}.weight"], state.get(f"{at}.bias"), stride, padding)


def f(state: State, at: str, t: float | Tensor, z: Tensor) -> Tensor:
    """norm - ReLU - conv - norm - ReLU - conv - norm, time as channel 0 of 65."""
    for n in (1, 2):
        z = F.relu(norm(state, f"{at}.norm{n}", z))
        z = conv(state, f"{at}.conv{n}", torch.cat([torch.ones_like(z[:, :1]) * t, z], dim=1))
    return norm(state, f"{at}.norm3", z)


def residual(state: State, at: str, x: Tensor) -> Tensor:
    y = conv(state, f"{at}.conv1", F.relu(norm(state, f"{at}.norm1", x)))
    return x + conv(state, f"{at}.conv2", F.relu(norm(state, f"{at}.norm2", y)))


def downsampled(state: State, x: Tensor) -> Tensor:
    x = F.relu(norm(state, "downsampling.1", conv(state, "downsampling.0", x, padding=0)))
    x = F.relu(norm(state, "downsampling.4", conv(state, "downsampling.3", x, stride=2)))
    return conv(state, "downsampling.6", x, stride=2)


def head(state: State, x: Tensor) -> Tensor:
    return F.linear(
        F.adaptive_avg_pool2d(F.relu(norm(state, "norm", x)), 1).flatten(1),
        state["head.weight"],
        state["head.bias"],
    )


def copied(model: GroupnormOdenet) -> State:
    return {
        name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()
    }


def assert_same(model: GroupnormOdenet, ours: Tensor, state: State, theirs: Tensor) -> None:
    assert_exact(ours, theirs)
    labels = torch.tensor([0, 7])
    mine = torch.autograd.grad(F.cross_entropy(ours, labels), list(model.parameters()))
    expected = torch.autograd.grad(F.cross_entropy(theirs, labels), list(state.values()))
    for name, one, other in zip(state, mine, expected, strict=True):
        assert_exact(one, other, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("data", "channels", "blocks"), [("mnist", 1, 2), ("cifar10", 3, 4)])
def test_resnet_is_the_structure_of_the_thesis(
    data: str, channels: int, blocks: int, training: bool
) -> None:
    model = build("residual", blocks, data).train(training)
    state, x = copied(model), images(channels)
    y = downsampled(state, x)
    assert y.shape == (2, 64, 6, 6)
    for i in range(blocks):
        y = residual(state, f"stages.{i}", y)
    assert_same(model, model(x), state, head(state, y))


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("steps", "blocks"), [(1, 1), (4, 1), (2, 2)])
def test_odenet_is_euler_steps_of_each_blocks_own_field(
    steps: int, blocks: int, training: bool
) -> None:
    model = build("ode", blocks, name="euler", steps=steps).train(training)
    state, x = copied(model), images()
    z = downsampled(state, x)
    for i in range(blocks):
        for k in range(steps):
            z = z + f(state, f"stages.{i}.field", k / steps, z) / steps
    assert_same(model, model(x), state, head(state, z))


def test_odenet_with_the_solver_of_the_thesis() -> None:
    model = build("ode", 1, name="dopri5", tolerance=1e-6)
    state, x = copied(model), images()
    z = downsampled(state, x)
    solution = odeint(
        lambda t, z: f(state, "stages.0.field", t, z),
        z,
        torch.tensor([0.0, 1.0], dtype=torch.float64),
        rtol=1e-6,
        atol=1e-6,
    )
    assert isinstance(solution, Tensor)
    torch.testing.assert_close(model(x), head(state, solution[-1]), rtol=0, atol=1e-5)
    assert count_nfe(model)[0] > 20


@pytest.mark.parametrize(
    ("kind", "blocks", "depth"),
    [("ode", 1, 6), ("ode", 2, 8), ("residual", 2, 8), ("residual", 8, 20)],
)
def test_numbers_of_layers_and_blocks(kind: str, blocks: int, depth: int) -> None:
    model = build(kind, blocks)
    found = ode_blocks(model)
    assert (model.depth_layers, model.blocks, len(found)) == (
        depth,
        blocks if kind == "ode" else 0,
        blocks if kind == "ode" else 0,
    )
    # Weight layers from input to output are all there are: no path around them.
    assert depth == sum(
        isinstance(module, torch.nn.Conv2d | torch.nn.Linear) for module in model.modules()
    )
    assert len({id(block.field) for block in found}) == len(found)


def test_initial_values_are_those_of_torchs_constructors() -> None:
    for name, layer in build("ode", 1).named_modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            for value, tolerance in ((layer.weight, 0.1), (layer.bias, 0.4)):
                assert value is not None
                assert value.abs().max() <= bound * (1 + 1e-6), name
                assert value.std().item() == pytest.approx(bound / math.sqrt(3), rel=tolerance), (
                    name
                )


def test_there_are_at_most_32_groups() -> None:
    assert [group_norm(channels).num_groups for channels in (8, 32, 64)] == [8, 32, 32]


def test_shapes_pass_through_a_residual_block() -> None:
    x = torch.randn(2, 8, 5, 5)
    assert ResidualBlock(8)(x).shape == x.shape


def test_slopes_keep_the_type_of_the_state_under_autocast() -> None:
    field = ode_blocks(build("ode", 1).float())[0].field
    with torch.autocast("cpu", torch.bfloat16):
        assert field(0.5, torch.randn(2, 64, 6, 6)).dtype == torch.float32
