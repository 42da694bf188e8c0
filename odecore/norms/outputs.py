"""Norms of a layer's output: batch statistics, groups of channels, and none.

Shapes: B batch, C channels; x is (B, C) or (B, C, H, W), statistics are (C,).
"""

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from odecore.config import norm as norm_config
from odecore.norms import side_effects
from odecore.norms.base import (
    EPS,
    MOMENTUM,
    Layer,
    Norm,
    normalize_by_batch,
    normalize_by_statistics,
    output_channels,
)


class NoNorm(Norm):
    """x itself."""

    def forward(self, x: Tensor, t: float) -> Tensor:  # noqa: ARG002 - the interface
        """x, unchanged."""
        return x


class AffineNorm(Norm):
    """Has a scale `weight` and a shift `bias` per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))


class MiniBatchNorm(AffineNorm):
    """Batch normalization by the batch's statistics, in training and at test (Zheng 2024)."""

    def forward(self, x: Tensor, t: float) -> Tensor:  # noqa: ARG002 - time-independent
        """Raises ValueError for one value per channel."""
        return normalize_by_batch(x, self.weight, self.bias)[0]


class BatchNorm(AffineNorm):
    """Batch normalization with running statistics at test, as torch's BatchNorm2d.

    m <- m + momentum (batch - m); the variance is unbiased.

    One running mean and variance for all times, updated by every evaluation of a training pass
    (Gusak 2020, code; Pop-TI BN of Zheng 2024).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, t: float) -> Tensor:  # noqa: ARG002 - time-independent
        """Raises ValueError for one value per channel in training."""
        if not self.training:
            return normalize_by_statistics(
                x, self.running_mean, self.running_var, self.weight, self.bias
            )
        normalized, mean, variance = normalize_by_batch(x, self.weight, self.bias)
        side_effects.once(lambda: self._update(mean, variance), side_effects.nothing)
        return normalized

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.lerp_(mean, MOMENTUM)
        self.running_var.lerp_(variance, MOMENTUM)


class GroupNorm(AffineNorm):
    """Group normalization (Wu & He 2018).

    Statistics per sample over the channels of a group and space; scale and shift per channel.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__(channels)
        self.groups = groups

    def forward(self, x: Tensor, t: float) -> Tensor:  # noqa: ARG002 - no statistics are kept
        """Statistics of the sample itself: no batch, no time."""
        # Autocast computes it in float32 on CUDA; the CPU keeps the type of x and sums in float32.
        return F.group_norm(x, self.groups, self.weight, self.bias, EPS).to(x.dtype)


def none(_config: norm_config.NoNorm, module: Layer) -> tuple[Layer, Norm]:
    """No norm."""
    return module, NoNorm()


def batch(_config: norm_config.Batch, module: Layer) -> tuple[Layer, Norm]:
    """Batch norm with running statistics."""
    return module, BatchNorm(output_channels(module))


def mini_batch(_config: norm_config.MiniBatch, module: Layer) -> tuple[Layer, Norm]:
    """Batch norm without running statistics."""
    return module, MiniBatchNorm(output_channels(module))


def layer(_config: norm_config.Layer, module: Layer) -> tuple[Layer, Norm]:
    """All channels in one group."""
    return module, _groups("layer", module, 1)


def group(config: norm_config.Group, module: Layer) -> tuple[Layer, Norm]:
    """Groups of the configured number."""
    return module, _groups("group", module, config.groups)


def instance(_config: norm_config.Instance, module: Layer) -> tuple[Layer, Norm]:
    """Each channel a group."""
    return module, _groups("instance", module, output_channels(module))


def _groups(name: str, layer: Layer, groups: int) -> GroupNorm:
    channels = output_channels(layer)
    if channels % groups:
        divisors = ", ".join(
            str(number) for number in range(1, channels + 1) if channels % number == 0
        )
        raise ValueError(
            f"norm {name}: {groups} groups do not divide {channels} channels; "
            f"choose groups from {divisors}"
        )
    if groups == channels and isinstance(layer, nn.Linear):
        raise ValueError(
            f"norm {name}: one value in each of {groups} groups, so normalizing erases it; "
            "choose layer, or group with fewer groups"
        )
    return GroupNorm(channels, groups)
