"""Neural ODEs behind a learned convolution: IL-NODE and 2nd-Ord (Massaroli et al. 2020)."""

import math
from typing import Any, Literal, Self

from pydantic import PositiveInt, model_validator

from odecore.config.model import Model, Work


class InputLayerNode(Model):
    """Stem convolution, ODE on `width` channels, readout, pooling, linear head.

    The readout is a 1x1 convolution to 6 channels, the pooling 4x4 average pooling. order 1 is
    IL-NODE. order 2 is 2nd-Ord: positions and velocities have half of the channels each, velocities
    start at zero. stem `zeros` appends zero channels to the image instead of a convolution
    (0-augmentation, the authors' control).
    """

    builder = "odecore.models.input_layer_node:build"
    name: Literal["input_layer_node"] = "input_layer_node"
    width: PositiveInt = 42
    order: Literal[1, 2] = 1
    stem: Literal["convolution", "zeros"] = "convolution"

    @model_validator(mode="after")
    def _halves(self) -> Self:
        if self.order == 2 and (self.width % 2 or self.stem == "zeros"):
            raise ValueError(
                "model.order = 2 needs an even model.width and model.stem = convolution: half of "
                "the channels are velocities"
            )
        return self

    def check(self, spec: Any) -> None:
        """The state must hold the image."""
        channels = spec.data.shape[0]
        if self.stem == "zeros" and self.width < channels:
            raise ValueError(
                f"model.width = {self.width} cannot hold the {channels} channels of "
                f"{spec.data.name}"
            )

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        channels, width, places = shape[0], self.width, math.prod(shape[1:])
        return Work(
            (2 * 9 * width * width + width * width // self.order) * places,
            (9 * channels * width + 6 * width) * places,
        )

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        channels, width, pooled = shape[0], self.width, math.prod(side // 4 for side in shape[1:])
        field = 2 * 9 * width * width + width * width // self.order
        return field + 9 * channels * width + 6 * width + 6 * pooled * classes
