"""Resizing, random crops and flips of a whole batch on its device.

Draws come from a CPU generator, so they are the same on every device. Shapes: x is (B, C, H, W).
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

# Of RandomErasing (Zheng 2024, code): share of the image's area, and height over width.
ERASED_AREA, ERASED_ASPECT = (0.04, 0.2), (0.5, 2.0)


def resize(x_BCHW: Tensor, size: int) -> Tensor:
    """Bilinear with antialiasing, no rounding to bytes: torchvision's `Resize` on float tensors."""
    if x_BCHW.shape[-1] == size:
        return x_BCHW
    return functional.interpolate(x_BCHW, size=(size, size), mode="bilinear", antialias=True)


def random_crop(
    x_BCHW: Tensor, size: int, generator: Generator, *, padding: int = 0, flip: bool = False
) -> Tensor:
    """Torchvision's `RandomCrop(size, padding)` and `RandomHorizontalFlip()`, drawn per image.

    Around the square images lies a border of zeros, `padding` wide; every place of the window is
    equally likely, and a flip has probability 1/2.
    """
    places = x_BCHW.shape[-1] + 2 * padding - size + 1
    corner = torch.randint(places, (2, len(x_BCHW)), generator=generator)
    mirrored = (
        torch.randint(2, (1, len(x_BCHW)), generator=generator)
        if flip
        else torch.zeros_like(corner[:1])
    )
    top, left, mirror = to_device(torch.cat([corner, mirrored]), x_BCHW.device)
    return crop(
        functional.pad(x_BCHW, (padding,) * 4) if padding else x_BCHW,
        top,
        left,
        mirror.bool(),
        size,
    )


def random_erase(x_BCHW: Tensor, generator: Generator) -> Tensor:
    """Torchvision's `RandomErasing` with value 0 and probability 1/2, drawn per image.

    Area uniform, aspect log-uniform in the ranges above; every place is equally likely. Square
    images only, in which such a rectangle always has room.
    """
    batch, size = len(x_BCHW), x_BCHW.shape[-1]
    share, aspect, top, left, chosen = torch.rand(5, batch, generator=generator)
    area = (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * share) * size**2
    low, high = (math.log(value) for value in ERASED_ASPECT)
    aspect = (low + (high - low) * aspect).exp()
    height, width = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    top, left = (top * (size - height + 1)).floor(), (left * (size - width + 1)).floor()
    edges = torch.stack([top, top + height, left, left + width, chosen])
    top, bottom, left, right, chosen = to_device(edges[:, :, None], x_BCHW.device)
    along = torch.arange(size, device=x_BCHW.device)
    rows = (along >= top) & (along < bottom) & (chosen < 0.5)
    columns = (along >= left) & (along < right)
    return x_BCHW.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """The CPU tensor x on `device`. A GPU copies pinned memory while the host goes on."""
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)


def crop(x_BCHW: Tensor, top_B: Tensor, left_B: Tensor, mirrored_B: Tensor, size: int) -> Tensor:
    """Crop size x size windows at (top[b], left[b]) of every image b, in one gather.

    Result: x[b, :, top[b] : top[b] + size, left[b] : left[b] + size], columns reversed if mirrored.
    """
    batch, channels, _, width = x_BCHW.shape
    along = torch.arange(size, device=x_BCHW.device)
    rows_BH = top_B[:, None] + along
    columns_BW = left_B[:, None] + torch.where(mirrored_B[:, None], along.flip(0), along)
    places = (
        (rows_BH[:, :, None] * width + columns_BW[:, None, :])
        .view(batch, 1, -1)
        .expand(-1, channels, -1)
    )
    return x_BCHW.flatten(2).gather(2, places).view(batch, channels, size, size)
