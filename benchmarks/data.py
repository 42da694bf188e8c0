"""The data path with one thread.

Batches: augmented batches with CIFAR-10's shape, batches of 256, random crop with padding 4, flip,
standardized; no model. The peer is the most common code: torchvision's transforms on PIL images in
a DataLoader, in this process like ours.

Loading: real CIFAR-10 and the Tiny-ImageNet subset, if ODESWEEP_DATA has them. The peer reads both
splits as bytes with torchvision.
"""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.machine import interleaved, ratio, show_ratio
from odecore import data
from odecore.config.data import IMAGE_SETS, ImageName, Images, missing_files
from odecore.data.dataset import Dataset
from odecore.data.images import CHANNELS
from odecore.training.streams import generator

ROUNDS = 7
IMAGES, BATCH = 50_000, 256
# Per turn; an epoch has 196.
BATCHES = 8
MEAN, DEVIATION = CHANNELS["cifar10"]


def random_images() -> Dataset:
    """Images with CIFAR-10's shape and number. The values of the pixels do not matter."""
    x = torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator(0, "pixels"))
    y = torch.arange(IMAGES) % 10
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return Dataset(x, y, x[:100], y[:100], "", mean, deviation, "crop4_flip")


class PilImages(datasets.CIFAR10):
    """torchvision's data set over given images.

    Its `__getitem__` returns one PIL image after another.
    """

    def __init__(self, given: Dataset, transform: Callable[..., Any]) -> None:
        self.data, self.targets = (
            given.train_x.permute(0, 2, 3, 1).contiguous().numpy(),
            given.train_y.tolist(),
        )
        self.transform, self.target_transform = transform, None


def epochs() -> dict[str, Any]:
    """Seconds per epoch of both variants."""
    given = random_images()
    normalize = [transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]
    plain = torch.stack(
        [PilImages(given, transforms.Compose(normalize))[index][0] for index in range(BATCH)]
    )
    torch.testing.assert_close(given.inputs(given.train_x[:BATCH]), plain, rtol=0, atol=1e-6)
    augmented = PilImages(
        given,
        transforms.Compose(
            [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *normalize]
        ),
    )
    sources = {
        "PIL": _endless(DataLoader(augmented, batch_size=BATCH, shuffle=True)),
        "odecore": _ours(given),
    }
    per_turn = interleaved(
        {name: partial(_take, batches) for name, batches in sources.items()}, ROUNDS
    )
    whole = {
        name: [seconds * IMAGES / (BATCH * BATCHES) for seconds in found]
        for name, found in per_turn.items()
    }
    theirs, ours = (statistics.median(whole[name]) / IMAGES * 1e6 for name in ("PIL", "odecore"))
    print(f"an epoch of augmented CIFAR-10 batches of {BATCH}, extrapolated from {BATCHES} of them")
    print(
        f"  PIL DataLoader {theirs:.0f} us, odecore {ours:.1f} us per image: "
        f"{show_ratio(ratio(whole['PIL'], whole['odecore']))}"
    )
    return {"seconds": whole, "ratio": ratio(whole["PIL"], whole["odecore"])}


def _endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def _ours(given: Dataset) -> Iterator[Tensor]:
    """The steps of the training: the epoch's order, a batch of bytes, its augmentation."""
    for epoch in range(10**6):
        order = torch.randperm(IMAGES, generator=generator(0, "order", epoch))
        for index, chosen in enumerate(order.split(BATCH)):
            yield given.training_inputs(
                given.train_x.index_select(0, chosen), generator(0, "augment", epoch, index)
            )


def _take(batches: Iterator[Any]) -> None:
    for _ in range(BATCHES):
        next(batches)


def loading(root: Path) -> dict[str, Any]:
    """Seconds to load a whole set.

    Variants: torchvision; ours the first time (which makes the cache); ours later; ours later, up
    to the first augmented batch.
    """
    found: dict[str, Any] = {}
    names: tuple[tuple[ImageName, Callable[[Path], object]], ...] = (
        ("cifar10", _torchvision_cifar10),
        ("tiny-imagenet-20", _torchvision_folders),
    )
    for name, by_torchvision in names:
        if missing_files(Images(name=name), root):
            print(f"loading {name}: left out, it is not in {root}")
            continue
        config = Images(name=name, standardize="channel", augment="crop4_flip")
        variants: dict[str, Callable[[], object]] = {
            "torchvision": partial(by_torchvision, root),
            "first": partial(_first, config, root),
            "later": partial(data.load, config, root),
            "later, and a batch": partial(_batch, config, root),
        }
        with _own_cache():
            seconds = interleaved(variants, 3)
        print(f"loading {name}, both splits")
        for variant in ("first", "later", "later, and a batch"):
            theirs, ours = (
                statistics.median(seconds[which]) * 1e3 for which in ("torchvision", variant)
            )
            print(
                f"  torchvision {theirs:.0f} ms, odecore {variant} {ours:.3g} ms: "
                f"{show_ratio(ratio(seconds['torchvision'], seconds[variant]))}"
            )
        found[name] = {
            "seconds": seconds,
            "ratio": {
                name: ratio(seconds["torchvision"], times) for name, times in seconds.items()
            },
        }
    return found


def _torchvision_cifar10(root: Path) -> list[Tensor]:
    splits = [datasets.CIFAR10(root, train=train) for train in (True, False)]
    return [torch.from_numpy(split.data).permute(0, 3, 1, 2).contiguous() for split in splits]


def _torchvision_folders(root: Path) -> list[np.ndarray]:
    folders = [
        datasets.ImageFolder(root / folder) for folder in IMAGE_SETS["tiny-imagenet-20"].files
    ]
    return [np.stack([np.asarray(image) for image, _ in folder]) for folder in folders]


def _first(config: Images, root: Path) -> Dataset:
    with _own_cache():
        return data.load(config, root)


def _batch(config: Images, root: Path) -> Tensor:
    loaded = data.load(config, root)
    return loaded.training_inputs(loaded.train_x[:BATCH], generator(0))


@contextmanager
def _own_cache() -> Iterator[None]:
    before = os.environ.get("ODESWEEP_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ODESWEEP_CACHE"] = folder
        yield
    os.environ.pop("ODESWEEP_CACHE")
    if before is not None:
        os.environ["ODESWEEP_CACHE"] = before


def main(_argv: list[str]) -> dict[str, Any]:
    """Run and print; returns the numbers."""
    torch.set_num_threads(1)
    found = {"epochs": epochs()}
    if root := os.environ.get("ODESWEEP_DATA"):
        found["loading"] = loading(Path(root))
    else:
        print("loading: left out, because ODESWEEP_DATA names no folder with data sets")
    return found
