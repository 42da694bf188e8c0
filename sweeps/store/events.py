"""Events: what workers report while they run, as JSONL files.

Each file has one writer. Anyone can read new lines as they come.
"""

import json
import logging
import math
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeps.store.clock import shared_time
from sweeps.store.files import list_files, one_line, read_bytes
from sweeps.store.folders import Results, check_name
from sweeps.store.warn import warn_once

_LOG = logging.getLogger("odesweep")


class EventLog:
    """Appends to `events/<worker_id>.jsonl`.

    If a file may end in half a line, it goes on in `<worker_id>.<n>.jsonl`.
    """

    def __init__(self, results: Results, worker_id: str) -> None:
        self._folder = results.events
        self._worker_id = check_name(worker_id)
        self._descriptor: int | None = None
        self._number = 1
        results.create()

    def append(self, event: str, *, sync: bool = True, **fields: Any) -> bool:
        """Add one event.

        Returns True once the event is on disk (without `sync`: handed to the operating system). If
        the disk refuses, this is a warning and the result is False. Numbers that JSON cannot
        express (NaN, infinity) become null.
        """
        fields = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in fields.items()
        }
        head = {
            "at": shared_time(self._folder),
            "worker": self._worker_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "event": event,
        }
        line = json.dumps(fields | head, allow_nan=False).encode() + b"\n"
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            if os.write(self._descriptor, line) != len(line):
                raise OSError("only part of the line was written")
            if sync:
                os.fsync(self._descriptor)
        except OSError as error:
            _LOG.warning(
                "event %s of worker %s was not recorded: %s", event, self._worker_id, error
            )
            self._abandon()
            return False
        return True

    def close(self) -> None:
        """Close the file. The next append opens a new one."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _open(self) -> int:
        # Never a file that exists: its writer may have died within a line.
        while True:
            try:
                return os.open(
                    self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666
                )
            except FileExistsError:
                self._number += 1

    @property
    def _path(self) -> Path:
        return self._folder / (
            f"{self._worker_id}.jsonl"
            if self._number == 1
            else f"{self._worker_id}.{self._number}.jsonl"
        )

    def _abandon(self) -> None:
        """Leave the file after a failed append, since its last line may be torn.

        A file with no complete line is removed, so that a full disk does not collect such files.
        """
        with suppress(OSError):
            empty = self._descriptor is not None and os.fstat(self._descriptor).st_size == 0
            self.close()
            if empty:
                self._path.unlink(missing_ok=True)


class EventReader:
    """Reads all event files of a results folder, each line once.

    ends: the first `poll` reads of each file only the start of its worker, and all from the last
    start of a trial on. That says who works on what now, and how each worker began and ended.
    """

    def __init__(self, results: Results, *, ends: bool = False) -> None:
        self._folder, self._ends = results.events, ends
        self._offsets: dict[str, int] = {}

    def poll(self) -> list[dict[str, Any]]:
        """Events that were added since the last poll, oldest first.

        A last line without its end is read later. A line that is not an event is skipped with one
        warning. Raises InfrastructureError if the folder cannot be read.
        """
        events = self._all(lambda path: self._ends_of(path) if self._ends else self._new(path))
        self._ends = False
        return events

    def whole_since(self, since: float) -> list[dict[str, Any]]:
        """All events of the files that grew since then, in epoch seconds, oldest first.

        Those of earlier polls come again. Raises as `poll`.
        """
        again = EventReader(Results(self._folder.parent))
        return again._all(lambda path: again._new(path) if _changed_at(path) >= since else [])

    def _all(self, read: Callable[[Path], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        with one_line(f"cannot read {self._folder}", "check permissions and the disk"):
            names = list_files(self._folder, ".jsonl")
            events = [event for name in names for event in read(self._folder / name)]
        return sorted(events, key=lambda event: event["at"])

    def _new(self, path: Path) -> list[dict[str, Any]]:
        offset = self._offsets.get(path.name, 0)
        if _size(path) <= offset:
            return []
        return self._events(path, offset, _read_from(path, offset))

    def _events(self, path: Path, offset: int, data: bytes) -> list[dict[str, Any]]:
        """The events among the bytes that stand at `offset`; what follows them is read later."""
        lines = data.split(b"\n")[:-1]
        self._offsets[path.name] = offset + sum(len(line) + 1 for line in lines)
        return _parse_all(lines) or _parse_each(path, offset, lines)

    def _ends_of(self, path: Path) -> list[dict[str, Any]]:
        """The start of a file's worker, and the events from the last start of a trial on."""
        window, size = _WINDOW_BYTES, _size(path)
        while window < size:
            data = _read_from(path, size - window, window)
            start = _last_start(data)
            if start:
                head = _read_from(path, 0, _WINDOW_BYTES).partition(b"\n")[0]
                begun = [one for one in _parse_all([head]) if one["event"] == "worker_started"]
                return begun + self._events(path, size - window + start, data[start:])
            window *= 8
        return self._new(path)


def _last_start(data: bytes) -> int:
    """Where the last trial, or the last stack of trials, starts; 0 if that may be further back.

    Trials of a stack start in consecutive lines. The first line may be the end of one.
    """
    at = len(data)
    found = 0
    while (at := data.rfind(b"\n", 0, max(0, at - 1)) + 1) > 0:
        if _STARTED in data[at : data.find(b"\n", at)]:
            found = at
        elif found:
            return found
    return 0


# Holds the events of one trial of a few minutes.
_WINDOW_BYTES = 4096
_STARTED = b'"event": "started"'


def _read_from(path: Path, offset: int, length: int = -1) -> bytes:
    """The bytes of a file from there on; none if it is gone, or may not be read."""
    try:
        return read_bytes(path, offset, length)
    except FileNotFoundError:
        return b""
    except PermissionError as error:
        warn_once(str(path), f"skipped {path}: {error.strerror}")
        return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _parse_all(lines: list[bytes]) -> list[dict[str, Any]]:
    """Parse all lines in one call, at less than half the cost of one call per line.

    The result is empty if any line is not an event.
    """
    try:
        events = json.loads(b"[" + b",".join(lines) + b"]")
        whole = len(events) == len(lines) and all(map(_is_event, events))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return []
    return events if whole else []


def _is_event(event: dict[str, Any]) -> bool:
    """Whether it has what every event has; TypeError or KeyError for what is not even a dict."""
    texts = [event[name] for name in ("event", "worker", "host")]
    if event["event"] == "started":
        texts += [event["trial_id"], event["attempt_id"]]
    numbers = [event["at"], event["pid"], event.get("resume_iteration") or 0]
    numbers.append(event.get("iteration") or 0)
    return all(isinstance(text, str) for text in texts) and all(map(math.isfinite, numbers))


def _parse_each(path: Path, offset: int, lines: list[bytes]) -> list[dict[str, Any]]:
    """The events among lines that stand at `offset` of the file."""
    first = _read_from(path, 0, offset).count(b"\n") + 1
    parsed = (_parse(path, number, line) for number, line in enumerate(lines, first))
    return [event for event in parsed if event is not None]


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
        if not _is_event(event):
            raise TypeError("a field is missing")
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        warn_once(f"{path}:{number}", f"skipped line {number} of {path}: not an event")
        return None
    return event
