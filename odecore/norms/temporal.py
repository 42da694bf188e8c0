"""Temporal adaptive batch normalization, TA-BN (Zheng 2024).

Statistics, scale and shift depend on the time in the ODE and are kept on a grid of times.
Shapes: B batch, C channels, M + 1 grid points; x is (B, C) or (B, C, H, W).
"""

import torch
from torch import Tensor, nn

from odecore.config import norm as norm_config
from odecore.norms import side_effects
from odecore.norms.base import (
    Layer,
    Norm,
    normalize_by_batch,
    normalize_by_statistics,
    output_channels,
)
from odecore.norms.interpolation import INTERPOLATIONS, Weights, mirrored
from odecore.norms.statistics import STATISTICS


class TemporalBatchNorm(Norm):
    """TA-BN on t_m = m / M, m = 0 .. M (Zheng 2024, Algorithm 1).

    Training: the batch's own statistics, scale and shift interpolated at t; each running statistic
    of the two neighbours t_l <= t <= t_l+1 moves towards the batch's, r_m <- (1 - eta w_m) r_m +
    eta w_m r, with linear weights w_m. Eval: all four interpolated. Times beyond [0, 1] are
    clamped.
    gamma, alpha: scale and shift (M + 1, C). running_mean, running_var: of the same shape, the
    variance unbiased as in torch's batch norm.

    Where the paper leaves open what other interpolations do to running statistics, the neighbours'
    linear rule holds for all: their own weights can be negative or spread over the whole grid. A
    variance interpolated below 0 counts as 0. Grid points that no evaluation came near keep mean 0
    and variance 1, and the spline, the kernel and the Gaussian process read them too: after
    training with few fixed steps, mind that, or take statistics = exact.

    The forms of the released code are options of the config; a half-open grid has M points, and
    none at 1.
    """

    def __init__(self, channels: int, config: norm_config.TemporalBatch) -> None:
        super().__init__()
        self.intervals, self.end = config.grid_size, 1.0
        if config.grid == "half_open":
            self.intervals, self.end = config.grid_size - 1, 1 - 1 / config.grid_size
        self.penalty_weight = config.penalty
        self.penalty_over = config.penalty_over
        self.weights = mirrored if config.mirrored else INTERPOLATIONS[config.interpolation]
        shape = self.intervals + 1, channels
        self.statistics = STATISTICS[config.statistics](config, shape, self.end)
        self.gamma = nn.Parameter(torch.ones(shape))
        self.alpha = nn.Parameter(torch.zeros(shape))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))

    def forward(self, x: Tensor, t: float) -> Tensor:
        """x: (B, C, ...). Raises ValueError for one value per channel in training."""
        weights = self.weights(t, self.intervals, self.end)
        scale, shift = interpolate(self.gamma, weights), interpolate(self.alpha, weights)
        if not self.training:
            mean, variance = (
                interpolate(self.running_mean, weights),
                interpolate(self.running_var, weights),
            )
            return normalize_by_statistics(x, mean, variance.clamp_min(0), scale, shift)
        normalized, mean, variance = normalize_by_batch(x, scale, shift)
        side_effects.once(lambda: self._update(t, weights, mean, variance), side_effects.nothing)
        return normalized

    @torch.no_grad()
    def _update(self, t: float, weights: Weights, mean: Tensor, variance: Tensor) -> None:
        running = self.running_mean, self.running_var
        self.statistics.update(t, weights, (mean, variance), running)

    def penalty(self) -> Tensor:
        """The scalar penalty (|gamma - 1|^2 + |alpha|^2) over grid and channels (Zheng 2024).

        penalty_over channel_mean: divided by the number of channels (Zheng 2024, code).
        """
        total = (self.gamma - 1).square().sum() + self.alpha.square().sum()
        if self.penalty_over == "channel_mean":
            total = total / self.gamma.shape[1]
        return self.penalty_weight * total


def interpolate(grid: Tensor, weights: Weights) -> Tensor:
    """Values (C,) from a grid (M + 1, C)."""
    count = len(weights.values)
    rows = grid.narrow(0, weights.first, count)
    if count == 2:
        # The weights sum to 1. Numbers travel with the kernel; a tensor of them would be a copy of
        # its own.
        return torch.lerp(rows[0], rows[1], weights.values[1])
    if count == 1:
        return rows[0]
    # Not a matrix product, which autocast would do in half precision. non_blocking: the device is
    # not waited for.
    column = torch.tensor(weights.values, dtype=grid.dtype).to(grid.device, non_blocking=True)
    return (column.unsqueeze(1) * rows).sum(0)


def ta_bn(config: norm_config.TemporalBatch, layer: Layer) -> tuple[Layer, Norm]:
    """TA-BN of the layer's output channels."""
    return layer, TemporalBatchNorm(output_channels(layer), config)
