"""Neural ODEs on the image with zero channels appended.

Dupont et al. 2019; with a random end time STEER (Ghosh et al. 2020).
"""

import math
from typing import Literal

from pydantic import Field

from odecore.config.backbone import BackboneSection
from odecore.config.model import Work


class AugmentedNode(BackboneSection):
    """Aug-NODE; with `channels = 0` the plain neural ODE, with `steer` STEER.

    channels: zero channels appended to the image. time: a constant channel t before each
    convolution. steer: b of the end time T ~ U(1 - b, 1 + b) drawn for each training batch, null
    for T = 1; at test T = 1.
    """

    builder = "odecore.models.augmented_node:build"
    name: Literal["augmented_node"] = "augmented_node"
    channels: int = Field(default=5, ge=0)
    time: bool = True
    steer: float | None = Field(default=None, gt=0, lt=1)

    def state_channels(self, shape: tuple[int, ...]) -> int:
        """See `BackboneSection.state_channels`."""
        return shape[0] + self.channels

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        channels, places = self.state_channels(shape), math.prod(shape[1:])
        return Work(self.field_operations(channels, channels, shape), channels * places * classes)

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        channels = self.state_channels(shape)
        return (
            self.field_weights(channels, channels, shape)
            + channels * math.prod(shape[1:]) * classes
        )
