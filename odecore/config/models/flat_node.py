"""Ott's flat neural ODE (Ott 2021, code): the ODE acts on the input, then one linear layer."""

import math
from typing import Literal

from pydantic import PositiveInt

from odecore.config.backbone import three_convolutions
from odecore.config.model import Model, Work
from odecore.config.section import added_later

# Up to this length the dense form of the right-hand side is faster. Conv1d over dense, time of 8
# Euler steps forward and backward, batch 128, width 32, one CPU thread: 5.4 at length 2, 3.9 at 3,
# 1.25 at 10, 1.0 at 12, 0.66 at 16; the dense form's cost grows with the square of the length.
LONGEST_DENSE = 10


class FlatNode(Model):
    """Three convolutions with ReLU between them as right-hand side.

    They are conv(c, width, 1), conv(width, width, 3) and conv(width, c, 1), 1-D on spheres and 2-D
    on images. width: 32 for spheres, 128 for images in the paper. init: Kaiming normal, biases 0.
    kind `linear`: the code's linear_odenet, three linear layers d - width - width - d with ReLU
    between, which the published commands do not use.
    """

    builder = "odecore.models.flat_node:build"
    takes = ("images", "points", "fan", "line")
    name: Literal["flat_node"] = "flat_node"
    width: PositiveInt = 32
    kind: Literal["conv", "linear"] = added_later(neutral="conv")

    def can_stack(self, shape: tuple[int, ...]) -> bool:
        """On points, where the right-hand side is a few matrix products."""
        return len(shape) == 1 and (self.kind == "linear" or shape[0] <= LONGEST_DENSE)

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        channels, *places = (1, *shape) if len(shape) == 1 else shape
        features = math.prod(shape)
        if self.kind == "linear":
            return Work(2 * features * self.width + self.width**2, features * classes)
        inside = three_convolutions(
            channels, self.width, channels, math.prod(places), 3 ** len(places)
        )
        return Work(inside, features * classes)

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        channels, *places = (1, *shape) if len(shape) == 1 else shape
        features = math.prod(shape)
        if self.kind == "linear":
            return sum(self.operations(shape, classes))
        inside = three_convolutions(channels, self.width, channels, 1, 3 ** len(places))
        return inside + features * classes
