"""Gusak's nets against the same nets written out with torch.nn.functional, step by step: logits,
gradients, running statistics.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from odecore.config import TrialSpec
from odecore.models import build_model
from odecore.models.ode_block import ode_blocks
from odecore.models.stacked_odenet import StackedOdenet

WIDTH, CHANNELS, SIDE, CLASSES = 4, 3, 8, 10
assert_exact = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)
State = dict[str, Tensor]


def spec(seed: int = 0, steps: int = 1, gradient: str = "backprop", **model: Any) -> TrialSpec:
    ode = model.get("kind") != "residual"
    values = {
        "data": {"name": "cifar10"},
        "model": {"name": "stacked_odenet", "width": WIDTH} | model,
        "train": {"epochs": 1},
        "seed": seed,
    }
    if ode:
        values |= {"solver": {"name": "euler", "steps": steps}, "gradient": {"name": gradient}}
    return TrialSpec.model_validate(values)


def build(**values: Any) -> StackedOdenet:
    """In float64, with scales and shifts of norms away from 1 and 0, so that none can be left out
    unseen.
    """
    model = build_model(spec(**values))
    assert isinstance(model, StackedOdenet)
    model = model.double()
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".norm." in name:
            parameter.data += 0.3 * torch.randn(
                parameter.shape, generator=generator, dtype=torch.float64
            )
    return model


def images(count: int = 3) -> Tensor:
    return torch.randn(
        count, CHANNELS, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )


def normalized(state: State, at: str, training: bool) -> Tensor:
    """The weight of the layer `at`: plain, g v / |v| per output channel, or W / sigma after one
    power iteration.
    """
    if f"{at}.weight" in state:
        return state[f"{at}.weight"]
    if f"{at}.parametrizations.weight.original1" in state:
        g, v = (
            state[f"{at}.parametrizations.weight.original0"],
            state[f"{at}.parametrizations.weight.original1"],
        )
        return g * v / v.square().sum((1, 2, 3), keepdim=True).sqrt()
    weight, prefix = (
        state[f"{at}.parametrizations.weight.original"],
        f"{at}.parametrizations.weight.0",
    )
    matrix = weight.reshape(len(weight), -1)
    if training:
        with torch.no_grad():
            v = matrix.T @ state[f"{prefix}.u"]
            v = v / v.norm()
            u = matrix @ v
        state[f"{prefix}.u"], state[f"{prefix}.v"] = u / u.norm(), v
    return weight / (state[f"{prefix}.u"] @ matrix @ state[f"{prefix}.v"])


def conv_norm(
    state: State, at: str, norm: str, x: Tensor, training: bool, stride: int = 1
) -> Tensor:
    weight = normalized(state, f"{at}.layer", training)
    x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
    if norm in ("none", "weight", "spectral"):
        return x
    scale, shift = state[f"{at}.norm.weight"], state[f"{at}.norm.bias"]
    if norm == "batch":
        return F.batch_norm(
            x,
            state[f"{at}.norm.running_mean"],
            state[f"{at}.norm.running_var"],
            scale,
            shift,
            training,
            0.1,
            1e-5,
        )
    return F.group_norm(x, {"layer": 1, "instance": x.shape[1]}[norm], scale, shift, 1e-5)


def residual(
    state: State, at: str, norm: str, x: Tensor, training: bool, stride: int = 1
) -> Tensor:
    y = F.relu(conv_norm(state, f"{at}.first", norm, x, training, stride))
    y = conv_norm(state, f"{at}.second", norm, y, training)
    return F.relu(
        y + (conv_norm(state, f"{at}.shortcut", norm, x, training, stride) if stride > 1 else x)
    )


def euler(state: State, at: str, norm: str, z: Tensor, training: bool, steps: int) -> Tensor:
    for _ in range(steps):
        f = F.relu(conv_norm(state, f"{at}.field.first", norm, z, training))
        f = F.relu(conv_norm(state, f"{at}.field.second", norm, f, training))
        z = z + f / steps
    return z


def written_out(
    model: StackedOdenet, state: State, x: Tensor, training: bool, steps: int, norms: dict[str, str]
) -> Tensor:
    stem, res, ode = norms["stem_norm"], norms["residual_norm"], norms["ode_norm"]

    def block(at: str, x: Tensor) -> Tensor:
        return (
            euler(state, at, ode, x, training, steps)
            if model.blocks
            else residual(state, at, res, x, training)
        )

    x = F.relu(conv_norm(state, "stem", stem, x, training))
    if model.depth_layers == 4:
        x = block("stages.0", x)
    else:
        x = block("stages.1", residual(state, "stages.0", res, x, training))
        x = block("stages.3", residual(state, "stages.2", res, x, training, stride=2))
    return F.linear(
        F.avg_pool2d(x, x.shape[-1]).flatten(1), state["head.weight"], state["head.bias"]
    )


def copied(model: nn.Module) -> State:
    """The model's state, its parameters as new leaves."""
    parameters = dict(model.named_parameters())
    return {
        name: value.detach().clone().requires_grad_(name in parameters)
        for name, value in model.state_dict().items()
    }


def gradients(logits: Tensor, state: State) -> State:
    loss = F.cross_entropy(logits, torch.tensor([0, 3, 9]))
    return dict(zip(state, torch.autograd.grad(loss, list(state.values())), strict=True))


def assert_all_close(ours: State, theirs: State) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert_exact(ours[name], theirs[name], msg=lambda text, name=name: f"{name}: {text}")


def check(training: bool, steps: int = 1, **model_config: Any) -> None:
    norms = {"stem_norm": "batch", "residual_norm": "none", "ode_norm": "none"} | {
        k: v for k, v in model_config.items() if k.endswith("norm")
    }
    model = build(steps=steps, **model_config).train(training)
    state, x = copied(model), images()
    ours = model(x)
    theirs = written_out(model, state, x, training, steps, norms)
    assert_exact(ours, theirs)
    leaves = {name: value for name, value in state.items() if value.requires_grad}
    assert_all_close(gradients(ours, dict(model.named_parameters())), gradients(theirs, leaves))
    # Running statistics and the vectors of spectral norm have moved alike, or not at all.
    assert_all_close(model.state_dict(), {name: value.detach() for name, value in state.items()})


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("norm", ["none", "batch", "layer", "instance", "weight", "spectral"])
def test_odenet4_is_euler_steps_between_stem_and_head(
    norm: str, steps: int, training: bool
) -> None:
    check(training, steps, layers=4, ode_norm=norm)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    ("stem", "res", "ode"),
    [("batch", "batch", "layer"), ("none", "layer", "batch"), ("layer", "none", "weight")],
)
def test_odenet10_has_a_norm_in_each_slot(stem: str, res: str, ode: str, training: bool) -> None:
    check(training, 2, layers=10, stem_norm=stem, residual_norm=res, ode_norm=ode)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("layers", [4, 10])
@pytest.mark.parametrize("norm", ["none", "batch", "layer", "weight", "spectral"])
def test_resnets_have_residual_blocks_instead(norm: str, layers: int, training: bool) -> None:
    check(training, layers=layers, kind="residual", residual_norm=norm)


@pytest.mark.parametrize(
    ("layers", "kind", "blocks"),
    [(4, "ode", 1), (10, "ode", 2), (4, "residual", 0), (10, "residual", 0)],
)
def test_numbers_of_layers_and_blocks(layers: int, kind: str, blocks: int) -> None:
    model = build(layers=layers, kind=kind)
    assert (model.depth_layers, model.blocks, len(ode_blocks(model))) == (layers, blocks, blocks)


def test_weight_norms_of_a_slot_reach_all_its_convolutions() -> None:
    names = build(layers=10, residual_norm="weight", ode_norm="spectral").state_dict()
    reached = {name.partition(".layer.")[0] for name in names if name.endswith("weight.original0")}
    assert reached == {
        "stages.0.first",
        "stages.0.second",
        "stages.2.first",
        "stages.2.second",
        "stages.2.shortcut",
    }
    reached = {name.partition(".layer.")[0] for name in names if name.endswith("weight.original")}
    assert reached == {f"stages.{i}.field.{j}" for i in (1, 3) for j in ("first", "second")}


def test_the_state_never_falls() -> None:
    block = ode_blocks(build(layers=4, steps=3))[0]
    z = torch.randn(2, WIDTH, SIDE, SIDE, dtype=torch.float64)
    assert (block(z) >= z).all()


def test_norms_in_the_ode_see_the_time() -> None:
    model = build(layers=4, ode_norm={"name": "ta_bn", "grid_size": 4}, steps=4)
    times: dict[str, list[float]] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        return lambda _module, inputs: times.setdefault(name, []).append(inputs[1])

    for name, module in model.named_modules():
        if name.endswith(".norm") or name == "stem.norm":
            module.register_forward_pre_hook(keep(name))
    model(images())
    in_ode = [0.0, 0.25, 0.5, 0.75]
    assert times == {
        "stem.norm": [0.0],
        "stages.0.field.first.norm": in_ode,
        "stages.0.field.second.norm": in_ode,
    }


def test_initial_values_are_those_of_torchs_constructors() -> None:
    model = build(layers=10, width=32)
    for name, value in model.named_parameters():
        if ".norm." not in name:
            bound = 1 / math.sqrt(value[0].numel() if value.dim() > 1 else 64)
            assert value.abs().max() <= bound * (1 + 1e-6), name
            assert value.std().item() == pytest.approx(
                bound / math.sqrt(3), rel=0.1 if value.dim() > 1 else 0.5
            ), name


def gradients_by(gradient: str, steps: int, layers: int) -> State:
    model = build(layers=layers, ode_norm="layer", steps=steps, gradient=gradient)
    return gradients(model(images()), dict(model.named_parameters()))


def test_recomputation_gives_the_same_bits() -> None:
    expected = gradients_by("backprop", 4, layers=10)
    for name, found in gradients_by("checkpoint", 4, layers=10).items():
        assert torch.equal(found, expected[name]), name


def test_the_adjoints_gradient_tends_to_that_of_the_steps() -> None:
    """Both discretize the same gradient, by Euler steps: their distance falls with the step size,
    order 1.
    """

    def distance(steps: int) -> float:
        found, expected = (
            gradients_by("adjoint", steps, layers=4),
            gradients_by("backprop", steps, layers=4),
        )
        return max(
            ((found[name] - expected[name]).norm() / expected[name].norm()).item()
            for name in expected
        )

    assert 3 < distance(10) / distance(40) < 5.3


def test_slopes_keep_the_type_of_the_state_under_autocast() -> None:
    field = ode_blocks(build(layers=4, ode_norm="layer").float())[0].field
    x = torch.randn(2, WIDTH, SIDE, SIDE)
    with torch.autocast("cpu", torch.bfloat16):
        assert field(0.0, x).dtype == torch.float32
