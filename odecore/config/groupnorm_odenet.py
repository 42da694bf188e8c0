"""Gladzik's nets: downsampling, then residual or ODE blocks of 64 channels with group normalization (Gladzik 2019, section 2)."""

from typing import Literal

from pydantic import PositiveInt

from odecore.config.section import Section


class GroupnormOdenet(Section):
    """`kind` ode with 1 or 2 `blocks` is the ODENet, residual with 2, 4 or 8 the ResNet of the thesis."""

    name: Literal["groupnorm_odenet"] = "groupnorm_odenet"
    kind: Literal["ode", "residual"] = "ode"
    blocks: PositiveInt = 1

    @property
    def ode_blocks(self) -> int:
        """Number of ODE blocks."""
        return self.blocks if self.kind == "ode" else 0
