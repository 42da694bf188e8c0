"""The report's dense nets against torch.nn layers, their softmax variant, and balancing between
steps.
"""

import math
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from odecore.config import TrialSpec
from odecore.models import build_model
from odecore.models.dense import Dense

WIDTH = 6
assert_exact = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def build(layers: int = 2, seed: int = 0, **model: Any) -> Dense:
    values = {
        "data": {"name": "cifar10"},
        "model": {"name": "dense", "layers": layers, "width": WIDTH} | model,
        "train": {"epochs": 1},
        "seed": seed,
    }
    built = build_model(TrialSpec.model_validate(values))
    assert isinstance(built, Dense)
    return built.double()


def disturb(model: nn.Module) -> None:
    """Away from biases 0, scales 1 and shifts 0, so that none can be left out unseen."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(
            parameter.shape, generator=generator, dtype=torch.float64
        )


def images(count: int = 5) -> Tensor:
    return torch.randn(
        count, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )


def plain_layers(model: Dense, layers: int, bias: bool, batch_norm: bool) -> nn.Sequential:
    """flatten - linear(3072, w) - [BN] - ReLU - p x (linear(w, w) - [BN] - ReLU) - linear(w, 10),
    with the model's values.
    """
    parts: list[nn.Module] = [nn.Flatten()]
    state = model.state_dict()

    def linear(inputs: int, outputs: int, at: str) -> nn.Linear:
        layer = nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
        layer.load_state_dict({name: state[f"{at}.{name}"] for name, _ in layer.named_parameters()})
        return layer

    for i in range(layers + 1):
        parts.append(linear(WIDTH if i else 3072, WIDTH, f"hidden.{i}.layer"))
        if batch_norm:
            norm = nn.BatchNorm1d(WIDTH, dtype=torch.float64)
            norm.load_state_dict(
                {name: state[f"hidden.{i}.norm.{name}"] for name, _ in norm.named_parameters()},
                strict=False,
            )
            parts.append(norm)
        parts.append(nn.ReLU())
    return nn.Sequential(*parts, linear(WIDTH, 10, "head"))


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("bias", [False, True], ids=["no_bias", "bias"])
@pytest.mark.parametrize("layers", [1, 3])
def test_it_is_the_plain_stack_of_layers(layers: int, bias: bool, norm: str) -> None:
    model = build(layers, bias=bias, norm=norm)
    disturb(model)
    theirs = plain_layers(model, layers, bias, norm == "batch")
    x, labels = images(), torch.tensor([0, 1, 2, 3, 9])
    out, expected = model(x), theirs(x)
    assert_exact(out, expected)
    ours = torch.autograd.grad(F.cross_entropy(out, labels), list(model.parameters()))
    reference = torch.autograd.grad(F.cross_entropy(expected, labels), list(theirs.parameters()))
    for mine, other in zip(ours, reference, strict=True):
        assert_exact(mine, other)
    # In eval mode the running statistics of that one training pass are used.
    assert_exact(model.eval()(x), theirs.eval()(x))
    assert (model.depth_layers, model.blocks) == (layers + 2, 0)


@pytest.mark.parametrize("norm", ["layer", "weight", "spectral", "mini_batch"])
def test_other_norms_follow_every_linear_layer_but_the_last(norm: str) -> None:
    model = build(layers=2, norm=norm)
    plain = build(layers=2)
    changed = {name.partition(".weight")[0] for name in model.state_dict()} ^ {
        name.partition(".weight")[0] for name in plain.state_dict()
    }
    assert {name[: len("hidden.0")] for name in changed} == {"hidden.0", "hidden.1", "hidden.2"}
    assert model(images()).shape == (5, 10)


def test_softmax_output_puts_two_softmaxes_before_the_loss() -> None:
    plain, softmax = build(), build(output="softmax")
    x, labels = images(), torch.tensor([0, 1, 2, 3, 9])
    z = plain(x)
    expected = F.nll_loss(F.log_softmax(F.softmax(z, 1), 1), labels)
    assert_exact(F.cross_entropy(softmax(x), labels), expected)
    assert torch.equal(softmax(x).argmax(1), z.argmax(1))


def test_without_enorm_there_is_nothing_to_balance() -> None:
    assert build().balance is None


def frobenius(model: Dense) -> Tensor:
    return torch.stack(
        [
            module.weight.detach().norm()
            for module in model.modules()
            if isinstance(module, nn.Linear)
        ]
    )


@pytest.mark.parametrize("bias", [False, True], ids=["no_bias", "bias"])
def test_balancing_keeps_the_function_and_tends_to_the_ratio_c(bias: bool) -> None:
    model = build(layers=4, bias=bias, enorm={"c": 1.2})
    if bias:
        disturb(model)
    before, x = frobenius(model), images()
    logits = model(x)
    assert model.balance is not None
    for _ in range(400):
        assert model.balance() == 0
    assert_exact(model(x), logits)
    after = frobenius(model)
    torch.testing.assert_close(
        after[1:] / after[:-1], torch.full((5,), 1.2, dtype=torch.float64), rtol=1e-9, atol=0
    )
    assert not torch.allclose(
        before[1:] / before[:-1], torch.full((5,), 1.2, dtype=torch.float64), rtol=0.05
    )


@pytest.mark.parametrize("last_layer", [True, False])
def test_the_head_is_balanced_where_asked(last_layer: bool) -> None:
    model = build(enorm={"last_layer": last_layer})
    head = model.head.weight.detach().clone()
    assert model.balance is not None
    model.balance()
    assert torch.equal(model.head.weight, head) == (not last_layer)


def test_dead_units_are_counted_when_left_out() -> None:
    for dead_units in ("nan", "skip"):
        model = build(layers=1, enorm={"dead_units": dead_units})
        hidden = model.get_parameter("hidden.0.layer.weight")
        hidden.data[2] = 0
        assert model.balance is not None
        assert model.balance() == (1 if dead_units == "skip" else 0)
        assert bool(model(images()).isnan().any()) == (dead_units == "nan")


def test_initial_values_are_kaiming_uniform() -> None:
    model = build(layers=1, bias=True, width=200)
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            assert not value.any(), name
        else:
            bound = math.sqrt(6 / value.shape[1])
            assert value.abs().max().item() == pytest.approx(bound, rel=0.02), name
            assert value.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05), name


def test_points_would_do_as_well_as_images() -> None:
    from odecore.models.dense import build as build_for

    assert build_for(build().config, (7,), 3, None, None)(torch.rand(2, 7)).shape == (2, 3)
