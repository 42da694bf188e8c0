"""Optimizers against updates written out, and which parameters decay."""

from typing import Any

import pytest
import torch
from trainings import IMAGES, make, run

TA_BN = {
    "name": "stacked_odenet",
    "layers": 4,
    "width": 4,
    "ode_norm": {"name": "ta_bn", "grid_size": 2},
}


def test_adamw_decays_weights_and_leaves_ta_bns_scale_and_shift() -> None:
    # The penalty off, so that with a gradient of zero only decay could move anything.
    norm = {"name": "ta_bn", "grid_size": 2, "penalty": 0.0}
    training = make(
        {"optimizer": {"name": "adamw", "lr": 0.1, "weight_decay": 0.5}, "batch_size": 8},
        data=IMAGES,
        model=TA_BN | {"ode_norm": norm},
    )
    with torch.no_grad():
        for name, value in training.model.named_parameters():
            if name.endswith("alpha"):
                value.fill_(3.0)
    before = {name: value.clone() for name, value in training.model.named_parameters()}
    for value in training.model.parameters():
        value.grad = torch.zeros_like(value)
    training.updates.step(0)
    temporal = [name for name in before if name.endswith(("gamma", "alpha"))]
    assert len(temporal) == 4
    for name, value in training.model.named_parameters():
        expected = before[name] if name in temporal else before[name] * (1 - 0.1 * 0.5)
        torch.testing.assert_close(value, expected, msg=name)


def written_out(name: str, lr: float, decay: float, value: float, gradients: list[float]) -> float:
    """Parameter `value` after updates with `gradients`: the formulas of torch's documentation, with
    momentum 0.9 for sgd.
    """
    m = v = 0.0
    for step, gradient in enumerate(gradients, start=1):
        g = gradient + decay * value if name != "adamw" else gradient
        match name:
            case "sgd":
                m = g if step == 1 else 0.9 * m + g
                value -= lr * m
            case "adam" | "adamw":
                value -= lr * decay * value if name == "adamw" else 0.0
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                value -= lr * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)) ** 0.5 + 1e-8)
            case "rmsprop":
                v = 0.99 * v + 0.01 * g * g
                value -= lr * g / (v**0.5 + 1e-8)
    return value


@pytest.mark.parametrize("name", ["adam", "sgd", "adamw", "rmsprop"])
def test_updates_are_the_textbooks(name: str) -> None:
    config: dict[str, Any] = {"name": name, "lr": 0.1, "weight_decay": 0.01} | (
        {"momentum": 0.9} if name == "sgd" else {}
    )
    training = make({"optimizer": config})
    value = next(p for name, p in training.model.named_parameters() if name == "head.bias")
    with torch.no_grad():
        value.fill_(0.7)
    gradients = [0.3, -0.2, 0.05]
    for step, gradient in enumerate(gradients):
        for parameter in training.model.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        training.updates.step(step)
    torch.testing.assert_close(
        value,
        torch.full_like(value, written_out(name, 0.1, 0.01, 0.7, gradients)),
        rtol=1e-5,
        atol=0,
    )


def test_clipping_scales_the_whole_gradient_and_norms_are_those_before() -> None:
    training = make({"optimizer": {"name": "sgd", "lr": 1.0}, "gradient_clip": 0.5})
    before = [value.detach().clone() for value in training.model.parameters()]
    generator = torch.Generator().manual_seed(0)
    for value in training.model.parameters():
        value.grad = torch.randn(value.shape, generator=generator)
    gradients = [
        value.grad.clone() for value in training.model.parameters() if value.grad is not None
    ]
    norm = sum(g.square().sum() for g in gradients) ** 0.5
    biases = max(g.norm() for g in gradients if g.dim() == 1)
    found, bias_found = training.updates.step(0)
    torch.testing.assert_close(found, norm)
    torch.testing.assert_close(bias_found, biases)
    assert norm > 0.5
    for value, start, gradient in zip(training.model.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(
            value.detach(), start - gradient * (0.5 / norm), rtol=1e-4, atol=1e-6
        )


def test_a_small_gradient_is_not_clipped() -> None:
    losses = [run(make({"gradient_clip": clip})).records[-1]["loss_train"] for clip in (None, 1e6)]
    assert losses[0] == losses[1]


def test_a_negative_rate_ascends() -> None:
    training = make(
        {
            "optimizer": {"name": "sgd", "lr": 0.05},
            "schedule": {"name": "linear", "start": 0.2},
            "iterations": None,
            "epochs": 4,
        }
    )
    before = training.model.head.bias.detach().clone()  # pyright: ignore
    for parameter in training.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    training.updates.step(2 * training.batches)
    # 0.05 - 0.2 * 2 / 4 = -0.05.
    assert training.updates.learning_rate == pytest.approx(-0.05)
    torch.testing.assert_close(training.model.head.bias.detach(), before + 0.05)  # pyright: ignore
