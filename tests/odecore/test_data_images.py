"""Image sets: generated ones, stratified subsets, small files in torchvision's layout, and the real files where they are."""

import gzip
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from odecore import data
from odecore.config.data import IMAGE_SHAPES, Images
from odecore.data import DataMissing
from odecore.data.images import stratified

NAMES = pytest.mark.parametrize("name", ["mnist", "cifar10"])


@pytest.fixture(scope="module")
def real_root() -> Path:
    folder = os.environ.get("ODESWEEP_DATA")
    if folder is None:
        pytest.skip("ODESWEEP_DATA is not set: no folder with the real MNIST and CIFAR-10")
    return Path(folder)


@NAMES
def test_generated_images(name: Any) -> None:
    loaded = data.load(Images(name=name, source="generated"), None)
    assert loaded.train_x.shape == (2000, *IMAGE_SHAPES[name])
    assert loaded.test_x.shape == (500, *IMAGE_SHAPES[name])
    assert loaded.train_x.dtype == torch.uint8
    assert loaded.train_y.bincount().tolist() == [200] * 10
    assert data.load(Images(name=name, source="generated"), None).sha256 == loaded.sha256
    limited = data.load(Images(name=name, source="generated", train_limit=37, test_limit=25), None)
    assert (len(limited.train_x), len(limited.test_x)) == (37, 25)
    assert limited.train_y.bincount(minlength=10).max() - limited.train_y.bincount(minlength=10).min() == 1
    assert limited.sha256 != loaded.sha256


@NAMES
def test_generated_classes_can_be_told_apart(name: Any) -> None:
    loaded = data.load(Images(name=name, source="generated"), None)
    flat, test = loaded.inputs(loaded.train_x).flatten(1), loaded.inputs(loaded.test_x).flatten(1)
    means = torch.stack([flat[loaded.train_y == label].mean(dim=0) for label in range(10)])
    accuracy = (torch.cdist(test, means).argmin(dim=1) == loaded.test_y).float().mean()
    assert accuracy > 0.9


def test_inputs_of_images_are_between_0_and_1() -> None:
    loaded = data.load(Images(name="mnist", source="generated", train_limit=20, test_limit=20), None)
    inputs = loaded.inputs(loaded.train_x)
    torch.testing.assert_close(inputs, loaded.train_x.to(torch.float64).div(255).float())
    assert loaded.train_x.dtype == torch.uint8


@pytest.mark.parametrize("size", [1, 9, 10, 33, 100])
def test_a_subset_has_as_many_of_each_class(size: int) -> None:
    labels = torch.randint(0, 10, (1000,), generator=torch.Generator().manual_seed(0))
    chosen = stratified(labels, size, 10)
    counts = labels[chosen].bincount(minlength=10)
    assert len(chosen.unique()) == size
    assert counts.max() - counts.min() <= 1
    assert torch.equal(chosen, chosen.sort().values)
    assert torch.equal(chosen, stratified(labels, size, 10))


def test_a_subset_larger_than_the_data_says_which_class_is_short() -> None:
    labels = torch.arange(40) % 10
    assert len(stratified(labels, 40, 10)) == 40
    with pytest.raises(DataMissing, match="train_limit = 50 needs 5 images of class 0, there are 4"):
        stratified(labels, 50, 10, "mnist train_limit")


@NAMES
def test_without_a_folder_it_says_how_to_name_one(name: Any) -> None:
    with pytest.raises(DataMissing, match=r"ODESWEEP_DATA or --data-root.*odesweep data fetch"):
        data.load(Images(name=name), None)


@NAMES
def test_an_empty_folder_is_named(name: Any, tmp_path: Path) -> None:
    with pytest.raises(DataMissing) as raised:
        data.load(Images(name=name), tmp_path)
    message = str(raised.value)
    assert str(tmp_path) in message
    assert "ODESWEEP_DATA" in message
    assert "\n" not in message


def write_mnist(root: Path, split: str, images: Tensor, labels: Tensor) -> None:
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">IIII", 0x803, *images.shape)
    (folder / f"{split}-images-idx3-ubyte").write_bytes(head + images.numpy().tobytes())
    (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + labels.to(torch.uint8).numpy().tobytes())


@pytest.fixture
def small_mnist(tmp_path: Path) -> tuple[Path, Tensor, Tensor]:
    images = torch.randint(0, 256, (60, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(60) % 10
    write_mnist(tmp_path, "train", images, labels)
    write_mnist(tmp_path, "t10k", images[:20], labels[:20])
    return tmp_path, images, labels


def test_mnist_is_read_in_torchvisions_layout(small_mnist: tuple[Path, Tensor, Tensor]) -> None:
    root, images, labels = small_mnist
    loaded = data.load(Images(name="mnist"), root)
    assert torch.equal(loaded.train_x, images.unsqueeze(1))
    assert torch.equal(loaded.train_y, labels)
    assert torch.equal(loaded.test_x, images[:20].unsqueeze(1))
    limited = data.load(Images(name="mnist", train_limit=20, test_limit=10), root)
    assert limited.train_y.bincount().tolist() == [2] * 10
    assert limited.test_y.bincount().tolist() == [1] * 10
    assert limited.sha256 != loaded.sha256


@pytest.mark.parametrize(
    "damage",
    [b"", b"not an image file at all", gzip.compress(b"zipped", mtime=0)],
    ids=["empty", "not_zipped", "zipped_rubbish"],  # never from the bytes: a gzip header holds the time
)
def test_a_damaged_file_is_missing_data(small_mnist: tuple[Path, Tensor, Tensor], damage: bytes) -> None:
    root, _, _ = small_mnist
    (root / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(damage)
    with pytest.raises(DataMissing, match="no usable mnist") as raised:
        data.load(Images(name="mnist"), root)
    assert "\n" not in str(raised.value)


def test_a_damaged_cifar_batch_is_missing_data(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for batch in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch", "batches.meta"):
        (folder / batch).write_bytes(pickle.dumps({"data": [], "labels": []}))
    with pytest.raises(DataMissing, match="no usable cifar10"):
        data.load(Images(name="cifar10"), tmp_path)


@pytest.mark.parametrize(("name", "sizes", "test_per_class"), [("mnist", (60_000, 10_000), [980, 1135]), ("cifar10", (50_000, 10_000), [1000, 1000])])
def test_the_real_files(name: Any, sizes: tuple[int, int], test_per_class: list[int], real_root: Path) -> None:
    loaded = data.load(Images(name=name), real_root)
    assert loaded.train_x.shape == (sizes[0], *IMAGE_SHAPES[name])
    assert loaded.test_x.shape == (sizes[1], *IMAGE_SHAPES[name])
    assert (loaded.train_x.dtype, loaded.train_y.dtype) == (torch.uint8, torch.int64)
    assert loaded.test_y.bincount()[:2].tolist() == test_per_class


def test_real_pixels_have_the_published_mean(real_root: Path) -> None:
    mnist = data.load(Images(name="mnist", train_limit=10_000, test_limit=100), real_root)
    assert mnist.inputs(mnist.train_x).mean().item() == pytest.approx(0.1307, abs=0.002)
    cifar = data.load(Images(name="cifar10", train_limit=10_000, test_limit=100), real_root)
    assert cifar.inputs(cifar.train_x).mean(dim=(0, 2, 3)).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.005)
    assert cifar.train_y.bincount().tolist() == [1000] * 10
