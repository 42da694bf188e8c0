"""A data set in memory, and the exception for one that is not there."""

import dataclasses
import hashlib
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from odecore.config.data import Augment
from odecore.data import augment


class DataMissing(Exception):
    """The requested data are missing: one line with the folder searched and what to do."""


# Gladzik 2019, section 4.4: trained on random windows of enlarged images, evaluated on images
# of the windows' size.
ENLARGED, WINDOW = 32, 28
PADDING = {"crop4_flip": 4, "crop8_flip": 8, "erase_crop4_flip": 4, "erase_crop8_flip": 8}


@dataclass(frozen=True)
class Dataset:
    """Points: float32 (N, D). Images: uint8 (N, C, H, W), H = W. Labels: int64 (N,).

    sha256: of these four tensors, in hex.

    mean, deviation: of the channels, (C, 1, 1) on the scale [0, 1], or None for images that stay in
    [0, 1].
    augmentation: see `odecore.config.data.Images`.
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    sha256: str
    mean: Tensor | None = None
    deviation: Tensor | None = None
    augmentation: Augment = "none"

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data on a device."""
        tensors = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return dataclasses.replace(self, **tensors)

    def inputs(self, x_batch: Tensor) -> Tensor:
        """Inputs of a model in evaluation: float32 of the shape of x_batch, (B, D) or (B, C, H, W).

        Bytes of images become numbers in [0, 1], resized and standardized as configured.

        For float64, cast what comes back: an image is then the very same one in either precision.
        """
        if x_batch.dtype != torch.uint8:
            return x_batch
        x = x_batch.float().div_(255)
        return self._standardized(
            augment.resize(x, WINDOW) if self.augmentation == "resize32_crop28" else x
        )

    def training_inputs(self, x_batch: Tensor, generator: Generator) -> Tensor:
        """Inputs of a model in training: `inputs`, augmented by `generator` (CPU, this batch's)."""
        if x_batch.dtype != torch.uint8 or self.augmentation == "none":
            return self.inputs(x_batch)
        if self.augmentation == "resize32_crop28":
            return self._standardized(
                augment.random_crop(
                    augment.resize(x_batch.float().div_(255), ENLARGED), WINDOW, generator
                )
            )
        size, padding = x_batch.shape[-1], PADDING[self.augmentation]
        if self.augmentation.startswith("erase"):
            # The border and what is erased are 0 after standardizing. Flipping last, after an
            # erased place and a window that are as likely as their mirror images, is flipping
            # first.
            x = augment.random_erase(self._standardized(x_batch.float().div_(255)), generator)
            return augment.random_crop(x, size, generator, padding=padding, flip=True)
        # Of bytes, as they are a quarter of the floats to move; the border is black, so it comes
        # before standardizing.
        x = augment.random_crop(x_batch, size, generator, padding=padding, flip=True)
        return self._standardized(x.float().div_(255))

    def _standardized(self, x: Tensor) -> Tensor:
        return (
            x
            if self.mean is None or self.deviation is None
            else x.sub_(self.mean).div_(self.deviation)
        )


def make(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Dataset:
    """A data set from (x, y) of both splits: x (N, D) or (N, C, H, W), y (N,)."""
    tensors = [tensor.contiguous() for tensor in (*train, *test)]
    return Dataset(*tensors, sha256=sha256(tensors))


def sha256(tensors: list[Tensor]) -> str:
    """SHA-256 in hex of the values of tensors of any shape, in their order."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy().data)
    return digest.hexdigest()
