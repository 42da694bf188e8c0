"""Gusak's stacked nets of residual and ODE blocks (Gusak 2020, section 3 and code)."""

import math
from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from odecore.config.model import Model, Work
from odecore.config.norm import Batch, NoNorm, NormConfig, check_groups


class StackedOdenet(Model):
    """ODENet4 and ODENet10, and with `kind = residual` the nets ResNet4 and ResNet10.

    layers 4: stem, one block, linear head. layers 10: stem, two stages of a residual block and a
    block, head; `width` channels, doubled in stage 2. stem_norm, residual_norm, ode_norm: the norm
    of these layers. With layers = 4 only ResNet4 has a residual block for residual_norm.
    """

    builder = "odecore.models.stacked_odenet:build"
    name: Literal["stacked_odenet"] = "stacked_odenet"
    layers: Literal[4, 10] = 10
    kind: Literal["ode", "residual"] = "ode"
    width: PositiveInt = 64
    stem_norm: NormConfig = Batch()
    residual_norm: NormConfig = NoNorm()
    ode_norm: NormConfig = NoNorm()

    @property
    def ode_blocks(self) -> int:
        """Number of ODE blocks."""
        return 0 if self.kind == "residual" else self.layers // 4

    @model_validator(mode="after")
    def _slots_exist(self) -> Self:
        if self.kind == "residual" and self.ode_norm.name != "none":
            raise ValueError(
                "model.kind = residual has no ODE block for model.ode_norm; set model.ode_norm = "
                "none"
            )
        if self.kind == "ode" and self.layers == 4 and self.residual_norm.name != "none":
            raise ValueError(
                "model.layers = 4 with ODE blocks has no residual block for model.residual_norm; "
                "set model.residual_norm = none"
            )
        for slot in ("stem_norm", "residual_norm", "ode_norm"):
            check_groups(getattr(self, slot), f"model.{slot}", self.width)
        if "ta_bn" in (self.stem_norm.name, self.residual_norm.name):
            raise ValueError(
                "ta_bn normalizes at points in time, so only model.ode_norm can be ta_bn; stem and "
                "residual blocks have no time"
            )
        return self

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        channels, places = shape[0], math.prod(shape[1:])
        # Two 3x3 convolutions. Twice the channels on a quarter of the places cost the same.
        block = 2 * 9 * self.width**2 * places
        stages = self.layers // 4
        residual = stages * ((self.layers == 10) + (self.kind == "residual"))
        return Work(
            block * stages if self.kind == "ode" else 0,
            9 * channels * self.width * places + block * residual,
        )

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        width, stem = self.width, 9 * shape[0] * self.width
        block = 2 * 9 * width**2
        if self.layers == 4:
            return stem + block + width * classes
        # Stage 2 has twice the channels; its residual block begins with half of them.
        return stem + 2 * block + 3 * block + 4 * block + 2 * width * classes
