"""Zheng's unmixed neural ODE: one ODE on the raw input, then one linear layer.

Zheng 2024 (paper and its appendix).
"""

import math
from typing import Any, Literal, Self

from pydantic import model_validator

from odecore.config.backbone import (
    NARROWEST,
    LastLayer,
    Layout,
    Stack,
    check_image,
    check_layout,
    stack_operations,
    stack_weights,
)
from odecore.config.model import Model, Work
from odecore.config.norm import NoNorm, NormConfig, check_groups
from odecore.config.section import added_later


class UnmixedNode(Model):
    """backbone: the right-hand side, which sees time as one more constant channel.

    `mlp` is two linear layers of 784 as in the paper's text.

    norm: after every layer but the last. layout: where a stack has its strides and skips.
    last_layer: what follows the last layer; a U-Net never has the ReLU.
    head: the linear layer alone, or behind batch norm over the image's channels, dropout of
    probability 1/2, or both. The released code has both, and in the MLP the dropout alone.
    """

    builder = "odecore.models.unmixed_node:build"
    name: Literal["unmixed_node"] = "unmixed_node"
    backbone: Stack | Literal["mlp"] = "cnn6"
    norm: NormConfig = NoNorm()
    layout: Layout = added_later(neutral="printed")
    last_layer: LastLayer = added_later(neutral="plain")
    head: Literal["linear", "norm", "dropout", "norm_dropout"] = added_later(neutral="linear")

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        check_layout(self.backbone, self.layout)
        check_groups(self.norm, "model.norm", 784 if self.backbone == "mlp" else NARROWEST)
        return self

    def check(self, spec: Any) -> None:
        """See `check_image`."""
        check_image(self, spec.data.shape, spec.data.shape[0])

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        features = math.prod(shape)
        if self.backbone == "mlp":
            return Work(2 * 784 * features, features * classes)
        inside = stack_operations(self.backbone, shape[0], shape[0], shape, self.layout)
        return Work(inside, features * classes)

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        features = math.prod(shape)
        if self.backbone == "mlp":
            norm = 784 * self.norm.numbers_per_channel
            return 2 * 784 * features + norm + features * classes
        field = stack_weights(self.backbone, shape[0], shape[0], shape, self.layout, self.norm)
        return field + features * classes
