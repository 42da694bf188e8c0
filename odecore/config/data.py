"""Which data. Each config knows its input shape and number of classes, so that models can be sized without loading anything."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from odecore.config.section import Section, added_later


class Spheres(Section):
    """Concentric spheres, generated (Ott 2021, section 5 and code): inner and outer shell class 0, middle shell class 1. draw: which random draw."""

    name: Literal["spheres"] = "spheres"
    dimension: PositiveInt = 2
    train_size: PositiveInt = 2000
    test_size: PositiveInt = 1000
    draw: int = Field(default=0, ge=0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return (self.dimension,)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 2


IMAGE_SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
# What torchvision's loaders look for below the data folder.
IMAGE_FILES = {
    "mnist": tuple(f"MNIST/raw/{part}-ubyte" for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")),
    "cifar10": tuple(f"cifar-10-batches-py/{part}" for part in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta")),
}


class Images(Section):
    """An image set in [0, 1]. train_limit, test_limit: a stratified subset of that many images, null for all of them.

    source: `files` reads the data set; `generated` makes images of the same shape and classes from a seed (for quick runs, never for results).
    """

    name: Literal["mnist", "cifar10"]
    train_limit: PositiveInt | None = None
    test_limit: PositiveInt | None = None
    source: Literal["files", "generated"] = added_later(neutral="files")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return IMAGE_SHAPES[self.name]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 10


def missing_files(config: Section, root: Path | None) -> list[str]:
    """Files the data set needs and `root` lacks, all of them when there is no root; empty for generated data. Loads nothing."""
    if not isinstance(config, Images) or config.source == "generated":
        return []
    return [name for name in IMAGE_FILES[config.name] if root is None or not (root / name).is_file()]


DataConfig = Annotated[Spheres | Images, Field(discriminator="name")]
