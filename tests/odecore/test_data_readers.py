"""Every image set from small files in its real layout: order, labels, channels; and files that are
damaged or incomplete.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_images import WRITERS, save, write
from torchvision import datasets

from odecore import data
from odecore.config.data import IMAGE_SETS, Images
from odecore.data import DataMissing, images, readers

NAMES = pytest.mark.parametrize("name", list(WRITERS))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path / "cache"))


def test_every_image_set_is_tested() -> None:
    assert set(WRITERS) == set(IMAGE_SETS) == set(readers.READERS)


@NAMES
def test_images_and_labels_are_those_in_the_files(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = write(name, tmp_path / "data", monkeypatch)
    loaded = data.load(Images(name=name), tmp_path / "data")
    assert loaded.train_x.shape == (40, *IMAGE_SETS[name].shape)
    assert loaded.test_x.shape == (20, *IMAGE_SETS[name].shape)
    assert (loaded.train_x.dtype, loaded.train_y.dtype) == (torch.uint8, torch.int64)
    for part, array in expected.items():
        assert np.array_equal(getattr(loaded, part).numpy(), array), part


@pytest.mark.parametrize("name", ["tiny-imagenet", "tiny-imagenet-20"])
def test_jpegs_keep_their_order_and_grey_ones_become_rgb(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(name, tmp_path, monkeypatch)
    paths = sorted(
        (tmp_path / IMAGE_SETS[name].files[1 if name == "tiny-imagenet" else 0]).rglob("*.JPEG"),
        key=lambda path: path.name,
    )
    for index, path in enumerate(paths):
        Image.new("L", (64, 64), 5 * index).save(path)
    loaded = data.load(Images(name=name), tmp_path)
    levels = loaded.train_x.float().mean(dim=(1, 2, 3))
    if name == "tiny-imagenet":
        # The names of its classes run against their labels.
        assert [path.name[:9] for path in paths[:4]] == ["n00000090"] * 4
        levels = torch.cat([levels[4 * label : 4 * label + 4] for label in reversed(range(10))])
    assert levels.tolist() == pytest.approx([5.0 * index for index in range(40)], abs=1)
    assert torch.equal(loaded.train_x[:, 0], loaded.train_x[:, 2])


def test_validation_images_of_tiny_imagenet_have_the_labels_of_its_annotations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("tiny-imagenet", tmp_path, monkeypatch)
    folder = tmp_path / "tiny-imagenet-200"
    lines = (folder / "val" / "val_annotations.txt").read_text().splitlines()
    (folder / "val" / "val_annotations.txt").write_text("\n".join(reversed(lines)))
    for index in range(20):
        Image.new("RGB", (64, 64), (index, 0, 0)).save(
            folder / "val" / "images" / f"val_{index}.JPEG"
        )
    loaded = data.load(Images(name="tiny-imagenet"), tmp_path)
    assert loaded.test_y.tolist() == [index % 10 for index in reversed(range(20))]
    assert loaded.test_x[0].float().mean() > loaded.test_x[-1].float().mean()


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in WRITERS
        if name not in ("qmnist", "cifar100-subset", "tiny-imagenet", "tiny-imagenet-20")
    ],
)
def test_a_file_with_another_checksum_is_named(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(name, tmp_path, monkeypatch)
    assert images.verify(name, tmp_path) == len(IMAGE_SETS[name].files)
    for file in IMAGE_SETS[name].files:
        path = tmp_path / file
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with pytest.raises(DataMissing) as raised:
            data.load(Images(name=name), tmp_path)
        assert f"data set {name}: {path} differs from the original (md5); delete it" in str(
            raised.value
        )
        path.write_bytes(before)
    data.load(Images(name=name), tmp_path)


class Planted:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a file with another checksum was unpickled",))


def test_a_pickle_that_is_not_the_original_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("cifar10", tmp_path, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Planted()))
    with pytest.raises(DataMissing, match="data_batch_3 differs"):
        data.load(Images(name="cifar10"), tmp_path)
    with pytest.raises(RuntimeError, match="corrupted"):
        readers.READERS["cifar10"].read(tmp_path, "train")


@NAMES
def test_every_file_that_is_missing_is_named(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(name, tmp_path, monkeypatch)
    for file in IMAGE_SETS[name].files:
        (tmp_path / file).rename(tmp_path / "away")
        with pytest.raises(DataMissing) as raised:
            data.load(Images(name=name), tmp_path)
        assert f"data set {name}: {file} is not in {tmp_path}; " in str(raised.value)
        assert "ODESWEEP_DATA" in str(raised.value)
        (tmp_path / "away").rename(tmp_path / file)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("qmnist", r"train-images-idx3-ubyte has 31,376 bytes, not 32,160; delete it, then get it"),
        ("cifar100-subset", r"cifar100-subset/train has 40 images, not 41; delete it, then"),
        ("tiny-imagenet", r"its train split has 40 images and 40 labels, not 41"),
        ("tiny-imagenet-20", r"tiny-imagenet-20/train has 40 images, not 41"),
    ],
)
def test_an_incomplete_set_says_how_much_there_is(
    name: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(name, tmp_path, monkeypatch)
    monkeypatch.setitem(IMAGE_SETS, name, IMAGE_SETS[name]._replace(train_size=41))
    with pytest.raises(DataMissing, match=says) as raised:
        data.load(Images(name=name), tmp_path)
    assert "\n" not in str(raised.value)


def test_images_that_are_damaged_or_of_another_size_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("cifar100-subset", tmp_path, monkeypatch)
    path = next((tmp_path / "cifar100-subset" / "train").rglob("*.png"))
    whole = path.read_bytes()
    for damage in (b"", b"no image", whole[: len(whole) // 2]):
        path.write_bytes(damage)
        with pytest.raises(DataMissing) as raised:
            data.load(Images(name="cifar100-subset"), tmp_path)
        assert f"{path} cannot be decoded" in str(raised.value)
    save(np.zeros((3, 20, 32), np.uint8), path)
    with pytest.raises(DataMissing, match="is 32x20, not 32x32"):
        data.load(Images(name="cifar100-subset"), tmp_path)


def test_only_sets_that_can_be_downloaded_say_so(tmp_path: Path) -> None:
    for name in IMAGE_SETS:
        with pytest.raises(DataMissing) as raised:
            data.load(Images.model_validate({"name": name}), tmp_path)
        assert ("odesweep data fetch" in str(raised.value)) == bool(readers.READERS[name].url)
        assert ("arrange its files as" in str(raised.value)) == (not readers.READERS[name].url)


def test_torchvisions_own_class_gives_the_same_mnist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("mnist", tmp_path, monkeypatch)
    loaded, theirs = (
        data.load(Images(name="mnist"), tmp_path),
        datasets.MNIST(tmp_path, train=False),
    )
    assert torch.equal(loaded.test_x[:, 0], theirs.data)
    assert torch.equal(loaded.test_y, theirs.targets)
    qmnist = write("qmnist", tmp_path, monkeypatch)
    theirs = datasets.QMNIST(tmp_path, what="test")
    assert [label for _, label in theirs] == qmnist["test_y"].tolist()
