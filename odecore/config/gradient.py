"""How gradients pass through a solve."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from odecore.config.section import Section


class Backprop(Section):
    """Ordinary back-propagation through the solver's steps."""

    name: Literal["backprop"] = "backprop"


class Checkpoint(Section):
    """Back-propagation that recomputes each block (ANODE, Gholami et al. 2019) or each solver step instead of storing it."""

    name: Literal["checkpoint"] = "checkpoint"
    every: Literal["block", "step"] = "block"


class Adjoint(Section):
    """The continuous adjoint, solved from t=1 to 0 (Chen et al. 2018). tolerance: of the backward solve; null means the forward one's."""

    name: Literal["adjoint"] = "adjoint"
    tolerance: PositiveFloat | None = None


GradientConfig = Annotated[Backprop | Checkpoint | Adjoint, Field(discriminator="name")]
