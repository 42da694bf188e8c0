"""Numbers of trainable parameters as printed in the papers or counted from their code, to the last
one.
"""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from odecore import gradients, solvers
from odecore.config import lookup
from odecore.config.gradient import Backprop
from odecore.config.solver import FixedStep
from odecore.config.spec import ModelConfig
from odecore.models import parameter_count
from odecore.norms import Norm

MODEL: TypeAdapter[ModelConfig] = TypeAdapter(ModelConfig)
MNIST, CIFAR10 = ((1, 28, 28), 10), ((3, 32, 32), 10)


def counts(data: tuple[tuple[int, ...], int], config: dict[str, Any]) -> tuple[int, int]:
    """All trainable parameters, and those of norms among them. Built without memory for them."""
    with torch.device("meta"):
        solver, gradient = (
            solvers.build(FixedStep(name="euler", steps=1)),
            gradients.build(Backprop()),
        )
        model = lookup.MODELS[config["name"]].load()(
            MODEL.validate_python(config), *data, solver, gradient
        )
    return parameter_count(model), sum(
        parameter_count(module) for module in model.modules() if isinstance(module, Norm)
    )


# Zheng 2024: 70k, 220k and 2.2M of the main table, without norms; normalised channels, for 202 more
# parameters each with M = 100.
UNMIXED = [
    (CIFAR10, "cnn4", 70_632, 32 + 64 + 32),
    (CIFAR10, "cnn6", 220_008, 32 + 64 + 128 + 64 + 32),
    (CIFAR10, "cnn8", 813_672, 32 + 64 + 128 + 256 + 128 + 64 + 32),
    (CIFAR10, "cnn10", 1_998_440, 32 + 64 + 128 + 3 * 256 + 128 + 64 + 32),
    (CIFAR10, "cnn12", 3_183_208, 32 + 64 + 128 + 5 * 256 + 128 + 64 + 32),
    (CIFAR10, "unet18", 2_186_920, 1632),
    (MNIST, "cnn4", 46_580, 128),
    (MNIST, "cnn6", 195_956, 320),
    # Two linear layers 785 -> 784 with bias, and the head.
    (MNIST, "mlp", 2 * 785 * 784 + 2 * 784 + 7_850, 784),
]


@pytest.mark.parametrize(
    ("data", "backbone", "weights", "channels"),
    UNMIXED,
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_unmixed_nets_without_and_with_norms(
    data: Any, backbone: str, weights: int, channels: int
) -> None:
    config = {"name": "unmixed_node", "backbone": backbone}
    assert counts(data, config) == (weights, 0)
    assert counts(data, config | {"norm": "batch"}) == (weights + 2 * channels, 2 * channels)
    assert counts(data, config | {"norm": "ta_bn"}) == (weights + 202 * channels, 202 * channels)


def test_temporal_norms_of_the_papers_sizes() -> None:
    small, large = (
        {"name": "unmixed_node", "backbone": backbone, "norm": "ta_bn"}
        for backbone in ("cnn6", "unet18")
    )
    assert counts(CIFAR10, small)[1] == 64_640
    assert counts(CIFAR10, large)[1] == 329_664


def test_without_the_time_channel_the_stacks_have_the_counts_of_plain_convolutions() -> None:
    plain = {
        "cnn4": 69_453,
        "cnn6": 217_101,
        "cnn8": 807_309,
        "cnn10": 1_987_469,
        "cnn12": 3_167_629,
        "unet18": 2_172_205,
    }
    for backbone, weights in plain.items():
        config = {"name": "augmented_node", "channels": 0, "backbone": backbone, "time": False}
        assert counts(CIFAR10, config) == (weights, 0), backbone


AUGMENTED: list[tuple[Any, int, int, bool, int]] = [
    (MNIST, 5, 64, False, 84_816),
    (MNIST, 5, 64, True, 85_462),
    (CIFAR10, 10, 64, False, 171_799),
    (CIFAR10, 10, 64, True, 172_452),
    (MNIST, 0, 92, True, 85_316),
    (CIFAR10, 0, 125, True, 173_611),
]


@pytest.mark.parametrize(("data", "channels", "width", "time", "printed"), AUGMENTED)
def test_augmented_nets(data: Any, channels: int, width: int, time: bool, printed: int) -> None:
    config = {"name": "augmented_node", "channels": channels, "width": width, "time": time}
    assert counts(data, config) == (printed, 0)
    assert counts(data, config | {"steer": 0.99}) == (printed, 0)


SECOND_ORDER: list[tuple[Any, str, int, int, int]] = [
    (MNIST, "sonode", 5, 50, 86_179),
    (MNIST, "hbnode", 5, 50, 85_930),
    (MNIST, "ghbnode", 6, 45, 85_235),
    (CIFAR10, "hbnode", 12, 51, 172_915 + 1),
    (CIFAR10, "ghbnode_fixed", 12, 51, 172_916),
]


@pytest.mark.parametrize(("data", "dynamics", "channels", "width", "printed"), SECOND_ORDER)
def test_second_order_nets(
    data: Any, dynamics: str, channels: int, width: int, printed: int
) -> None:
    assert counts(
        data,
        {"name": "second_order_node", "dynamics": dynamics, "channels": channels, "width": width},
    ) == (printed, 0)


INPUT_LAYER: list[tuple[Any, dict[str, Any], int]] = [
    (CIFAR10, {"width": 42}, 36_088),
    (MNIST, {"width": 32}, 21_072),
    (CIFAR10, {"width": 42, "stem": "zeros"}, 34_954),
    (CIFAR10, {"width": 42, "order": 2}, 34_618),
    (MNIST, {"width": 32, "order": 2}, 20_400),
]


@pytest.mark.parametrize(("data", "config", "printed"), INPUT_LAYER)
def test_input_layer_nets(data: Any, config: dict[str, Any], printed: int) -> None:
    assert counts(data, {"name": "input_layer_node", **config}) == (printed, 0)
