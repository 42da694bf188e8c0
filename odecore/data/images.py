"""Image sets as bytes in memory: whole, as a stratified subset, or made up in the same shape."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from odecore.config.data import IMAGE_SETS, ImageName, Images, Split, how_to_get, what_is_missing
from odecore.data import cache, dataset
from odecore.data.dataset import DataMissing
from odecore.training import streams

T = TypeVar("T")

# Size of generated data where no limit is given.
GENERATED = {"train": 2000, "test": 500}

# Mean and deviation of the channels over the whole training split, as they are printed everywhere;
# of other sets they are computed.
CHANNELS = {
    "mnist": ([0.1307], [0.3081]),
    "fashion_mnist": ([0.2860], [0.3530]),
    "cifar10": ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
}
# Means over images of each image's own deviation, which much code takes for the deviation of the
# pixels.
WIDESPREAD_DEVIATION = [0.2023, 0.1994, 0.2010]
IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
# One image in so many gets noise, in each split (Zheng 2024, code).
NOISY_ONE_IN = 10


def load(config: Images, root: Path | None) -> dataset.Dataset:
    """Both splits as uint8 (N, C, H, W), subsets in the order of the files. Raises DataMissing."""
    if config.source == "generated":
        train, test = (
            generate(config, split, limit or GENERATED[split])
            for split, limit in limits(config).items()
        )
        loaded, facts = dataset.make(train, test), {}
    else:
        stored = whole(config.name, root)
        train_x, train_y, test_x, test_y = (
            torch.from_numpy(stored.arrays[part]) for part in cache.PARTS
        )
        facts = stored.facts
        if config.train_limit or config.test_limit:
            loaded = dataset.make(
                _subset(config, "train", train_x, train_y), _subset(config, "test", test_x, test_y)
            )
        else:
            loaded = dataset.Dataset(train_x, train_y, test_x, test_y, sha256=facts["sha256"])
    if config.noise_level:
        loaded = dataset.make(
            (with_noise(loaded.train_x, config, "train"), loaded.train_y),
            (with_noise(loaded.test_x, config, "test"), loaded.test_y),
        )
    loaded = dataclasses.replace(loaded, augmentation=config.augment)
    if config.standardize == "none":
        return loaded
    mean, deviation = (
        CHANNELS.get(config.name)
        or facts.get("channels")
        or channel_statistics(loaded.train_x.numpy())
    )
    if config.standardize == "widespread":
        deviation = WIDESPREAD_DEVIATION
    if config.standardize == "imagenet":
        mean, deviation = IMAGENET
    if config.standardize == "half":
        mean = deviation = [0.5] * len(mean)
    return dataclasses.replace(
        loaded,
        mean=torch.tensor(mean)[:, None, None],
        deviation=torch.tensor(deviation)[:, None, None],
    )


def with_noise(x: Tensor, config: Images, split: Split) -> Tensor:
    """Images (N, C, H, W) of which one in ten has Gaussian noise added to its bytes (a copy).

    Bytes beyond 0 and 255 wrap around. Which images, and the noise, depend on the set's name and
    the split alone.
    """
    generator = streams.generator(0, "noise", config.name, split)
    chosen = torch.randperm(len(x), generator=generator)[: len(x) // NOISY_ONE_IN]
    noise = torch.randn(len(chosen), *x.shape[1:], generator=generator)
    noisy = x.clone()
    noisy[chosen] = (x[chosen] + config.noise_level * noise).long().remainder(256).to(torch.uint8)
    return noisy


def limits(config: Images) -> dict[Split, int | None]:
    """Split -> how many of its images, None for all."""
    return {"train": config.train_limit, "test": config.test_limit}


def whole(name: ImageName, root: Path | None) -> cache.Stored:
    """Both splits as stored in the files, from the node's cache if possible. Raises DataMissing."""
    if (missing := what_is_missing(Images(name=name), root)) or root is None:
        raise DataMissing(f"data set {name}: {missing}")

    def from_cache() -> cache.Stored:
        key = cache.key(root, IMAGE_SETS[name].files)
        return cache.load(
            f"{name}-{key}", lambda: _read(name, root), lambda arrays: check(name, arrays)
        )

    return _or_missing(name, root, from_cache)


def verify(name: ImageName, root: Path) -> int:
    """Compare a set's checksums with the originals'; returns how many are known.

    Raises DataMissing for one that differs.
    """
    from odecore.data import readers

    if file := readers.damaged_file(name, root):
        raise DataMissing(
            f"data set {name}: {root / file} differs from the original (md5); "
            f"delete it, then {how_to_get(name)}"
        )
    return len(readers.READERS[name].md5())


def _read(name: ImageName, root: Path) -> cache.Stored:
    verify(name, root)
    # Imported here: half a second, and what is in the cache does not need it.
    from odecore.data import readers

    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        x, y = readers.READERS[name].read(root, split)
        arrays |= {f"{split}_x": np.ascontiguousarray(x), f"{split}_y": np.ascontiguousarray(y)}
    check(name, arrays)
    facts: dict[str, Any] = {
        "sha256": dataset.sha256([torch.from_numpy(arrays[part]) for part in cache.PARTS])
    }
    if name not in CHANNELS:
        facts["channels"] = channel_statistics(arrays["train_x"])
    return cache.Stored(arrays, facts)


def _or_missing(name: ImageName, root: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except (
        RuntimeError,
        OSError,
        ValueError,
        TypeError,
        AssertionError,
        EOFError,
        LookupError,
    ) as error:
        # Every way in which torchvision and PIL say that files are absent, cut short or of another
        # checksum.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataMissing(
            f"data set {name}: what is in {root} cannot be read ({reason}); {how_to_get(name)}"
        ) from None


def check(name: str, arrays: dict[str, np.ndarray]) -> None:
    """Raises ValueError when types, shapes, numbers or labels are not those of the set."""
    known = IMAGE_SETS[name]
    for split, size in (("train", known.train_size), ("test", known.test_size)):
        x, y = arrays[f"{split}_x"], arrays[f"{split}_y"]
        if x.dtype != np.uint8 or x.shape[1:] != known.shape or y.dtype != np.int64 or y.ndim != 1:
            raise ValueError(
                f"its {split} split is {x.dtype} {x.shape} and {y.dtype} {y.shape}, "
                f"not uint8 (N, {str(known.shape)[1:]} and int64 (N,)"
            )
        if len(x) != size or len(y) != size:
            raise ValueError(
                f"its {split} split has {len(x):,} images and {len(y):,} labels, not {size:,}"
            )
        if y.min() < 0 or y.max() >= known.classes:
            raise ValueError(
                f"its {split} split has labels from {y.min()} to {y.max()}, "
                f"not from 0 to {known.classes - 1}"
            )


def channel_statistics(x: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and deviation (C, 1, 1) of each channel on [0, 1]. x: uint8 (N, C, H, W)."""
    counts = np.zeros((x.shape[1], 256), np.int64)
    for first in range(0, len(x), 1000):
        for channel in range(x.shape[1]):
            counts[channel] += np.bincount(x[first : first + 1000, channel].ravel(), minlength=256)
    shares, levels = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
    mean = shares @ levels
    return mean.tolist(), np.sqrt(shares @ levels**2 - mean**2).tolist()


def _subset(config: Images, split: Split, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    limit = limits(config)[split]
    if limit is None:
        return x, y
    chosen = stratified(y, limit, config.classes, f"{config.name} {split}_limit")
    return x[chosen], y[chosen]


def stratified(labels: Tensor, size: int, classes: int, what: str = "limit") -> Tensor:
    """Sorted indices (size,) of samples, balanced over classes up to one; deterministic.

    Raises DataMissing when a class has too few.
    """
    generator = streams.generator(0, "subset")
    extra = set(torch.randperm(classes, generator=generator)[: size % classes].tolist())
    chosen = []
    for label in range(classes):
        members = (labels == label).nonzero().squeeze(1)
        wanted = size // classes + (label in extra)
        if wanted > len(members):
            raise DataMissing(
                f"{what} = {size} needs {wanted} images of class {label}, "
                f"there are {len(members)}; "
                "lower it, or null for all"
            )
        chosen.append(members[torch.randperm(len(members), generator=generator)[:wanted]])
    return torch.cat(chosen).sort().values


def generate(config: Images, split: Split, size: int) -> tuple[Tensor, Tensor]:
    """Synthetic images (N, C, H, W): a random pattern per class plus noise; balanced and fixed."""
    # Of the shape that the set's files have; how a model sees them is a matter of its transforms.
    channels, height, width = IMAGE_SETS[config.name].shape
    coarse = torch.randn(
        config.classes,
        channels,
        4,
        4,
        generator=streams.generator(0, "generated", config.name, "patterns"),
    )
    patterns = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    generator = streams.generator(0, "generated", config.name, split)
    labels = torch.arange(size).remainder(config.classes)[torch.randperm(size, generator=generator)]
    noise = torch.randn(size, channels, height, width, generator=generator)
    pixels = 128 + 40 * patterns[labels] + 40 * noise
    return pixels.round_().clamp_(0, 255).to(torch.uint8), labels
