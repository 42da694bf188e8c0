"""Initial values: their distributions beside those of torch's own constructors, and what they do
and do not depend on.
"""

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from odecore.config import TrialSpec
from odecore.models import build_model
from odecore.models.initial_values import Scheme, draw
from odecore.training.streams import generator

# Layers with enough weights and biases to tell distributions apart, and their fan-in by hand:
# numbers that one output is a sum of. For the transposed convolution torch takes the output
# channels instead of the input channels, 512 * 9 here and not 8 * 9.
LAYERS = {
    "linear": (lambda: nn.Linear(20, 4000), 20),
    "conv1d": (lambda: nn.Conv1d(8, 2000, 5), 8 * 5),
    "conv2d": (lambda: nn.Conv2d(6, 2000, 3), 6 * 9),
    "conv2d_1x1": (lambda: nn.Conv2d(24, 3000, 1), 24),
    "conv2d_groups": (lambda: nn.Conv2d(12, 2000, 3, groups=4), 3 * 9),
    "transposed": (lambda: nn.ConvTranspose2d(8, 512, 3), 512 * 9),
    "transposed_2x2": (lambda: nn.ConvTranspose2d(64, 1024, 2), 1024 * 4),
}


class Model(nn.Module):
    def __init__(self, scheme: Scheme, **parts: nn.Module) -> None:
        super().__init__()
        self.initial_values = scheme
        for name, part in parts.items():
            self.add_module(name, part)


def drawn(scheme: Scheme, layer: nn.Module, seed: int = 0) -> tuple[Tensor, Tensor]:
    model = Model(scheme, layer=layer)
    draw(model, seed)
    return model.get_parameter("layer.weight").detach(), model.get_parameter("layer.bias").detach()


def assert_uniform(values: Tensor, bound: float) -> None:
    assert values.abs().max().item() == pytest.approx(bound, rel=0.02)
    assert values.abs().max().item() <= bound * (1 + 1e-6)
    assert values.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert abs(values.mean().item()) < 5 * bound / math.sqrt(3 * values.numel())


@pytest.mark.parametrize("layer", LAYERS)
def test_torch_scheme_is_what_torchs_constructors_do(layer: str) -> None:
    make, fan_in = LAYERS[layer]
    torch.manual_seed(0)
    theirs = make()
    for mine, other in zip(
        drawn("torch", make()), (theirs.weight.detach(), theirs.bias.detach()), strict=True
    ):
        assert_uniform(mine, 1 / math.sqrt(fan_in))
        assert_uniform(other, 1 / math.sqrt(fan_in))
        assert not torch.equal(mine, other)


@pytest.mark.parametrize("layer", LAYERS)
def test_kaiming_uniform_has_gain_root_two_and_no_bias(layer: str) -> None:
    make, fan_in = LAYERS[layer]
    weight, bias = drawn("kaiming_uniform", make())
    assert_uniform(weight, math.sqrt(6 / fan_in))
    assert not bias.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_kaiming_normal_has_deviation_root_of_two_over_fan_in_and_no_bias(layer: str) -> None:
    make, fan_in = LAYERS[layer]
    weight, bias = drawn("kaiming_normal", make())
    assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)
    assert abs(weight.mean().item()) < 5 * math.sqrt(2 / fan_in / weight.numel())
    # Tails that no uniform distribution of this deviation has.
    assert weight.abs().max() > 3 * weight.std()
    assert not bias.any()


def test_a_model_that_names_no_scheme_gets_torchs() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(20, 4000)
    draw(nn.Sequential(layer), 0)
    assert_uniform(layer.weight.detach(), 1 / math.sqrt(20))
    assert layer.bias.detach().any()


def stacked(seed: int = 0, **model: Any) -> nn.Module:
    config = {"name": "stacked_odenet", "layers": 10, "width": 4, **model}
    solver = {"name": "euler", "steps": 1}
    return build_model(
        TrialSpec.model_validate(
            {
                "data": {"name": "cifar10"},
                "model": config,
                "solver": solver,
                "train": {"epochs": 1},
                "seed": seed,
            }
        )
    )


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("norm", ["batch", "layer", "weight", "spectral", "ta_bn"])
def test_a_norm_changes_no_other_initial_value(norm: str) -> None:
    plain = stacked()
    normed = stacked(ode_norm=norm)
    shared = state(plain).keys() & state(normed).keys()
    for name in shared:
        assert torch.equal(state(plain)[name], state(normed)[name]), name
    # The layers whose weight is reparametrized start with the plain weight; in eval mode, as
    # reading it in training is a use of it.
    inside = [name for name in state(plain) if name.endswith(".weight") and ".field." in name]
    assert len(inside) == 4
    for name in inside:
        layer = normed.eval().get_submodule(name.removesuffix(".weight"))
        expected = state(plain)[name]
        match norm:
            case "weight":
                torch.testing.assert_close(getattr(layer, "weight"), expected, rtol=1e-6, atol=1e-7)  # noqa: B009 - not a parameter any more
                assert torch.equal(
                    layer.get_parameter("parametrizations.weight.original1"), expected
                )
            case "spectral":
                assert torch.equal(
                    layer.get_parameter("parametrizations.weight.original"), expected
                )
            case _:
                assert torch.equal(layer.get_parameter("weight"), expected)


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_every_value_of_a_reparametrized_model_comes_from_its_seed(norm: str) -> None:
    torch.manual_seed(1)
    first = state(stacked(seed=3, ode_norm=norm, residual_norm=norm))
    torch.manual_seed(2)
    again = state(stacked(seed=3, ode_norm=norm, residual_norm=norm))
    other = state(stacked(seed=4, ode_norm=norm, residual_norm=norm))
    for name in first:
        assert torch.equal(first[name], again[name]), name
        assert torch.equal(first[name], other[name]) == (".norm." in name), name


class Scalars(nn.Module):
    """A module that owns numbers but is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.damping = nn.Parameter(torch.tensor(-3.0))
        self.table = nn.Parameter(torch.arange(6.0).view(2, 3))


@pytest.mark.parametrize("scheme", ["kaiming_normal", "kaiming_uniform", "torch"])
def test_what_belongs_to_no_layer_stays_as_it_was_made(scheme: Scheme) -> None:
    model = Model(
        scheme,
        scalars=Scalars(),
        group=nn.GroupNorm(2, 4),
        batch=nn.BatchNorm2d(4),
        conv=nn.Conv2d(4, 4, 3),
    )
    before = state(model)
    draw(model, 0)
    changed = {name for name, value in state(model).items() if not torch.equal(value, before[name])}
    assert changed == {"conv.weight", "conv.bias"}


class Vectors(nn.Module):
    def __init__(self, beside: nn.Linear) -> None:
        super().__init__()
        self.beside = beside
        self.weight_seen = torch.empty(0)
        self.numbers = torch.empty(0)

    def draw_initial_state(self, generator: Generator) -> None:
        self.numbers = torch.rand(5, generator=generator)
        self.weight_seen = self.beside.weight.detach().clone()


def test_states_are_drawn_from_streams_of_their_own_after_the_weights() -> None:
    vectors = Vectors(nn.Linear(3, 4))
    model = Model("torch", a=nn.Sequential(vectors))
    draw(model, 5)
    assert torch.equal(vectors.numbers, torch.rand(5, generator=generator(5, "init", "a.0.u")))
    assert torch.equal(vectors.weight_seen, vectors.beside.weight)


def test_values_keep_the_type_of_their_parameters() -> None:
    weight, bias = drawn("torch", nn.Linear(3, 4).double())
    assert weight.dtype == bias.dtype == torch.float64
    assert not torch.equal(weight, weight.float().double())
