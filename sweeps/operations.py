"""Multiply-adds of each model family, counted from its config without building it: what costs are predicted from before there are rows.

Convolutions and linear layers only; right enough for a plan (within tens of percent of a count by layer), never for a result.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from odecore.config import TrialSpec
from odecore.config.augmented_node import AugmentedNode
from odecore.config.backbone import STACKS, BackboneSection, Stack
from odecore.config.dense import Dense
from odecore.config.flat_node import FlatNode
from odecore.config.groupnorm_odenet import GroupnormOdenet
from odecore.config.input_layer_node import InputLayerNode
from odecore.config.second_order_node import SecondOrderNode
from odecore.config.stacked_odenet import StackedOdenet
from odecore.config.unmixed_node import UnmixedNode


class Work(NamedTuple):
    """Multiply-adds per sample. inside: one evaluation of the right-hand side in every ODE block. outside: the rest of one forward pass."""

    inside: int = 0
    outside: int = 0


def work(spec: TrialSpec) -> Work:
    """The count for a trial's model on its data; zero for models that compute nothing to speak of."""
    count = _COUNTS.get(type(spec.model))
    return count(spec.model, spec.data.shape, spec.data.classes) if count else Work()


def _stacked(model: StackedOdenet, shape: tuple[int, ...], _classes: int) -> Work:
    channels, places = shape[0], math.prod(shape[1:])
    # Two 3x3 convolutions; twice the channels on a quarter of the places cost the same.
    block = 2 * 9 * model.width**2 * places
    stages = model.layers // 4
    residual = (stages if model.layers == 10 else 0) + (stages if model.kind == "residual" else 0)
    return Work(
        block * stages if model.kind == "ode" else 0,
        9 * channels * model.width * places + block * residual,
    )


def _stack(backbone: Stack, channels_in: int, channels_out: int, shape: tuple[int, ...]) -> int:
    """One evaluation of a convolution stack, with its time channel."""
    total, places, before, kept = 0.0, float(math.prod(shape[1:])), channels_in, []
    for row in STACKS[backbone]:
        after = channels_out if row.channels is None else row.channels
        seen = before + 1 + (kept.pop() if row.skip == "in" else 0)
        # A transposed convolution works on the places of its input, any other on those of its output.
        worked = places / 4 if row.scale == "down" else places
        total += row.kernel**2 * seen * after * worked
        places *= {"down": 0.25, "same": 1.0, "up": 4.0}[row.scale]
        if row.skip == "out":
            kept.append(after)
        before = after
    return round(total)


def _unmixed(model: UnmixedNode, shape: tuple[int, ...], classes: int) -> Work:
    features = math.prod(shape)
    inside = (
        2 * 784 * features
        if model.backbone == "mlp"
        else _stack(model.backbone, shape[0], shape[0], shape)
    )
    return Work(inside, features * classes)


def _three(channels_in: int, width: int, channels_out: int, places: int, taps: int = 9) -> int:
    """1x1 - 3x3 - 1x1 convolutions."""
    return (channels_in * width + taps * width * width + width * channels_out) * places


def _field(
    model: BackboneSection, channels_in: int, channels_out: int, shape: tuple[int, ...]
) -> int:
    """One evaluation of three convolutions or of a stack, with the time channel."""
    if model.backbone == "conv3":
        return _three(channels_in + 1, model.width or 0, channels_out, math.prod(shape[1:]))
    return _stack(model.backbone, channels_in, channels_out, shape)


def _flat(model: FlatNode, shape: tuple[int, ...], classes: int) -> Work:
    channels, *places = (1, *shape) if len(shape) == 1 else shape
    if model.kind == "linear":
        features = math.prod(shape)
        return Work(2 * features * model.width + model.width**2, features * classes)
    return Work(
        _three(channels, model.width, channels, math.prod(places), 3 ** len(places)),
        math.prod(shape) * classes,
    )


def _augmented(model: AugmentedNode, shape: tuple[int, ...], classes: int) -> Work:
    channels, places = shape[0] + model.channels, math.prod(shape[1:])
    return Work(_field(model, channels, channels, shape), channels * places * classes)


def _second_order(model: SecondOrderNode, shape: tuple[int, ...], classes: int) -> Work:
    channels, places = model.channels, math.prod(shape[1:])
    seen = 2 * channels if model.dynamics == "sonode" else channels
    inside = _field(model, seen, channels, shape)
    start = (
        _three(shape[0], model.width or 0, 2 * channels, places) if model.start == "network" else 0
    )
    return Work(inside, start + channels * places * classes)


def _input_layer(model: InputLayerNode, shape: tuple[int, ...], _classes: int) -> Work:
    channels, width, places = shape[0], model.width, math.prod(shape[1:])
    return Work(
        (2 * 9 * width * width + width * width // model.order) * places,
        (9 * channels * width + 6 * width) * places,
    )


def _groupnorm(model: GroupnormOdenet, shape: tuple[int, ...], _classes: int) -> Work:
    # Three convolutions bring 28x28 to 26, 13 and 6 places a side.
    side = shape[1] - 2
    down = 9 * shape[0] * 64 * side**2 + 16 * 64 * 64 * ((side // 2) ** 2 + (side // 4) ** 2)
    block = 2 * 9 * 64 * 64 * (side // 4) ** 2
    return (
        Work(block * model.blocks, down)
        if model.kind == "ode"
        else Work(0, down + block * model.blocks)
    )


def _dense(model: Dense, shape: tuple[int, ...], classes: int) -> Work:
    return Work(
        0, math.prod(shape) * model.width + model.layers * model.width**2 + model.width * classes
    )


_COUNTS: dict[type, Callable[[Any, tuple[int, ...], int], Work]] = {
    StackedOdenet: _stacked,
    UnmixedNode: _unmixed,
    FlatNode: _flat,
    GroupnormOdenet: _groupnorm,
    Dense: _dense,
    AugmentedNode: _augmented,
    SecondOrderNode: _second_order,
    InputLayerNode: _input_layer,
}
