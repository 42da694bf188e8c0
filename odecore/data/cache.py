"""Decoded image sets as memory-mapped .npy files: read once per node, shared by processes.

There is one folder per node. Nothing is unpickled. Shapes: images (N, C, H, W), labels (N,).

The folder is ODESWEEP_CACHE, else one of the user's own below the temporary folder. It can be
removed at any time.
"""

import fcntl
import functools
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LOG = logging.getLogger("odesweep")
# Part of every key: goes up when what is stored changes.
REVISION = 1
PARTS = ("train_x", "train_y", "test_x", "test_y")


class Stored(NamedTuple):
    """arrays by name: images uint8 (N, C, H, W), labels int64 (N,). facts: more, as JSON."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


def key(root: Path, files: tuple[str, ...]) -> str:
    """Fingerprint of the files: names, sizes and times.

    Of a folder of images: names and times of all folders in it, and their numbers of files.

    Caveat: an image that is overwritten in place changes no folder's time, so it is not noticed.
    """
    seen: list[Any] = [REVISION, str(root.resolve())]
    for name in files:
        status = (root / name).stat()
        if not stat.S_ISDIR(status.st_mode):
            seen.append([name, status.st_size, status.st_mtime_ns])
        for folder, folders, inside in os.walk(root / name) if stat.S_ISDIR(status.st_mode) else ():
            folders.sort()
            seen.append(
                [os.path.relpath(folder, root), len(inside), Path(folder).stat().st_mtime_ns]
            )
    return hashlib.blake2b(json.dumps(seen).encode(), digest_size=8).hexdigest()


def load(
    name: str, read: Callable[[], Stored], check: Callable[[dict[str, np.ndarray]], None]
) -> Stored:
    """The entry `name`; `read` makes it when it is absent or damaged.

    One process makes it while others wait. Without a usable folder the result is read directly.

    check: raises ValueError for arrays that cannot be right. What comes from the folder is mapped;
    writing to it never reaches the files.
    """
    try:
        folder = _folder()
        if (stored := _open(folder / name, check)) is not None:
            return stored
        with _alone(folder / f"{name}.lock") as alone:
            if (stored := _open(folder / name, check)) is not None:
                return stored
            made, why = read(), None
            try:
                _publish(folder / name, made, alone)
            except OSError as error:
                # Without the name of a temporary file, so that the warning is the same one each
                # time.
                why = error.strerror or error
            if (stored := _open(folder / name, check)) is not None:
                return stored
            _warn(
                f"cannot keep decoded images in {folder} ({why}); every process reads them again. "
                "Name another folder with ODESWEEP_CACHE"
            )
            return made
    except _Unusable as error:
        _warn(
            f"no cache of decoded images ({error}); every process reads them again. "
            "Name another folder with ODESWEEP_CACHE"
        )
        return read()


class _Unusable(Exception):
    """There is no folder to keep anything in."""


@functools.cache
def _warn(text: str) -> None:
    LOG.warning("%s", text)


def _folder() -> Path:
    named = os.environ.get("ODESWEEP_CACHE")
    path = Path(named) if named else Path(tempfile.gettempdir()) / f"odesweep-cache-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, parents=bool(named), exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise _Unusable(error) from None
    # Below the temporary folder anybody could have made it first, with data of their choice.
    if not named and (
        not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077
    ):
        raise _Unusable(f"{path} is not a folder of yours alone")
    return path


def _open(entry: Path, check: Callable[[dict[str, np.ndarray]], None]) -> Stored | None:
    """None when it is absent or not as it should be."""
    try:
        # Mapped copy-on-write: the pages are shared as those of a read-only mapping, and torch
        # takes it.
        arrays = {
            part: np.load(entry / f"{part}.npy", mmap_mode="c", allow_pickle=False)
            for part in PARTS
        }
        facts = json.loads((entry / "facts.json").read_text())
        check(arrays)
    except (OSError, ValueError, EOFError):
        return None
    return Stored(arrays, facts)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Take an exclusive lock; false where the file system has no locks.

    The lock ends with the process that holds it.
    """
    try:
        file = path.open("w")
    except OSError as error:
        raise _Unusable(error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True


def _publish(entry: Path, made: Stored, alone: bool) -> None:
    """Write to a temporary folder and rename it to `entry`. Without locks the first one stays."""
    if alone:
        for left in (*entry.parent.glob(f".{entry.name}.*"), entry):
            shutil.rmtree(left, ignore_errors=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    try:
        for part in PARTS:
            with (beside / f"{part}.npy").open("wb") as file:
                np.save(file, made.arrays[part], allow_pickle=False)
                _to_disk(file)
        with (beside / "facts.json").open("w") as file:
            json.dump(made.facts, file)
            _to_disk(file)
        beside.rename(entry)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _to_disk(file: Any) -> None:
    # A machine that goes down must not leave files of the right size and without content behind the
    # new name.
    file.flush()
    os.fsync(file.fileno())
