"""Every image set as a few random images in the layout of its real files, with sizes and checksums
set to match.
"""

import hashlib
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from odecore.config.data import IMAGE_SETS
from odecore.data import readers

Arrays = dict[str, np.ndarray]


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def arrays(name: str, train: int, test: int, classes: int) -> Arrays:
    random = np.random.default_rng(0)
    sizes = {"train": train, "test": test}
    x = {
        f"{split}_x": random.integers(0, 256, (n, *IMAGE_SETS[name].shape), dtype=np.uint8)
        for split, n in sizes.items()
    }
    return x | {f"{split}_y": np.arange(n) % classes for split, n in sizes.items()}


def write(
    name: str,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    train: int = 40,
    test: int = 20,
    classes: int = 10,
) -> Arrays:
    """Write the set below `root`; the arrays that reading it must give."""
    monkeypatch.setitem(
        IMAGE_SETS,
        name,
        IMAGE_SETS[name]._replace(train_size=train, test_size=test, classes=classes, sizes={}),
    )
    return WRITERS[name](root, arrays(name, train, test, classes), monkeypatch)


def idx(path: Path, array: np.ndarray, kind: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    path.write_bytes(head + array.astype(np.uint8 if kind == 8 else ">i4").tobytes())


def mnist(name: str, folder: str) -> Callable[..., Arrays]:
    def writer(root: Path, found: Arrays, monkeypatch: pytest.MonkeyPatch) -> Arrays:
        for split, prefix in (("train", "train"), ("test", "t10k")):
            idx(root / folder / "raw" / f"{prefix}-images-idx3-ubyte", found[f"{split}_x"][:, 0], 8)
            idx(root / folder / "raw" / f"{prefix}-labels-idx1-ubyte", found[f"{split}_y"], 8)
        known = {file: md5(root / file) for file in IMAGE_SETS[name].files}
        monkeypatch.setitem(
            readers.READERS, name, readers.READERS[name]._replace(md5=lambda: known)
        )
        return found

    return writer


def qmnist(root: Path, found: Arrays, _monkeypatch: pytest.MonkeyPatch) -> Arrays:
    for split in ("train", "test"):
        labels = np.random.default_rng(1).integers(0, 1000, (len(found[f"{split}_y"]), 8))
        labels[:, 0] = found[f"{split}_y"]
        idx(
            root / "QMNIST" / "raw" / f"qmnist-{split}-images-idx3-ubyte",
            found[f"{split}_x"][:, 0],
            8,
        )
        idx(root / "QMNIST" / "raw" / f"qmnist-{split}-labels-idx2-int", labels, 12)
    return found


def svhn(root: Path, found: Arrays, monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """The digit 0 has the label 10 in the files."""
    root.mkdir(parents=True, exist_ok=True)
    listed: dict[str, Any] = {}
    for split in ("train", "test"):
        labels = np.where(found[f"{split}_y"] == 0, 10, found[f"{split}_y"]).astype(np.uint8)[
            :, None
        ]
        file = f"{split}_32x32.mat"
        savemat(root / file, {"X": found[f"{split}_x"].transpose(2, 3, 1, 0), "y": labels})
        listed[split] = [datasets.SVHN.split_list[split][0], file, md5(root / file)]
    monkeypatch.setattr(datasets.SVHN, "split_list", listed)
    return found


def cifar(dataset: type[datasets.CIFAR10], labels: str) -> Callable[..., Arrays]:
    """The training split in the same number of files as the real one."""

    def writer(root: Path, found: Arrays, monkeypatch: pytest.MonkeyPatch) -> Arrays:
        folder = root / dataset.base_folder
        folder.mkdir(parents=True, exist_ok=True)
        for part, split in (("train_list", "train"), ("test_list", "test")):
            listed = []
            files = [file for file, _ in getattr(dataset, part)]
            for index, file in enumerate(files):
                chosen = np.array_split(np.arange(len(found[f"{split}_y"])), len(files))[index]
                batch = {
                    "data": found[f"{split}_x"][chosen].reshape(len(chosen), -1),
                    labels: found[f"{split}_y"][chosen].tolist(),
                }
                (folder / file).write_bytes(pickle.dumps(batch))
                listed.append([file, md5(folder / file)])
            monkeypatch.setattr(dataset, part, listed)
        meta = folder / dataset.meta["filename"]
        meta.write_bytes(pickle.dumps({dataset.meta["key"]: [str(label) for label in range(10)]}))
        monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": md5(meta)})
        return found

    return writer


def image_folders(name: str, ending: str) -> Callable[..., Arrays]:
    """Files of one class are read together, so the order is by class."""

    def writer(root: Path, found: Arrays, _monkeypatch: pytest.MonkeyPatch) -> Arrays:
        for split, folder in zip(("train", "test"), IMAGE_SETS[name].files, strict=True):
            order = np.argsort(found[f"{split}_y"], kind="stable")
            found |= {
                f"{split}_x": found[f"{split}_x"][order],
                f"{split}_y": found[f"{split}_y"][order],
            }
            for index, (x, y) in enumerate(
                zip(found[f"{split}_x"], found[f"{split}_y"], strict=True)
            ):
                save(x, root / folder / f"class{y:02d}" / f"{index:04d}.{ending}")
        return decoded(found, ending)

    return writer


def tiny_imagenet(root: Path, found: Arrays, _monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """Classes in an order that is not that of their names; training images in order of class,
    validation images as they come.
    """
    folder = root / "tiny-imagenet-200"
    order = np.argsort(found["train_y"], kind="stable")
    found |= {"train_x": found["train_x"][order], "train_y": found["train_y"][order]}
    wnids = [f"n{99 - label:08d}" for label in range(found["train_y"].max() + 1)]
    for index, (x, y) in enumerate(zip(found["train_x"], found["train_y"], strict=True)):
        save(x, folder / "train" / wnids[y] / "images" / f"{wnids[y]}_{index:03d}.JPEG")
    for index, x in enumerate(found["test_x"]):
        save(x, folder / "val" / "images" / f"val_{index}.JPEG")
    lines = [
        f"val_{index}.JPEG\t{wnids[y]}\t0\t0\t63\t63\n" for index, y in enumerate(found["test_y"])
    ]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    (folder / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in wnids))
    return decoded(found, "JPEG")


def save(x: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x.transpose(1, 2, 0)).save(path, quality=95)


def decoded(found: Arrays, ending: str) -> Arrays:
    """JPEG of noise loses much: what is compared then are labels and, roughly, means."""
    return (
        found
        if ending == "png"
        else {name: array for name, array in found.items() if name.endswith("_y")}
    )


WRITERS: dict[str, Callable[..., Arrays]] = {
    "mnist": mnist("mnist", "MNIST"),
    "qmnist": qmnist,
    "fashion_mnist": mnist("fashion_mnist", "FashionMNIST"),
    "svhn": svhn,
    "cifar10": cifar(datasets.CIFAR10, "labels"),
    "cifar100": cifar(datasets.CIFAR100, "fine_labels"),
    "cifar100-subset": image_folders("cifar100-subset", "png"),
    "tiny-imagenet": tiny_imagenet,
    "tiny-imagenet-20": image_folders("tiny-imagenet-20", "JPEG"),
}
