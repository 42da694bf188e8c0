"""Crops, flips, resizing and standardizing: against literal slices, against torchvision's
transforms, and how often each place is drawn.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats
from small_images import write
from torch import Tensor
from torch.nn import functional
from torchvision import transforms
from torchvision.transforms import functional as tv

from odecore import data
from odecore.config.data import IMAGE_SETS, Images
from odecore.data import augment
from odecore.data.dataset import Dataset
from odecore.data.images import CHANNELS, WIDESPREAD_DEVIATION, channel_statistics
from odecore.training.streams import generator

LABELS = torch.zeros(1, dtype=torch.int64)


def images_that_tell_places(count: int, size: int = 32) -> Tensor:
    """Red is 1 + row, green 1 + column, so that a pixel says where it was; blue is random."""
    place = torch.arange(1, size + 1, dtype=torch.uint8)
    blue = torch.randint(
        256, (count, size, size), dtype=torch.uint8, generator=generator(0, "blue")
    )
    return torch.stack(
        [
            place[:, None].expand(size, size).expand(count, -1, -1),
            place.expand(count, size, size),
            blue,
        ],
        dim=1,
    )


def dataset(x: Tensor, augmentation: Any, **constants: Tensor) -> Dataset:
    return Dataset(x, LABELS, x, LABELS, "", augmentation=augmentation, **constants)


def places(x: Tensor, padding: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Top, left (in the padded image) and mirrored of windows of `images_that_tell_places`, from
    the pixel in their middle.
    """
    middle = size // 2
    row, column, right = (
        x[:, channel, middle, index].long()
        for channel, index in ((0, middle), (1, middle), (1, middle + 1))
    )
    mirrored = right < column
    return (
        row - 1 + padding - middle,
        torch.where(
            mirrored, column - 1 + padding - (size - 1 - middle), column - 1 + padding - middle
        ),
        mirrored,
    )


@pytest.mark.parametrize(("augmentation", "padding"), [("crop4_flip", 4), ("crop8_flip", 8)])
def test_every_image_is_a_slice_of_the_padded_image(augmentation: Any, padding: int) -> None:
    x = images_that_tell_places(300)
    found = dataset(x, augmentation).training_inputs(x, generator(0, "batch"))
    padded = functional.pad(x, (padding,) * 4)
    bytes_found = (found * 255).round().to(torch.uint8)
    for index, (top, left, mirrored) in enumerate(
        zip(*map(Tensor.tolist, places(bytes_found, padding, 32)), strict=True)
    ):
        literal = padded[index, :, top : top + 32, left : left + 32]
        assert torch.equal(found[index], (literal.flip(-1) if mirrored else literal).float() / 255)
    assert torch.equal(x, images_that_tell_places(300)), "the data are not written to"


@pytest.mark.parametrize(
    ("augmentation", "padding", "size", "samples"),
    [
        ("crop4_flip", 4, 32, 8_100),
        ("crop8_flip", 8, 32, 14_450),
        ("resize32_crop28", 0, 28, 2_500),
    ],
)
def test_every_place_and_either_side_is_equally_likely(
    augmentation: Any, padding: int, size: int, samples: int
) -> None:
    offsets = 32 + 2 * padding - size + 1
    x, stream, cells = images_that_tell_places(500), generator(0, "chi-square"), []
    for _ in range(0, samples, 500):
        found = dataset(x, augmentation).training_inputs(x, stream)
        top, left, mirrored = places((found * 255).round(), padding, size)
        cells.append((mirrored * offsets + top) * offsets + left)
    flips = augmentation != "resize32_crop28"
    counts = torch.cat(cells).bincount(minlength=offsets**2 * (1 + flips))
    assert len(counts) == offsets**2 * (1 + flips)
    # Jointly: places that depended on each other or on the flip would be seen as well.
    assert 1e-3 < stats.chisquare(counts.tolist()).pvalue < 1 - 1e-3


def test_a_batch_depends_on_its_generator_alone() -> None:
    x = images_that_tell_places(50)
    augmented = dataset(x, "crop4_flip")
    first = augmented.training_inputs(x, generator(3, "augment", 7))
    assert torch.equal(first, augmented.training_inputs(x, generator(3, "augment", 7)))
    assert not torch.equal(first, augmented.training_inputs(x, generator(3, "augment", 8)))
    assert torch.equal(augmented.inputs(x), x.float() / 255), "evaluation draws nothing"


def test_without_augmentation_training_sees_what_evaluation_sees() -> None:
    for config in (
        Images(name="cifar10", source="generated", standardize="channel"),
        Images(name="mnist", source="generated"),
    ):
        loaded = data.load(config, None)
        x = loaded.train_x[:7]
        assert torch.equal(loaded.training_inputs(x, generator(0)), loaded.inputs(x))


CONSTANTS = {
    ("mnist", "channel"): ([0.1307], [0.3081]),
    ("fashion_mnist", "channel"): ([0.2860], [0.3530]),
    ("cifar10", "channel"): ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
    ("cifar10", "widespread"): ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
}


@pytest.mark.parametrize(("name", "standardize"), list(CONSTANTS))
@pytest.mark.parametrize("augmentation", ["none", "resize32_crop28"])
def test_evaluation_is_torchvisions_transform(
    name: Any, standardize: Any, augmentation: Any
) -> None:
    loaded = data.load(
        Images(
            name=name,
            source="generated",
            train_limit=20,
            test_limit=20,
            standardize=standardize,
            augment=augmentation,
        ),
        None,
    )
    size = 28 if augmentation == "resize32_crop28" else IMAGE_SETS[name].shape[-1]
    theirs: Any = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Resize(size),
            transforms.Normalize(*CONSTANTS[name, standardize]),
        ]
    )
    expected = torch.stack([theirs(x.permute(1, 2, 0).numpy()) for x in loaded.test_x])
    torch.testing.assert_close(loaded.inputs(loaded.test_x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "standardize"),
    [("cifar10", "channel"), ("tiny-imagenet-20", "none"), ("mnist", "channel")],
)
def test_training_as_gladzik_did_is_torchvisions_transform(name: Any, standardize: Any) -> None:
    config = Images(
        name=name,
        source="generated",
        train_limit=40,
        test_limit=20,
        standardize=standardize,
        augment="resize32_crop28",
    )
    loaded = data.load(config, None)
    found = loaded.training_inputs(loaded.train_x, generator(0, "batch"))
    assert found.shape == (40, *config.shape) == (40, IMAGE_SETS[name].shape[0], 28, 28)
    normalize = (
        transforms.Normalize(*CONSTANTS[name, standardize])
        if standardize == "channel"
        else torch.nn.Identity()
    )
    whole: Any = transforms.Compose([transforms.ToTensor(), transforms.Resize(32), normalize])
    for image, x in zip(found, loaded.train_x, strict=True):
        enlarged = whole(x.permute(1, 2, 0).numpy())
        differences = [
            (enlarged[:, top : top + 28, left : left + 28] - image).abs().max()
            for top in range(5)
            for left in range(5)
        ]
        assert min(differences) < 1e-5


def test_the_border_is_black_before_standardizing() -> None:
    x = torch.full((200, 3, 32, 32), 255, dtype=torch.uint8)
    mean, deviation = (
        torch.tensor(values)[:, None, None] for values in CONSTANTS["cifar10", "channel"]
    )
    found = dataset(x, "crop4_flip", mean=mean, deviation=deviation).training_inputs(
        x, generator(0, "batch")
    )
    image: Any = transforms.ToPILImage()(x[0])
    cropped: Any = tv.crop(tv.pad(image, [4, 4, 4, 4]), 0, 0, 32, 32)
    corner = tv.normalize(tv.to_tensor(cropped), *CONSTANTS["cifar10", "channel"])
    assert sorted({round(value, 5) for value in found[:, 0].flatten().tolist()}) == sorted(
        {round(value, 5) for value in corner[0].flatten().tolist()}
    )
    assert any(torch.allclose(one, corner, atol=1e-6) for one in found)


@pytest.mark.parametrize("size", [20, 28, 32, 64])
def test_resizing_is_torchvisions(size: int) -> None:
    x = torch.rand(5, 3, 32, 32, generator=generator(0))
    torch.testing.assert_close(
        augment.resize(x, size), transforms.Resize(size)(x), rtol=0, atol=1e-6
    )


def test_constants_of_other_sets_are_those_of_the_whole_training_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path / "cache"))
    pixels = (
        torch.from_numpy(write("cifar100-subset", tmp_path, monkeypatch)["train_x"]).double() / 255
    )
    for limit in (None, 10):
        loaded = data.load(
            Images(name="cifar100-subset", train_limit=limit, standardize="channel"), tmp_path
        )
        assert loaded.mean is not None
        assert loaded.deviation is not None
        torch.testing.assert_close(
            loaded.mean.flatten().double(), pixels.mean(dim=(0, 2, 3)), rtol=0, atol=1e-6
        )
        torch.testing.assert_close(
            loaded.deviation.flatten().double(),
            pixels.std(dim=(0, 2, 3), correction=0),
            rtol=0,
            atol=1e-6,
        )


@pytest.mark.parametrize("name", list(CHANNELS))
def test_printed_constants_are_those_of_the_real_files(name: Any, data_root: Path) -> None:
    mean, deviation = channel_statistics(data.load(Images(name=name), data_root).train_x.numpy())
    assert mean == pytest.approx(CHANNELS[name][0], abs=5e-5)
    assert deviation == pytest.approx(CHANNELS[name][1], abs=5e-5)


def test_the_widespread_deviations_are_means_over_images(data_root: Path) -> None:
    pixels = data.load(Images(name="cifar10", train_limit=5000), data_root).train_x.float() / 255
    assert pixels.flatten(2).std(dim=2).mean(dim=0).tolist() == pytest.approx(
        WIDESPREAD_DEVIATION, abs=1e-3
    )


def test_points_are_never_changed() -> None:
    x = torch.randn(5, 2)
    assert dataset(x, "none").training_inputs(x, generator(0)) is x
