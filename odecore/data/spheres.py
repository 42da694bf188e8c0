"""Concentric spheres: two shells of class 0, a shell of class 1 between (Ott 2021, code).

Shapes: points x (N, D), labels y (N,).
"""

from pathlib import Path

import torch
from torch import Generator, Tensor

from odecore.config.data import Spheres
from odecore.data import dataset
from odecore.training import streams

# (smallest radius, largest radius, class), from the inside out.
SHELLS = ((0.10, 0.15, 0), (0.25, 0.30, 1), (0.40, 0.45, 0))


def load(config: Spheres, _root: Path | None) -> dataset.Dataset:
    """Training and test points, each split from a stream of its own."""
    splits = [
        draw(size, config.dimension, streams.generator(config.draw, "spheres", split))
        for split, size in (("train", config.train_size), ("test", config.test_size))
    ]
    return dataset.make(*splits)


def draw(size: int, dimension: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """A quarter of the points in each of the inner and outer shells, the rest between.

    r = r_min + (r_max - r_min) U^(1/D), directions uniform.

    Returns x (size, dimension) float32 and y (size,) int64, shuffled.
    """
    quarter = size // 4
    counts = (quarter, size - 2 * quarter, quarter)
    points = torch.cat(
        [
            _shell(n, dimension, low, high, generator)
            for n, (low, high, _) in zip(counts, SHELLS, strict=True)
        ]
    )
    labels = torch.cat(
        [torch.full((n,), label) for n, (_, _, label) in zip(counts, SHELLS, strict=True)]
    )
    order = torch.randperm(size, generator=generator)
    return points[order].float(), labels[order]


def _shell(size: int, dimension: int, low: float, high: float, generator: Generator) -> Tensor:
    direction = torch.randn(size, dimension, generator=generator, dtype=torch.float64)
    direction /= direction.norm(dim=1, keepdim=True)
    uniform = torch.rand(size, 1, generator=generator, dtype=torch.float64)
    return direction * (low + (high - low) * uniform ** (1 / dimension))
