"""The time of the file system.

Machines that share a folder may have different clocks, but the file system has only one.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

# A smaller difference comes from the file system's own delays. Clocks may be set right meanwhile.
TOLERANCE_SECONDS, VALID_SECONDS = 5.0, 600.0
_behind: dict[Path, tuple[float, float]] = {}


def folder_clock(folder: Path) -> float:
    """Epoch seconds by the clock that dates the files in `folder`.

    Raises OSError if nothing can be written there.
    """
    probe = folder / f".{uuid4().hex}.tmp"
    try:
        # A file server uses its own time only when it writes.
        probe.write_bytes(b"0")
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def shared_time(folder: Path) -> float:
    """Epoch seconds on which all machines that use `folder` agree, whatever their clocks say.

    This machine's own time where it is right, or where nothing can be written.
    """
    at, behind = _behind.get(folder, (-VALID_SECONDS, 0.0))
    if time.monotonic() - at >= VALID_SECONDS:
        before = time.time()
        try:
            found = folder_clock(folder)
        except OSError:
            return time.time()
        behind = found - before if not _about(before, found, time.time()) else 0.0
        _behind[folder] = time.monotonic(), behind
    return time.time() + behind


def shared_now(folder: Path) -> datetime:
    """`shared_time` as a date."""
    return datetime.fromtimestamp(shared_time(folder), UTC)


def _about(before: float, found: float, after: float) -> bool:
    return before - TOLERANCE_SECONDS <= found <= after + TOLERANCE_SECONDS
