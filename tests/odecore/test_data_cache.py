"""The cache of decoded images: what it saves, when it is not believed, and what happens where it
cannot be.
"""

import json
import logging
import os
import pickle
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_images import write

from odecore import data
from odecore.config.data import IMAGE_SETS, Images
from odecore.data import cache, dataset, images, readers

NAME = "cifar100-subset"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set, and a cache of the test's own at tmp_path/cache."""
    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path / "cache"))
    write(NAME, tmp_path / "data", monkeypatch)
    cache._warn.cache_clear()  # pyright: ignore[reportPrivateUsage]
    return tmp_path / "data"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by the split each time one is read from its files."""
    found: list[str] = []
    reader = readers.READERS[NAME]

    def read(folder: Path, split: Any) -> readers.Arrays:
        found.append(split)
        return reader.read(folder, split)

    monkeypatch.setitem(readers.READERS, NAME, reader._replace(read=read))
    return found


def entry(tmp_path: Path) -> Path:
    [found] = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    return found


def test_files_are_read_once_and_then_mapped(root: Path, reads: list[str]) -> None:
    first, second = data.load(Images(name=NAME), root), data.load(Images(name=NAME), root)
    assert reads == ["train", "test"]
    assert first.sha256 == second.sha256
    assert np.array_equal(first.train_x, second.train_x)
    assert isinstance(images.whole(NAME, root).arrays["train_x"], np.memmap)
    assert data.load(Images(name=NAME, train_limit=20), root).sha256 != first.sha256
    assert reads == ["train", "test"]


def test_writing_to_what_was_loaded_changes_nothing_for_others(root: Path) -> None:
    first = data.load(Images(name=NAME), root)
    kept = first.train_x.clone()
    first.train_x.zero_()
    assert np.array_equal(data.load(Images(name=NAME), root).train_x, kept)


def test_the_hash_is_of_the_tensors_themselves(root: Path) -> None:
    stored = data.load(Images(name=NAME), root)
    assert stored.sha256 == dataset.sha256(
        [stored.train_x, stored.train_y, stored.test_x, stored.test_y]
    )


def test_changed_files_are_read_again(root: Path, reads: list[str]) -> None:
    before = data.load(Images(name=NAME), root)
    folder = next((root / NAME / "train").iterdir())
    first, second, *_ = sorted(folder.iterdir())
    first.rename(folder / "z.png")
    after = data.load(Images(name=NAME), root)
    assert reads == ["train", "test"] * 2
    assert before.sha256 != after.sha256
    second.unlink()
    with pytest.raises(data.DataMissing, match="has 39 images"):
        data.load(Images(name=NAME), root)


def test_a_key_changes_with_name_size_time_and_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345")
    keys = [cache.key(tmp_path, ("file",))]
    assert cache.key(tmp_path, ("file",)) == keys[0]
    os.utime(tmp_path / "file", ns=(1, 1))
    keys.append(cache.key(tmp_path, ("file",)))
    (tmp_path / "file").write_text("123456")
    os.utime(tmp_path / "file", ns=(1, 1))
    keys.append(cache.key(tmp_path, ("file",)))
    (tmp_path / "other").mkdir()
    (tmp_path / "file").rename(tmp_path / "other" / "file")
    keys += [
        cache.key(tmp_path / "other", ("file",)),
        cache.key(tmp_path, ("other/file",)),
        cache.key(tmp_path, ("other",)),
    ]
    assert len(set(keys)) == len(keys)


class Planted:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("something from the cache was unpickled",))


def damaged(path: Path, how: str) -> None:
    array = path / "train_x.npy"
    if how == "cut":
        array.write_bytes(array.read_bytes()[:-1])
    elif how == "gone":
        array.unlink()
    elif how == "pickle":
        array.write_bytes(pickle.dumps(Planted()))
    elif how == "objects":
        np.save(array, np.array([None] * 40), allow_pickle=True)
    elif how == "floats":
        np.save(array, np.zeros((40, *IMAGE_SETS[NAME].shape)))
    elif how == "label":
        np.save(path / "train_y.npy", np.full(40, 10))
    elif how == "facts":
        (path / "facts.json").write_text("{")


@pytest.mark.parametrize("how", ["cut", "gone", "pickle", "objects", "floats", "label", "facts"])
def test_a_damaged_entry_is_made_anew(
    how: str, root: Path, reads: list[str], tmp_path: Path
) -> None:
    before = data.load(Images(name=NAME), root).train_x.clone()
    damaged(entry(tmp_path), how)
    assert np.array_equal(before, data.load(Images(name=NAME), root).train_x)
    assert reads == ["train", "test"] * 2
    data.load(Images(name=NAME), root)
    assert reads == ["train", "test"] * 2


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """Larger files fail with EFBIG, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_warning_and_no_entry(
    root: Path, reads: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with files_at_most(10_000):
        first, second = data.load(Images(name=NAME), root), data.load(Images(name=NAME), root)
    assert first.sha256 == second.sha256
    assert reads == ["train", "test"] * 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot keep decoded images" in caplog.text
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_is_one_warning(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = root / "file"
    file.write_text("")
    monkeypatch.setenv("ODESWEEP_CACHE", str(file / "below"))
    for _ in range(2):
        assert len(data.load(Images(name=NAME), root).train_x) == 40
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        "no cache of decoded images"
    ]
    assert "ODESWEEP_CACHE" in caplog.text


@pytest.mark.parametrize("how", ["open to others", "a link"])
def test_a_folder_that_may_be_another_users_is_not_believed(
    how: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("ODESWEEP_CACHE")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"odesweep-cache-{os.getuid()}"
    if how == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    assert len(data.load(Images(name=NAME), root).train_x) == 40
    assert "is not a folder of yours alone" in caplog.text
    assert list(folder.iterdir()) == []


def test_the_folder_below_the_temporary_one_is_the_users_own(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODESWEEP_CACHE")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data.load(Images(name=NAME), root)
    folder = tmp_path / f"odesweep-cache-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    [found] = [path for path in folder.iterdir() if path.is_dir()]
    assert (
        json.loads((found / "facts.json").read_text())["sha256"]
        == data.load(Images(name=NAME), root).sha256
    )
