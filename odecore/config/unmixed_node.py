"""Zheng's unmixed neural ODE: one ODE on the raw input, then one linear layer (Zheng 2024, section 2 and appendix)."""

from typing import Literal, Self

from pydantic import model_validator

from odecore.config.backbone import NARROWEST, Stack
from odecore.config.norm import NoNorm, NormConfig, check_groups
from odecore.config.section import Section


class UnmixedNode(Section):
    """backbone: the right-hand side, which sees time as one more constant channel; mlp is two linear layers of 784 as in the paper's text.

    norm: after every layer but the last.
    """

    name: Literal["unmixed_node"] = "unmixed_node"
    backbone: Stack | Literal["mlp"] = "cnn6"
    norm: NormConfig = NoNorm()

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        check_groups(self.norm, "model.norm", 784 if self.backbone == "mlp" else NARROWEST)
        return self
