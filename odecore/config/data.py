"""The data sets.

Each config knows its input shape and number of classes, so that models can be sized without loading
data.
"""

import math
import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from odecore.config.section import Choice, Section, added_later, by_name

Split = Literal["test", "train"]


class Data(Choice):
    """A kind of data as one record, which a model may take or not.

    builder: load(config, root) -> odecore.data.dataset.Dataset.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def train_samples(self) -> int:
        """Number of training samples."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one input as a model sees it, without the batch axis."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 2


class Spheres(Data):
    """Concentric spheres, generated (Ott 2021, experiments and code).

    The inner and outer shell are class 0, the middle shell is class 1. draw: which random draw.
    """

    kind = "points"
    builder = "odecore.data.spheres:load"
    name: Literal["spheres"] = "spheres"
    dimension: PositiveInt = 2
    train_size: PositiveInt = 2000
    test_size: PositiveInt = 1000
    draw: int = Field(default=0, ge=0)

    @property
    def train_samples(self) -> int:
        """Number of training samples."""
        return self.train_size

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Data.shape`."""
        return (self.dimension,)


class ImageSet(NamedTuple):
    """What is known of an image set without reading it.

    files: files and folders its reader opens below the data folder.
    sizes: file -> its bytes, where they are known and do not follow from the numbers of images.
    layout: for a set that cannot be downloaded, how to lay it out; empty for all others. A set with
    a layout has two files, the folders of its training and its test split, with a folder per class.
    revision: raise it when a fix changes the images; the rows that used them become stale.
    """

    label: str
    shape: tuple[int, int, int]
    classes: int
    train_size: int
    test_size: int
    files: tuple[str, ...]
    layout: str = ""
    revision: int = 1
    sizes: Mapping[str, int] = MappingProxyType({})


def _idx(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/raw/{name}" for name in names)


_MNIST_FILES = tuple(
    f"{part}-ubyte"
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
)
_QMNIST_FILES = tuple(
    f"qmnist-{split}-{part}"
    for split in ("train", "test")
    for part in ("images-idx3-ubyte", "labels-idx2-int")
)
_TINY_IMAGENET_FILES = ("wnids.txt", "train", "val/val_annotations.txt", "val/images")
_CIFAR10_FILES = (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta")
_CIFAR10_SIZES = (31_035_704, 31_035_320, 31_035_999, 31_035_696, 31_035_623, 31_035_526, 158)

# The subsets are data sets with their own names: results on them are never called CIFAR-100 or
# Tiny-ImageNet.
IMAGE_SETS = {
    "mnist": ImageSet("MNIST", (1, 28, 28), 10, 60_000, 10_000, _idx("MNIST", *_MNIST_FILES)),
    "qmnist": ImageSet("QMNIST", (1, 28, 28), 10, 60_000, 60_000, _idx("QMNIST", *_QMNIST_FILES)),
    "fashion_mnist": ImageSet(
        "Fashion-MNIST", (1, 28, 28), 10, 60_000, 10_000, _idx("FashionMNIST", *_MNIST_FILES)
    ),
    "svhn": ImageSet(
        "SVHN", (3, 32, 32), 10, 73_257, 26_032, ("train_32x32.mat", "test_32x32.mat")
    ),
    "cifar10": ImageSet(
        "CIFAR-10",
        (3, 32, 32),
        10,
        50_000,
        10_000,
        tuple(f"cifar-10-batches-py/{part}" for part in _CIFAR10_FILES),
        sizes=MappingProxyType(
            {
                f"cifar-10-batches-py/{part}": size
                for part, size in zip(_CIFAR10_FILES, _CIFAR10_SIZES, strict=True)
            }
        ),
    ),
    "cifar100": ImageSet(
        "CIFAR-100",
        (3, 32, 32),
        100,
        50_000,
        10_000,
        tuple(f"cifar-100-python/{part}" for part in ("train", "test", "meta")),
    ),
    "cifar100-subset": ImageSet(
        "CIFAR-100 (subset)",
        (3, 32, 32),
        100,
        5_000,
        1_000,
        ("cifar100-subset/train", "cifar100-subset/test"),
        "cifar100-subset/{train,test}/CLASS/*.png",
    ),
    "tiny-imagenet": ImageSet(
        "Tiny-ImageNet",
        (3, 64, 64),
        200,
        100_000,
        10_000,
        tuple(f"tiny-imagenet-200/{part}" for part in _TINY_IMAGENET_FILES),
    ),
    "tiny-imagenet-20": ImageSet(
        "Tiny-ImageNet (20 classes)",
        (3, 64, 64),
        20,
        4_000,
        1_000,
        ("tiny-imagenet-20/train", "tiny-imagenet-20/val"),
        "tiny-imagenet-20/{train,val}/WNID/*.JPEG",
    ),
}
# The valid names come from the records, where a type checker cannot read them.
if TYPE_CHECKING:
    ImageName = str
else:
    ImageName = Literal[tuple(IMAGE_SETS)]


Augment = Literal[
    "none", "crop4_flip", "crop8_flip", "resize32_crop28", "erase_crop4_flip", "erase_crop8_flip"
]


class Images(Data):
    """An image set.

    source: `files` reads the data set; `generated` makes images of the same shape and classes from
    a seed (for quick runs, never for results). standardize: none keeps [0, 1]; `channel` uses the
    set's own channel means and deviations; `widespread` the deviations (.2023, .1994, .2010) that
    much CIFAR-10 code has (Gusak 2020 and ENorm 2019, code). augment, in training only: random crop
    with 4 or 8 pixels of padding and flip, or Gladzik's: resize to 32x32, random 28x28 crop, and at
    test resize to 28x28 (Gladzik 2019, section 4.4). The padding is black, as it lies around the
    image before it is standardized. The forms with `erase` standardize, flip, erase a random
    rectangle and crop (Zheng 2024, code). standardize `imagenet` and `half`: ImageNet's means and
    deviations, and .5 and .5 (same code). noise_level: Gaussian noise of this deviation, in bytes,
    added to one in ten images of both splits; bytes wrap around (same code, whose level is not
    known).
    """

    kind = "images"
    builder = "odecore.data.images:load"
    revisions: ClassVar = {name: known.revision for name, known in IMAGE_SETS.items()}
    name: ImageName
    train_limit: PositiveInt | None = None
    test_limit: PositiveInt | None = None
    source: Literal["files", "generated"] = added_later(neutral="files")
    standardize: Literal["none", "channel", "widespread", "imagenet", "half"] = added_later(
        neutral="none"
    )
    augment: Augment = added_later(neutral="none")
    noise_level: NonNegativeFloat = added_later(neutral=0.0)

    @property
    def train_samples(self) -> int:
        """Number of training samples."""
        return self.train_limit or IMAGE_SETS[self.name].train_size

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Data.shape`."""
        channels, height, width = IMAGE_SETS[self.name].shape
        return (
            (channels, 28, 28) if self.augment == "resize32_crop28" else (channels, height, width)
        )

    @property
    def classes(self) -> int:
        """See `Data.classes`."""
        return IMAGE_SETS[self.name].classes

    @model_validator(mode="after")
    def _limits_are_within(self) -> Self:
        whole = IMAGE_SETS[self.name]
        for field, size in (("train_limit", whole.train_size), ("test_limit", whole.test_size)):
            limit = getattr(self, field)
            if limit is not None and limit > size:
                raise ValueError(
                    f"data.{field} = {limit} is above the {size:,} images of {self.name}; null "
                    "takes all"
                )
        return self

    @model_validator(mode="after")
    def _deviations_exist(self) -> Self:
        if self.standardize == "widespread" and self.name != "cifar10":
            raise ValueError(
                "data.standardize = widespread is a habit of CIFAR-10 code and does not fit "
                f"{self.name}; use channel"
            )
        if self.standardize == "imagenet" and IMAGE_SETS[self.name].shape[0] != 3:
            raise ValueError(
                f"data.standardize = imagenet has constants of three channels and {self.name} has "
                "one; use half or channel"
            )
        return self


class Fan(Data):
    """Lady Windermere's fan (Ott 2021, Figure 3).

    Points (0,0) and (1,1) of class 0, (0,1) and (1,0) of class 1, the same four in both splits.
    """

    kind = "fan"
    builder = "odecore.data.toy:load_fan"
    name: Literal["fan"] = "fan"

    @property
    def train_samples(self) -> int:
        """Number of training samples."""
        return 4

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Data.shape`."""
        return (2,)


class Line(Data):
    """Points -1 and 1 on a line, which the function to be learned exchanges.

    Gladzik 2019, Figure 5.10, after Dupont et al. 2019.
    """

    kind = "line"
    builder = "odecore.data.toy:load_line"
    name: Literal["line"] = "line"

    @property
    def train_samples(self) -> int:
        """Number of training samples."""
        return 2

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Data.shape`."""
        return (1,)


def missing_files(config: Section, root: Path | None) -> list[str]:
    """Files that the data set needs and `root` lacks. Loads nothing.

    All of its files if there is no root; empty for generated data.
    """
    if not isinstance(config, Images) or config.source == "generated":
        return []
    return [
        name for name in IMAGE_SETS[config.name].files if root is None or not (root / name).exists()
    ]


def what_is_missing(config: Section, root: Path | None, study: str = "STUDY") -> str | None:
    """One line with the first file that is missing or has a wrong size, and what a user can do.

    None if nothing is missing. Loads nothing.
    """
    if not isinstance(config, Images) or config.source == "generated":
        return None
    hint = how_to_get(config.name, study)
    if root is None:
        return f"no data folder is given; {hint}"
    if missing := missing_files(config, root):
        return f"{missing[0]} is not in {root}; {hint}"
    wrong = wrong_size(config.name, root)
    return f"{wrong}; delete it, then {hint}" if wrong else None


def wrong_size(name: ImageName, root: Path) -> str | None:
    """The first file of a set whose size is not the original's, in words.

    Of a folder of images the number of them.
    """
    image_set = IMAGE_SETS[name]
    for index, file in enumerate(image_set.files):
        path = root / file
        if image_set.layout:
            # Two folders, of the training and of the test split.
            expected, unit = (image_set.train_size, image_set.test_size)[index], "images"
            size = sum(len(files) for _, _, files in os.walk(path))
        else:
            expected, unit = image_set.sizes.get(file) or _idx_size(image_set, file), "bytes"
            size = path.stat().st_size
        if expected is not None and size != expected:
            return f"{path} has {size:,} {unit}, not {expected:,}"
    return None


def _idx_size(image_set: ImageSet, file: str) -> int | None:
    """Bytes of a file in MNIST's format.

    A header of four bytes and four more for each axis, then the numbers. None for others.
    """
    split, _, kind = file.rpartition("/")[2].replace("qmnist-", "").partition("-")
    samples = image_set.train_size if split == "train" else image_set.test_size
    match kind:
        case "images-idx3-ubyte":
            return 16 + samples * math.prod(image_set.shape)
        case "labels-idx1-ubyte":
            return 8 + samples
        case "labels-idx2-int":
            return 12 + samples * 8 * 4
    return None


def how_to_get(name: str, study: str = "STUDY") -> str:
    """What a user can do about a missing image set. study: one that uses it."""
    if layout := IMAGE_SETS[name].layout:
        return (
            f"it cannot be downloaded: arrange its files as {layout} and give the folder with "
            "--data-root or ODESWEEP_DATA"
        )
    return (
        f"get it with `odesweep data fetch {study}`, or give the folder that has it with "
        "--data-root or ODESWEEP_DATA"
    )


DATA = by_name(Data)
DataConfig = Annotated[Spheres | Images | Fan | Line, Field(discriminator="name")]
