"""The reduced scales that studies on images share."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.study import EvaluationGrid, ProbeGrid, Scale


def smoke_images(
    overrides: Mapping[str, Any] | None = None,
    axes: Mapping[str, Sequence[Any]] | None = None,
    evaluations: Sequence[EvaluationGrid] = (),
    probes: Sequence[ProbeGrid] = (),
    images: int = 16,
) -> Scale:
    """Two epochs of a few images on part of the grid.

    Every evaluation uses at most 16 images.
    """
    few = {
        "data.train_limit": images,
        "data.test_limit": images,
        "train.batch_size": max(2, images // 2),
        "train.epochs": 2,
    }
    return Scale(
        f"Smoke scale: 2 epochs of {images} images on part of the grid, to see that everything "
        "runs; not a result.",
        overrides=few | dict(overrides or {}),
        axes=axes or {},
        evaluations=evaluations,
        probes=probes,
        thin=True,
    )


def small_images(
    epochs: int,
    overrides: Mapping[str, Any] | None = None,
    axes: Mapping[str, Sequence[Any]] | None = None,
    seeds: Sequence[int] = range(3),
    train_images: int = 5_000,
    test_images: int = 2_000,
    **kinds: Any,
) -> Scale:
    """Part of the images and of the epochs, for one workstation.

    kinds: evaluations or probes that replace those of the study.
    """
    few = {"data.train_limit": train_images, "data.test_limit": test_images, "train.epochs": epochs}
    return Scale(
        f"Small scale: {epochs} epochs of {train_images:,} images, tested on {test_images:,}, "
        f"{len(seeds)} seeds.",
        overrides=few | dict(overrides or {}),
        axes=axes or {},
        seeds=seeds,
        **kinds,
    )


def limited(images: int, *grids: EvaluationGrid) -> tuple[EvaluationGrid, ...]:
    """The same evaluations on the first `images` of the split only."""
    return tuple(replace(grid, settings={**grid.settings, "limit": images}) for grid in grids)
