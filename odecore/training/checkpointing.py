"""Checkpoints: written atomically, two kept, with the content's hash in the file name.

Damage is seen before a file is loaded.

One folder per attempt, written and removed by that attempt only; a resume reads the furthest valid
one of any attempt of the trial.
torch is imported where it is used: whoever only looks how far a trial got, or removes a folder,
does not need it.
"""

import errno
import hashlib
import io
import logging
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

LOG = logging.getLogger("odesweep")
KEPT = 2


def save(folder: Path, iteration: int, state: dict[str, Any]) -> Path:
    """Write `state` (tensors and plain data) and keep the newest two. Raises OSError on failure."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getbuffer()
    digest = hashlib.sha256(data).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{iteration:012d}-{digest}.pt"
    unfinished = folder / f".{path.name}.tmp"
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    # Equal iterations sort by hash: the one just written must survive, so it is taken out of the
    # list of the old ones.
    for old in sorted((p for p in folder.glob("*.pt") if p != path), reverse=True)[KEPT - 1 :]:
        old.unlink(missing_ok=True)
    return path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
    return path.read_bytes()  # the handle was stale, the file may be well


def _valid(path: Path) -> dict[str, Any] | None:
    import torch

    try:
        data = _read(path)
        if hashlib.sha256(data).hexdigest()[:16] != path.stem.partition("-")[2]:
            raise ValueError("its content does not match its name")
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None  # rotated away by its own attempt just now
    except Exception as error:
        LOG.warning("checkpoint %s is damaged (%s); falling back to an older one", path, error)
        return None


def furthest(*trial_folders: Path, ignored: Collection[str] = ()) -> dict[str, Any] | None:
    """The valid checkpoint with the most iterations below `trial_folders`, or None.

    Attempts in `ignored` do not count.
    """
    for path in _newest_first(trial_folders, ignored):
        state = _valid(path)
        if state is not None:
            return state
    return None


def furthest_iteration(*trial_folders: Path, ignored: Collection[str] = ()) -> int:
    """Iterations of the furthest checkpoint by file name, 0 without one.

    It is cheap: it tells whether an attempt made progress.
    """
    return max(
        (int(p.stem.partition("-")[0]) for p in _newest_first(trial_folders, ignored)), default=0
    )


def _newest_first(trial_folders: Sequence[Path], ignored: Collection[str]) -> list[Path]:
    paths = [
        path
        for folder in trial_folders
        for path in folder.glob("*/*.pt")
        if path.parent.name not in ignored
    ]
    return sorted(
        paths, key=lambda path: (path.name.partition("-")[0], _written_at(path)), reverse=True
    )


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # rotated away by its own attempt just now


def remove(folder: Path) -> None:
    """Remove one attempt's checkpoints, and the trial's folder when that leaves it empty."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError:
        return  # another attempt of the same trial still has its own
