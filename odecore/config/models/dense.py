"""Fully connected nets of the equi-normalization report (ENorm 2019, section 2)."""

import math
from typing import Any, Literal, Self

from pydantic import PositiveInt, model_validator

from odecore.config.model import Model, Work
from odecore.config.norm import EquiNorm, NoNorm, NormConfig, check_groups


class Dense(Model):
    """Flatten, linear to `width`, `layers` times linear(width, width), then a linear head.

    Each of these layers has norm and ReLU. layers: p of the report, 1 to 19. norm: after each
    linear layer but the last. enorm: balancing after each step, null for none. output `softmax`: a
    softmax before the loss, the report's failed remedy for NaN (ENorm 2019, section 4.1).
    """

    builder = "odecore.models.dense:build"
    name: Literal["dense"] = "dense"
    layers: PositiveInt
    width: PositiveInt = 500
    bias: bool = False
    norm: NormConfig = NoNorm()
    enorm: EquiNorm | None = None
    output: Literal["logits", "softmax"] = "logits"

    @property
    def ode_blocks(self) -> int:
        """There is none."""
        return 0

    @model_validator(mode="after")
    def _norm_fits(self) -> Self:
        check_groups(self.norm, "model.norm", self.width)
        if self.norm.name == "instance" or getattr(self.norm, "groups", 0) == self.width:
            raise ValueError(
                "model.norm with one channel per group erases the single number that a dense layer "
                "has per channel; use layer or batch"
            )
        if self.enorm is not None and self.norm.name in ("weight", "spectral"):
            raise ValueError(
                f"model.enorm rescales weights in place and model.norm = {self.norm.name} "
                "recomputes them; set one of them to null or none"
            )
        if self.norm.name == "ta_bn":
            raise ValueError(
                "model.norm = ta_bn normalizes at points in time, but a dense net has no time; "
                "choose batch, layer or another norm"
            )
        return self

    def check(self, spec: Any) -> None:
        """See `Model.check`. A batch of one sample has no statistics."""
        samples, batch = spec.data.train_samples, spec.train.batch_size
        last = 0 if spec.train.drop_last else samples % batch
        if self.norm.name in ("batch", "mini_batch") and 1 in (min(batch, samples), last):
            raise ValueError(
                f"train.batch_size = {batch} of {samples:,} samples makes a batch of one, which "
                f"has no statistics for norm {self.norm.name}; use another train.batch_size or "
                "train.drop_last"
            )

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        hidden = self.layers * self.width**2
        return Work(0, math.prod(shape) * self.width + hidden + self.width * classes)

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        return self.operations(shape, classes).outside
