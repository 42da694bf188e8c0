"""Zheng's unmixed neural ODE: one ODE on the raw input, then one linear layer (Zheng 2024, section 2 and appendix)."""

import math
from typing import Literal, Self

from pydantic import model_validator

from odecore.config.backbone import NARROWEST, Stack, stack_operations
from odecore.config.model import Model, Work
from odecore.config.norm import NoNorm, NormConfig, check_groups


class UnmixedNode(Model):
    """backbone: the right-hand side, which sees time as one more constant channel; mlp is two linear layers of 784 as in the paper's text.

    norm: after every layer but the last.
    """

    builder = "odecore.models.unmixed_node:build"
    name: Literal["unmixed_node"] = "unmixed_node"
    backbone: Stack | Literal["mlp"] = "cnn6"
    norm: NormConfig = NoNorm()

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        check_groups(self.norm, "model.norm", 784 if self.backbone == "mlp" else NARROWEST)
        return self

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        features = math.prod(shape)
        if self.backbone == "mlp":
            return Work(2 * 784 * features, features * classes)
        return Work(stack_operations(self.backbone, shape[0], shape[0], shape), features * classes)
