"""Normalizations of layers; `odecore.config.lookup.NORMS` lists the names.

ENorm acts on a whole net: `odecore.norms.equinorm`.
"""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from odecore.config import lookup
from odecore.config.norm import NormConfig
from odecore.norms.base import Layer, Norm

if TYPE_CHECKING:
    from odecore.norms.temporal import TemporalBatchNorm

__all__ = ["Layer", "Norm", "apply", "grids", "penalty", "set_epoch", "undecayed"]


def apply(config: NormConfig, layer: Layer) -> tuple[Layer, Norm]:
    """The layer, reparametrized in place by a weight norm, and the norm of its output channels.

    The output norm may be the identity.

    Use it as norm(layer(x), t). Raises ValueError for a layer that the norm cannot follow.
    """
    return lookup.NORMS[config.name].load()(config, layer)


def penalty(model: nn.Module) -> Tensor | None:
    """Loss term of TA-BN, a scalar: sum of penalty (|gamma - 1|^2 + |alpha|^2); None without TA-BN.

    Source: Zheng 2024 (paper).
    """
    penalties = [norm.penalty() for norm in _temporal(model) if norm.penalty_weight]
    return sum(penalties[1:], penalties[0]) if penalties else None


def undecayed(model: nn.Module) -> set[nn.Parameter]:
    """TA-BN's parameters. Weight decay must not touch them: their penalty draws them to 1 and 0."""
    return {parameter for norm in _temporal(model) for parameter in norm.parameters()}


def grids(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """All scales gamma and all shifts alpha of TA-BN's grids; empty lists without TA-BN."""
    temporal = _temporal(model)
    return [norm.gamma for norm in temporal], [norm.alpha for norm in temporal]


def set_epoch(model: nn.Module, epoch: int) -> None:
    """Tell the norms whose momentum grows which epoch, counted from 0, the training is in."""
    for norm in _temporal(model):
        norm.statistics.epoch = epoch


def _temporal(model: nn.Module) -> list["TemporalBatchNorm"]:
    from odecore.norms.temporal import TemporalBatchNorm

    return [module for module in model.modules() if isinstance(module, TemporalBatchNorm)]
