"""Reading image sets from their files, with checksums and downloads.

Readers are torchvision's except those for folders of images and Tiny-ImageNet.
Shapes: images (N, C, H, W), labels (N,).

Arrays are uint8 (N, C, H, W) and int64 (N,). Imports torchvision, so it is imported only when
something is read or downloaded.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from torchvision import datasets
from torchvision.datasets import mnist, utils

from odecore.config.data import IMAGE_SETS, Split

Arrays = tuple[np.ndarray, np.ndarray]

TINY_IMAGENET_URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
TINY_IMAGENET_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


class Reader(NamedTuple):
    """read: one split. md5: of files in the data folder, if known. url: of the download, or ""."""

    read: Callable[[Path, Split], Arrays]
    md5: Callable[[], Mapping[str, str]] = dict
    url: str = ""
    download: Callable[[Path], object] = lambda _root: None


def damaged_file(name: str, root: Path) -> str | None:
    """The first file of a set whose md5 is not the original's."""
    return next(
        (
            file
            for file, md5 in READERS[name].md5().items()
            if not utils.check_integrity(root / file, md5)
        ),
        None,
    )


def _idx(folder: str) -> Callable[[Path, Split], Arrays]:
    def read(root: Path, split: Split) -> Arrays:
        # The files themselves: torchvision's class would prefer a file of tensors that old versions
        # of it wrote, which has no checksum.
        start = f"{root}/{folder}/raw/{'train' if split == 'train' else 't10k'}"
        images, labels = (
            mnist.read_image_file(f"{start}-images-idx3-ubyte"),
            mnist.read_label_file(f"{start}-labels-idx1-ubyte"),
        )
        return images.unsqueeze(1).numpy(), labels.numpy()

    return read


def _qmnist(root: Path, split: Split) -> Arrays:
    """The labels are the first of eight numbers per image."""
    start = f"{root}/QMNIST/raw/qmnist-{split}"
    labels = mnist.read_sn3_pascalvincent_tensor(f"{start}-labels-idx2-int")
    return mnist.read_image_file(f"{start}-images-idx3-ubyte").unsqueeze(1).numpy(), labels[
        :, 0
    ].long().numpy()


def _download_qmnist(root: Path) -> None:
    for split in ("train", "test"):
        datasets.QMNIST(root, what=split, download=True)


def _svhn(root: Path, split: Split) -> Arrays:
    loaded = datasets.SVHN(root, split=split)
    return loaded.data, np.asarray(loaded.labels)


def _svhn_md5() -> dict[str, str]:
    return {
        datasets.SVHN.split_list[split][1]: datasets.SVHN.split_list[split][2]
        for split in ("train", "test")
    }


def _download_svhn(root: Path) -> None:
    for split in ("train", "test"):
        datasets.SVHN(root, split=split, download=True)


def _cifar(dataset: type[datasets.CIFAR10]) -> Reader:
    """CIFAR's batches are pickles. Only torchvision opens them, after comparing their checksums."""

    def read(root: Path, split: Split) -> Arrays:
        loaded: Any = dataset(root, train=split == "train")
        return loaded.data.transpose(0, 3, 1, 2), np.asarray(loaded.targets)

    def md5() -> dict[str, str]:
        listed = [
            *dataset.train_list,
            *dataset.test_list,
            (dataset.meta["filename"], dataset.meta["md5"]),
        ]
        return {f"{dataset.base_folder}/{file}": known for file, known in listed}

    return Reader(read, md5, dataset.url, lambda root: dataset(root, download=True))


def _image_folders(name: str) -> Callable[[Path, Split], Arrays]:
    """Classes are folders, in the order of their names."""

    def read(root: Path, split: Split) -> Arrays:
        folder = IMAGE_SETS[name].files[0 if split == "train" else 1]
        return _decode(datasets.ImageFolder(root / folder).samples, name)

    return read


def _tiny_imagenet(root: Path, split: Split) -> Arrays:
    """The layout of Stanford's archive; classes in the order of wnids.txt.

    The validation images are the test split: the test images have no labels.
    """
    folder = root / "tiny-imagenet-200"
    labels = {wnid: label for label, wnid in enumerate((folder / "wnids.txt").read_text().split())}
    if split == "train":
        samples = [
            (str(path), label)
            for wnid, label in labels.items()
            for path in sorted((folder / "train" / wnid / "images").glob("*.JPEG"))
        ]
    else:
        lines = [
            line.split("\t")
            for line in (folder / "val" / "val_annotations.txt").read_text().splitlines()
        ]
        samples = [
            (str(folder / "val" / "images" / file), labels[wnid]) for file, wnid, *_ in lines
        ]
    return _decode(samples, "tiny-imagenet")


def _download_tiny_imagenet(root: Path) -> None:
    """Extracted beside and renamed: half an archive must not look like a whole one."""
    beside = root / ".tiny-imagenet-200.extracted"
    utils.download_and_extract_archive(TINY_IMAGENET_URL, root, beside, md5=TINY_IMAGENET_MD5)
    (beside / "tiny-imagenet-200").rename(root / "tiny-imagenet-200")
    beside.rmdir()


def _decode(samples: list[tuple[str, int]], name: str) -> Arrays:
    """Some of Tiny-ImageNet's images are grey; they become RGB."""
    channels, height, width = IMAGE_SETS[name].shape
    images = np.empty((len(samples), channels, height, width), np.uint8)
    for index, (path, _) in enumerate(samples):
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
        # Damaged files raise whatever the format's decoder does, SyntaxError for PNG.
        except Exception as error:
            raise ValueError(f"{path} cannot be decoded: {error}") from None
        if pixels.shape != (height, width, channels):
            raise ValueError(f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, not {width}x{height}")
        images[index] = pixels.transpose(2, 0, 1)
    return images, np.array([label for _, label in samples], dtype=np.int64)


# Of the files as they are extracted; torchvision knows those of the archives.
MNIST_MD5 = {
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
FASHION_MNIST_MD5 = {
    "FashionMNIST/raw/train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "FashionMNIST/raw/train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "FashionMNIST/raw/t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "FashionMNIST/raw/t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}

READERS: dict[str, Reader] = {
    "mnist": Reader(
        _idx("MNIST"),
        lambda: MNIST_MD5,
        datasets.MNIST.mirrors[0],
        lambda root: datasets.MNIST(root, download=True),
    ),
    "qmnist": Reader(
        _qmnist, url=datasets.QMNIST.resources["train"][0][0], download=_download_qmnist
    ),
    "fashion_mnist": Reader(
        _idx("FashionMNIST"),
        lambda: FASHION_MNIST_MD5,
        datasets.FashionMNIST.mirrors[0],
        lambda root: datasets.FashionMNIST(root, download=True),
    ),
    "svhn": Reader(_svhn, _svhn_md5, datasets.SVHN.split_list["train"][0], _download_svhn),
    "cifar10": _cifar(datasets.CIFAR10),
    "cifar100": _cifar(datasets.CIFAR100),
    "tiny-imagenet": Reader(
        _tiny_imagenet, url=TINY_IMAGENET_URL, download=_download_tiny_imagenet
    ),
    # A set that is laid out by hand needs no reader of its own.
    **{
        name: Reader(_image_folders(name))
        for name, image_set in IMAGE_SETS.items()
        if image_set.layout
    },
}
