"""Gladzik's nets: downsampling, then blocks of 64 channels with group normalization.

The blocks are residual or ODE blocks (Gladzik 2019, section 4.1).
"""

from typing import Literal

from pydantic import PositiveInt

from odecore.config.model import Model, Work


class GroupnormOdenet(Model):
    """`kind` ode with 1 or 2 `blocks` is the ODENet, residual with 2, 4 or 8 the ResNet.

    Both are as in the thesis.
    """

    builder = "odecore.models.groupnorm_odenet:build"
    name: Literal["groupnorm_odenet"] = "groupnorm_odenet"
    kind: Literal["ode", "residual"] = "ode"
    blocks: PositiveInt = 1

    @property
    def ode_blocks(self) -> int:
        """Number of ODE blocks."""
        return self.blocks if self.kind == "ode" else 0

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        # Three convolutions reduce 28x28 to 26, 13 and 6 places per side.
        side = shape[1] - 2
        down = 9 * shape[0] * 64 * side**2 + 16 * 64 * 64 * ((side // 2) ** 2 + (side // 4) ** 2)
        blocks = 2 * 9 * 64 * 64 * (side // 4) ** 2 * self.blocks
        return Work(blocks, down) if self.kind == "ode" else Work(0, down + blocks)

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        down = 9 * shape[0] * 64 + 2 * 16 * 64 * 64
        return down + 2 * 9 * 64 * 64 * self.blocks + 64 * classes
