"""The interface of norms, and what norms with batch statistics share.

Shapes: B batch, C channels; x is (B, C) or (B, C, H, W), statistics, scale and shift are (C,).
"""

import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

# Constants of all the papers' code, and torch's defaults.
EPS = 1e-5
MOMENTUM = 0.1

# Whatever has weights and output channels that a norm can follow.
Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


class BatchTooSmall(ValueError):
    """A batch without statistics: one value per channel."""


class Norm(nn.Module):
    """Normalizes the output channels of a layer. Initially the scale is 1 and the shift 0."""

    def forward(self, x: Tensor, t: float) -> Tensor:
        """x: (B, C) or (B, C, ...). t: the time in the ODE, else 0. Result: shape and type of x."""
        raise NotImplementedError


def output_channels(layer: Layer) -> int:
    """C of the layer's output. Does not look at its weight, which a spectral norm would change."""
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def normalize_by_batch(x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalization of x by its own statistics.

    Returns the result, and mean and unbiased variance (C,) without gradient.

    Batch statistics are (x - mean) / sqrt(variance + eps), variance biased (Ioffe & Szegedy 2015).
    Raises ValueError for one value per channel.
    """
    if x.numel() == x.shape[1]:
        raise BatchTooSmall(
            "batch statistics need more than one value per channel, "
            f"and x is {tuple(x.shape)}; use larger batches or train.drop_last"
        )
    # torch writes statistics into running ones: these are fresh, with momentum 1, so that updating
    # the real ones is the caller's decision.
    mean, variance = scale.new_zeros(2, x.shape[1]).unbind()
    return (
        F.batch_norm(x, mean, variance, scale, shift, training=True, momentum=1.0, eps=EPS),
        mean,
        variance,
    )


def normalize_by_statistics(
    x: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, shift: Tensor
) -> Tensor:
    """Batch normalization of x by given statistics (C,)."""
    return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=EPS)
