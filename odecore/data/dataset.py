"""A data set in memory, and the exception for one that is not there."""

import dataclasses
import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


class DataMissing(Exception):
    """The data asked for are not there: one line with the folder that was looked in and what to do."""


@dataclass(frozen=True)
class Dataset:
    """Points: float32 (N, d). Images: uint8 (N, C, H, W). Labels: int64 (N,). sha256: of all four tensors, in hex."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    sha256: str

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data on a device."""
        moved = {name: getattr(self, name).to(device) for name in ("train_x", "train_y", "test_x", "test_y")}
        return dataclasses.replace(self, **moved)

    @staticmethod
    def inputs(x_batch: Tensor) -> Tensor:
        """What a model takes: float32; bytes of images become numbers in [0, 1]."""
        return x_batch.float().div_(255) if x_batch.dtype == torch.uint8 else x_batch


def make(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Dataset:
    """A data set from (x, y) of both splits."""
    tensors = [tensor.contiguous() for tensor in (*train, *test)]
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy().data)
    return Dataset(*tensors, sha256=digest.hexdigest())
