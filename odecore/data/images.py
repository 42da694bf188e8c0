"""MNIST and CIFAR-10 as bytes in memory: whole, as a stratified subset, or made up in the same shape."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from odecore.config.data import Images
from odecore.data import dataset
from odecore.data.dataset import DataMissing
from odecore.training import streams

Split = Literal["train", "test"]

# Under the data folder, as torchvision lays them out.
LAYOUT = {"mnist": "MNIST/raw/train-images-idx3-ubyte and its three companions", "cifar10": "cifar-10-batches-py/data_batch_1 and its companions"}

# Size of generated data where no limit is given.
GENERATED = {"train": 2000, "test": 500}


def load(config: Images, root: Path | None) -> dataset.Dataset:
    """Both splits as uint8 (N, C, H, W), subsets in the order of the files. Raises DataMissing."""
    return dataset.make(_split(config, "train", config.train_limit, root), _split(config, "test", config.test_limit, root))


def _split(config: Images, split: Split, limit: int | None, root: Path | None) -> tuple[Tensor, Tensor]:
    if config.source == "generated":
        return generate(config, split, limit or GENERATED[split])
    x, y = _read(config, split, root)
    if limit is None:
        return x, y
    chosen = stratified(y, limit, config.classes, f"{config.name} {split}_limit")
    return x[chosen], y[chosen]


def _read(config: Images, split: Split, root: Path | None) -> tuple[Tensor, Tensor]:
    if root is None:
        raise DataMissing(f"{config.name} needs a data folder: set ODESWEEP_DATA or --data-root, or get the files with `odesweep data fetch`")
    # Imported here: half a second, and spheres do not need it.
    from torchvision import datasets

    try:
        if config.name == "mnist":
            mnist = datasets.MNIST(root, train=split == "train", download=False)
            return mnist.data.unsqueeze(1), mnist.targets
        cifar = datasets.CIFAR10(root, train=split == "train", download=False)
        return torch.from_numpy(cifar.data).permute(0, 3, 1, 2), torch.tensor(cifar.targets)
    except (RuntimeError, OSError, ValueError, AssertionError, EOFError) as error:
        # Every way in which torchvision says that files are absent, cut short or of another checksum.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataMissing(
            f"no usable {config.name} in {root} ({reason}); expected {LAYOUT[config.name]} there: "
            "point ODESWEEP_DATA or --data-root to it, or run `odesweep data fetch`"
        ) from None


def stratified(labels: Tensor, size: int, classes: int, what: str = "limit") -> Tensor:
    """Sorted indices of `size` samples, as many of each class up to one, always the same ones. Raises DataMissing when a class has too few."""
    generator = streams.generator(0, "subset")
    extra = set(torch.randperm(classes, generator=generator)[: size % classes].tolist())
    chosen = []
    for label in range(classes):
        members = (labels == label).nonzero().squeeze(1)
        wanted = size // classes + (label in extra)
        if wanted > len(members):
            raise DataMissing(f"{what} = {size} needs {wanted} images of class {label}, there are {len(members)}; lower it, or null for all")
        chosen.append(members[torch.randperm(len(members), generator=generator)[:wanted]])
    return torch.cat(chosen).sort().values


def generate(config: Images, split: Split, size: int) -> tuple[Tensor, Tensor]:
    """Made-up images: a coarse random pattern per class, the same in both splits, plus noise. Balanced, shuffled, always the same ones."""
    channels, height, width = config.shape
    coarse = torch.randn(config.classes, channels, 4, 4, generator=streams.generator(0, "generated", config.name, "patterns"))
    patterns = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    generator = streams.generator(0, "generated", config.name, split)
    labels = torch.arange(size).remainder(config.classes)[torch.randperm(size, generator=generator)]
    noise = torch.randn(size, channels, height, width, generator=generator)
    pixels = 128 + 40 * patterns[labels] + 40 * noise
    return pixels.round_().clamp_(0, 255).to(torch.uint8), labels
