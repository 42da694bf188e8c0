"""Image sets: generated ones, stratified subsets, hashes that stay what they were, and the real
files where they are.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_images import write

from odecore import data
from odecore.config.data import IMAGE_SETS, Images
from odecore.data import DataMissing
from odecore.data.images import stratified

NAMES = pytest.mark.parametrize("name", list(IMAGE_SETS))
# Of the tensors as the first version loaded them: rows of any time can be compared.
SHA256 = {
    "mnist": "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b",
    "cifar10": "9048fcbac9c08a64d57a7c5a5a66750a974ad4eab380914df129f7e223d823df",
}
LIMITED_SHA256 = {
    "mnist": "84f8f9d896e30983d9e05fe9d75efbb02da1520c8707cff363c946d70b2c3c76",
    "cifar10": "2a3033dd7cbc0a97898a7adc63415a01bf04a31ed00f1f0aab169d7f847f9c89",
}
GENERATED_SHA256 = {
    "mnist": "026839d9c93e0c2b8ab2c6f39d35b1ac56567d4ae570332d8ea34079621a1b2e",
    "cifar10": "16400d6dde5a243bd59bce5ea637cbc94e3eab218e38daaac959982765b9dafe",
}


@NAMES
def test_generated_images(name: Any) -> None:
    known = IMAGE_SETS[name]
    loaded = data.load(Images(name=name, source="generated"), None)
    assert loaded.train_x.shape == (2000, *known.shape)
    assert loaded.test_x.shape == (500, *known.shape)
    assert loaded.train_x.dtype == torch.uint8
    assert loaded.train_y.bincount().tolist() == [2000 // known.classes] * known.classes
    assert loaded.sha256 == GENERATED_SHA256.get(name, loaded.sha256)
    limited = data.load(Images(name=name, source="generated", train_limit=37, test_limit=25), None)
    assert (len(limited.train_x), len(limited.test_x)) == (37, 25)
    counts = limited.train_y.bincount(minlength=known.classes)
    assert counts.max() - counts.min() <= 1
    assert limited.sha256 != loaded.sha256
    assert (
        data.load(Images(name=name, source="generated", train_limit=37, test_limit=25), None).sha256
        == limited.sha256
    )


@pytest.mark.parametrize("name", ["mnist", "svhn", "cifar100-subset"])
def test_generated_classes_can_be_told_apart(name: Any) -> None:
    loaded = data.load(Images(name=name, source="generated"), None)
    flat, test = loaded.inputs(loaded.train_x).flatten(1), loaded.inputs(loaded.test_x).flatten(1)
    means = torch.stack(
        [flat[loaded.train_y == label].mean(dim=0) for label in range(IMAGE_SETS[name].classes)]
    )
    accuracy = (torch.cdist(test, means).argmin(dim=1) == loaded.test_y).float().mean()
    assert accuracy > 0.9


def test_augmentation_changes_what_a_model_sees_and_not_what_is_stored() -> None:
    config = Images(name="cifar10", source="generated", train_limit=20, test_limit=20)
    plain, resized = (
        data.load(config, None),
        data.load(config.model_copy(update={"augment": "resize32_crop28"}), None),
    )
    assert plain.sha256 == resized.sha256
    assert resized.inputs(resized.test_x).shape == (20, 3, 28, 28)


def test_inputs_of_images_are_between_0_and_1() -> None:
    loaded = data.load(
        Images(name="mnist", source="generated", train_limit=20, test_limit=20), None
    )
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
    with pytest.raises(
        DataMissing, match="train_limit = 50 needs 5 images of class 0, there are 4"
    ):
        stratified(labels, 50, 10, "mnist train_limit")


@NAMES
def test_without_a_folder_it_says_how_to_name_one(name: Any) -> None:
    with pytest.raises(
        DataMissing,
        match=rf"data set {name}: no data folder is given; .*--data-root or ODESWEEP_DATA",
    ):
        data.load(Images(name=name), None)


@NAMES
def test_an_empty_folder_is_named(name: Any, tmp_path: Path) -> None:
    with pytest.raises(DataMissing) as raised:
        data.load(Images(name=name), tmp_path)
    message = str(raised.value)
    assert f"{IMAGE_SETS[name].files[0]} is not in {tmp_path}" in message
    assert "ODESWEEP_DATA" in message
    assert "\n" not in message


def test_a_subset_is_drawn_from_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path / "cache"))
    images = write("mnist", tmp_path, monkeypatch)["train_x"]
    loaded = data.load(Images(name="mnist"), tmp_path)
    limited = data.load(Images(name="mnist", train_limit=20, test_limit=10), tmp_path)
    assert limited.train_y.bincount().tolist() == [2] * 10
    assert limited.test_y.bincount().tolist() == [1] * 10
    assert limited.sha256 != loaded.sha256
    chosen = stratified(loaded.train_y, 20, 10)
    assert torch.equal(limited.train_x, torch.from_numpy(images)[chosen])
    with pytest.raises(DataMissing, match="limit = 50 needs 5 images of class 0, there are 4"):
        stratified(loaded.train_y, 50, 10)


REAL = {
    "mnist": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    "fashion_mnist": [1000] * 10,
    "cifar10": [1000] * 10,
    "cifar100-subset": [10] * 100,
    "tiny-imagenet-20": [50] * 20,
}


@pytest.mark.parametrize(("name", "test_counts"), list(REAL.items()))
def test_the_real_files(name: Any, test_counts: list[int], data_root: Path) -> None:
    known = IMAGE_SETS[name]
    loaded = data.load(Images(name=name), data_root)
    assert loaded.train_x.shape == (known.train_size, *known.shape)
    assert loaded.test_x.shape == (known.test_size, *known.shape)
    assert (loaded.train_x.dtype, loaded.train_y.dtype) == (torch.uint8, torch.int64)
    assert loaded.test_y.bincount().tolist() == test_counts
    if name != "mnist":
        assert (
            loaded.train_y.bincount().tolist()
            == [known.train_size // known.classes] * known.classes
        )
    assert loaded.sha256 == SHA256.get(name, loaded.sha256)
    if name in LIMITED_SHA256:
        assert (
            data.load(Images(name=name, train_limit=1000, test_limit=100), data_root).sha256
            == LIMITED_SHA256[name]
        )


def test_real_classes_are_in_the_order_of_their_names(data_root: Path) -> None:
    loaded = data.load(Images(name="cifar100-subset"), data_root)
    for label, folder in ((0, "apple"), (99, "worm")):
        files = sorted((data_root / "cifar100-subset" / "test" / folder).iterdir())
        with Image.open(files[0]) as image:
            first = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        assert torch.equal(loaded.test_x[10 * label], first)
        assert loaded.test_y[10 * label] == label
