"""Right-hand sides that several families share.

Zheng's convolution stacks, as printed and as released, and the three convolutions of the augmented
neural ODE.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Self

from pydantic import PositiveInt, model_validator

from odecore.config.model import Model
from odecore.config.norm import NoNorm, Norm, NormConfig, check_groups
from odecore.config.section import added_later

NO_NORM = NoNorm()
# Channels of the narrowest layer. All others have a multiple of it.
NARROWEST = 32
Stack = Literal["cnn4", "cnn6", "cnn8", "cnn10", "cnn12", "unet18"]
# Where the convolutions have their strides and skips (Zheng 2024, appendix or code).
Layout = Literal["printed", "released"]
# What follows the last layer of a right-hand side.
LastLayer = Literal["plain", "norm", "relu", "norm_relu"]


class Row(NamedTuple):
    """One convolution of a stack.

    channels: its outputs, None for those of the whole stack. scale: stride 1, stride 2, transposed
    with stride 2, or `pool`, stride 1 after max pooling of 2x2 places. skip `out`: its result,
    after norm and ReLU, is kept for the `in` row that leaves the same size, and concatenated there
    to the input.
    """

    channels: int | None
    scale: Literal["same", "down", "up", "pool"] = "same"
    kernel: int = 3
    skip: Literal["no", "out", "in"] = "no"


def _cnn(middle: int) -> tuple[Row, ...]:
    """CNN-(7 + middle)."""
    encoder = (Row(32, "down"), Row(64, "down"), Row(128, "down"))
    return (
        *encoder,
        *(Row(256) for _ in range(middle)),
        Row(128),
        Row(64, "up"),
        Row(32, "up"),
        Row(None, "up"),
    )


# Zheng 2024, appendix. Kernel 3 and the places of the skips are chosen so that the numbers of
# parameters are the printed ones.
STACKS: dict[Stack, tuple[Row, ...]] = {
    "cnn4": (Row(32, "down"), Row(64, "down"), Row(32, "up"), Row(None, "up")),
    "cnn6": (
        Row(32, "down"),
        Row(64, "down"),
        Row(128, "down"),
        Row(64, "up"),
        Row(32, "up"),
        Row(None, "up"),
    ),
    "cnn8": _cnn(1),
    "cnn10": _cnn(3),
    "cnn12": _cnn(5),
    "unet18": (
        *(Row(32, "down"), Row(32, skip="out")),
        *(Row(64, "down"), Row(64, skip="out")),
        *(Row(128, "down"), Row(128, skip="out"), Row(256), Row(256)),
        *(Row(128, "up", skip="in"), Row(128), Row(128)),
        *(Row(64, "up", skip="in"), Row(64), Row(64)),
        *(Row(32, "up", skip="in"), Row(32), Row(32), Row(None)),
    ),
}


def _released_cnn(middle: int) -> tuple[Row, ...]:
    """CNN-(7 + middle) of the code: the last step down leads to the 256 channels."""
    return (
        *(Row(32), Row(64, "down"), Row(128, "down"), Row(256, "down")),
        *(Row(256) for _ in range(middle - 1)),
        *(Row(128, "up"), Row(64, "up"), Row(32, "up"), Row(None)),
    )


# Zheng 2024, code. The numbers of parameters are those of the printed layout.
RELEASED_STACKS: dict[Stack, tuple[Row, ...]] = {
    "cnn4": STACKS["cnn4"],
    "cnn6": (
        *(Row(32), Row(64, "down"), Row(128, "down")),
        *(Row(64, "up"), Row(32, "up"), Row(None)),
    ),
    "cnn8": _released_cnn(1),
    "cnn10": _released_cnn(3),
    "cnn12": _released_cnn(5),
    "unet18": (
        *(Row(32), Row(32, skip="out")),
        *(Row(64, "pool"), Row(64, skip="out")),
        *(Row(128, "pool"), Row(128, skip="out"), Row(256, "pool"), Row(256)),
        *(Row(128, "up"), Row(128, skip="in"), Row(128)),
        *(Row(64, "up"), Row(64, skip="in"), Row(64)),
        *(Row(32, "up"), Row(32, skip="in"), Row(32), Row(None)),
    ),
}


def _halved(backbone: str, image_channels: int) -> bool:
    """Whether a released stack has half of its channels: a CNN on images of one channel."""
    return image_channels == 1 and backbone != "unet18"


def rows_of(backbone: Stack, layout: Layout, image_channels: int) -> tuple[Row, ...]:
    """The convolutions of a stack."""
    if layout == "printed":
        return STACKS[backbone]
    rows = RELEASED_STACKS[backbone]
    if not _halved(backbone, image_channels):
        return rows
    return tuple(
        row if row.channels is None else row._replace(channels=row.channels // 2) for row in rows
    )


def has_last_relu(backbone: str, last_layer: LastLayer) -> bool:
    """Whether a ReLU follows the last layer: never in the U-Net (Zheng 2024, code)."""
    return "relu" in last_layer and backbone != "unet18"


def has_last_norm(last_layer: LastLayer) -> bool:
    """Whether the norm follows the last layer too."""
    return "norm" in last_layer


def check_layout(backbone: str, layout: Layout) -> None:
    """Raises ValueError for a right-hand side that has no released layout of its own."""
    if layout == "released" and backbone in ("conv3", "mlp"):
        raise ValueError(
            f"model.layout = released is a form of the stacks cnn4 to unet18; model.backbone = "
            f"{backbone} has one layout, so leave it printed"
        )


def three_convolutions(
    channels_in: int, width: int, channels_out: int, places: int, taps: int = 9
) -> int:
    """Multiply-adds of convolutions 1x1, 3x3 and 1x1. taps: weights of the middle kernel."""
    return (channels_in * width + taps * width * width + width * channels_out) * places


def stack_operations(
    backbone: Stack,
    channels_in: int,
    channels_out: int,
    shape: tuple[int, ...],
    layout: Layout = "printed",
) -> int:
    """Multiply-adds of one call of a convolution stack, including its time channel."""
    layers = _layers(backbone, channels_in, channels_out, shape, layout)
    return round(sum(weights * places for weights, places in layers))


def stack_weights(
    backbone: Stack,
    channels_in: int,
    channels_out: int,
    shape: tuple[int, ...],
    layout: Layout = "printed",
    norm: Norm = NO_NORM,
) -> int:
    """Weights of a convolution stack, including those of its time channel and of its norms."""
    layers = _layers(backbone, channels_in, channels_out, shape, layout)
    channels = sum(row.channels or 0 for row in rows_of(backbone, layout, shape[0]))
    return sum(weights for weights, _ in layers) + channels * norm.numbers_per_channel


def _layers(
    backbone: Stack, channels_in: int, channels_out: int, shape: tuple[int, ...], layout: Layout
) -> Iterator[tuple[int, float]]:
    """Of each convolution the number of its weights, and at how many places it is computed."""
    places, before, kept = float(math.prod(shape[1:])), channels_in, []
    for row in rows_of(backbone, layout, shape[0]):
        after = channels_out if row.channels is None else row.channels
        seen = before + 1 + (kept.pop() if row.skip == "in" else 0)
        # A transposed convolution computes at the places of its input, any other at those of its
        # output.
        worked = places / 4 if row.scale in ("down", "pool") else places
        yield row.kernel**2 * seen * after, worked
        places *= {"down": 0.25, "pool": 0.25, "same": 1.0, "up": 4.0}[row.scale]
        if row.skip == "out":
            kept.append(after)
        before = after


def check_image(model: Any, shape: tuple[int, ...], channels: int) -> None:
    """Raise ValueError unless images of this shape fit a stack with this last layer."""
    if model.layout == "released" and model.backbone == "unet18" and any(n % 8 for n in shape[1:]):
        raise ValueError(
            f"model.layout = released halves a U-Net's maps three times by pooling, which "
            f"{shape[1]} pixels cannot: take images whose sides are multiples of 8"
        )
    if has_last_norm(model.last_layer):
        check_groups(model.norm, "model.last_layer: model.norm", channels)
    if model.layout == "released" and _halved(model.backbone, shape[0]):
        check_groups(model.norm, "model.layout: model.norm", NARROWEST // 2)


class BackboneSection(Model):
    """`conv3` is 1x1 - ReLU - 3x3 - ReLU - 1x1 with `width` features and no norm.

    A stack has its own widths and takes a norm. layout, last_layer: see `Layout` and `LastLayer`.
    """

    backbone: Literal["conv3"] | Stack = "conv3"
    width: PositiveInt | None = None
    norm: NormConfig = NoNorm()
    layout: Layout = added_later(neutral="printed")
    last_layer: LastLayer = added_later(neutral="plain")

    @model_validator(mode="after")
    def _fields_of_the_backbone(self) -> Self:
        if self.backbone == "conv3":
            if self.width is None:
                raise ValueError("model.backbone = conv3 needs model.width, its number of features")
            if self.norm.name != "none":
                raise ValueError(
                    f"model.backbone = conv3 cannot have model.norm = {self.norm.name}; use cnn6 "
                    "or another stack"
                )
        elif self.width is not None:
            raise ValueError(
                f"model.backbone = {self.backbone} has its own widths; set model.width = null"
            )
        check_layout(self.backbone, self.layout)
        check_groups(self.norm, "model.norm", NARROWEST)
        return self

    def state_channels(self, shape: tuple[int, ...]) -> int:
        """Channels that the right-hand side maps to, for images of this shape."""
        return shape[0]

    def check(self, spec: Any) -> None:
        """See `check_image`."""
        check_image(self, spec.data.shape, self.state_channels(spec.data.shape))

    def field_operations(self, channels_in: int, channels_out: int, shape: tuple[int, ...]) -> int:
        """Multiply-adds of one call of the right-hand side, including the time channel."""
        if self.backbone == "conv3":
            places = math.prod(shape[1:])
            return three_convolutions(channels_in + 1, self.width or 0, channels_out, places)
        return stack_operations(self.backbone, channels_in, channels_out, shape, self.layout)

    def field_weights(self, channels_in: int, channels_out: int, shape: tuple[int, ...]) -> int:
        """Weights of the right-hand side, including those of the time channel."""
        if self.backbone == "conv3":
            return three_convolutions(channels_in + 1, self.width or 0, channels_out, 1)
        return stack_weights(
            self.backbone, channels_in, channels_out, shape, self.layout, self.norm
        )
