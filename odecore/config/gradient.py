"""How gradients pass through a solve."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from odecore.config.section import Choice, by_name


class Gradient(Choice):
    """A gradient method as one record. builder: build(config) -> odecore.gradients.base.Gradient."""


class Backprop(Gradient):
    """Ordinary back-propagation through the solver's steps."""

    builder = "odecore.gradients.backprop:build"
    name: Literal["backprop"] = "backprop"


class Checkpoint(Gradient):
    """Back-propagation that recomputes each block (ANODE, Gholami et al. 2019) or each solver step instead of storing it."""

    builder = "odecore.gradients.checkpoint:build"
    name: Literal["checkpoint"] = "checkpoint"
    every: Literal["block", "step"] = "block"


class Adjoint(Gradient):
    """The continuous adjoint, solved from t=1 to 0 (Chen et al. 2018). tolerance: of the backward solve; null means the forward one's."""

    builder = "odecore.gradients.adjoint:build"
    name: Literal["adjoint"] = "adjoint"
    tolerance: PositiveFloat | None = None


GRADIENTS = by_name(Gradient)
GradientConfig = Annotated[Backprop | Checkpoint | Adjoint, Field(discriminator="name")]
