"""How files get into the store: whole or not at all.

This works on any POSIX file system, including NFS and Lustre.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.errors import InfrastructureError
from sweeps.store.schema import VERSION, VERSION_KEY
from sweeps.store.warn import warn_once

_FEW_ROWS = 100
# So often a file is opened again, whose handle turned out to be stale.
STALE_HANDLES = 3
# Only tests set this: the delay after which a new entry shows in a listing, as with the directory
# caches of network file systems.
_LATE_SECONDS = float(os.environ.get("ODESWEEP_TEST_LATE_ENTRIES_SECONDS", "0"))
_first_seen: dict[Path, float] = {}


def read_bytes(path: Path, offset: int = 0, length: int = -1) -> bytes:
    """The content of a file from `offset` on, at most `length` bytes if given. Raises OSError.

    A stale handle (ESTALE: the server replaced the file between open and read) is opened again.
    """
    for left in range(STALE_HANDLES, -1, -1):
        try:
            if not offset and length < 0:
                return path.read_bytes()
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            if error.errno != errno.ESTALE or not left:
                raise
    raise AssertionError


def list_folder(path: Path) -> list[str]:
    """Sorted names in a folder, hidden ones left out (files being written begin with a dot).

    Empty if there is no such folder.
    """
    return [entry.name for entry in _entries(path)]


def list_files(path: Path, suffix: str = "", prefix: str = "") -> list[str]:
    """The names of `list_folder` with this ending and beginning that are files, or links to files.

    Whatever else has such a name (a folder, a socket, a link to nothing) is skipped with one
    warning.
    """
    names = []
    for entry in _entries(path):
        if entry.name.endswith(suffix) and entry.name.startswith(prefix):
            if _is_file(entry):
                names.append(entry.name)
            else:
                warn_once(entry.path, f"skipped {entry.path}: not a file")
    return names


def _entries(path: Path) -> list[os.DirEntry[str]]:
    """The only place where the store lists anything."""
    try:
        with os.scandir(path) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    if _LATE_SECONDS:
        shown = [entry for entry in shown if _is_shown(path / entry.name)]
    return sorted(shown, key=lambda entry: entry.name)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        # A link in a circle, or through a folder that may not be read.
        return False


def _is_shown(path: Path) -> bool:
    # Old, or known to this process for long enough: a file that grows does not count as new each
    # time.
    try:
        changed_at = path.stat().st_ctime
    except FileNotFoundError:
        return False
    return time.time() - min(_first_seen.setdefault(path, time.time()), changed_at) >= _LATE_SECONDS


def publish_bytes(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Put `data` at `path`: write beside it, fsync, rename, fsync the folder.

    Readers see the whole file or nothing. If a file with the same content exists, this is success.
    Raises FileExistsError if its content differs, unless `replace`, and OSError if the disk
    refuses. Then nothing is left behind.
    """
    if not replace and path.exists():
        if _holds(path, data):
            _sync_folder(path.parent)
            return
        raise FileExistsError(
            errno.EEXIST, "another file with this name exists and has other content", str(path)
        )
    with _written_beside(path, lambda file: file.write(data)) as temporary:
        _rename(temporary, path, data)


def publish_stream(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file with `write` and put it at `path`, a name never used before.

    Otherwise as `publish_bytes`.
    """
    with _written_beside(path, write) as temporary:
        temporary.rename(path)


def publish_first(path: Path, data: bytes) -> bool:
    """Put `data` at `path` unless another caller was first: of all callers exactly one gets True.

    Raises OSError as `publish_bytes` does.
    """
    with _written_beside(path, lambda file: file.write(data)) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            # An NFS client that missed the server's reply to its own link gets the same error.
            return _holds(path, data)
        finally:
            temporary.unlink(missing_ok=True)
    return True


@contextmanager
def _written_beside(path: Path, write: Callable[[BinaryIO], object]) -> Iterator[Path]:
    """A hidden file beside `path`, written and fsynced.

    It is removed if the block fails. Afterwards the folder is fsynced.
    """
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _holds(path: Path, data: bytes) -> bool:
    return path.exists() and path.stat().st_size == len(data) and read_bytes(path) == data


def _rename(temporary: Path, path: Path, data: bytes) -> None:
    try:
        temporary.rename(path)
    except FileNotFoundError:
        # An NFS client that missed the server's reply sends the rename again and gets the error
        # that the source is gone.
        if not _holds(path, data):
            raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot fsync folders. The rename is then as durable as it can
        # be.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def publish_table(
    path: Path, table: pa.Table, metadata: Mapping[str, str] | None = None, *, replace: bool = False
) -> None:
    """Publish `table` as Parquet.

    `metadata` and the schema version go into the file's key-value metadata. Raises the errors of
    `publish_bytes`.
    """
    publish_bytes(path, encode_table(table, metadata), replace=replace)


def encode_table(table: pa.Table, metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of the Parquet file.

    Pages have checksums, so that readers notice a flipped bit.
    """
    pairs = {key.encode(): value.encode() for key, value in (metadata or {}).items()} | {
        VERSION_KEY: str(VERSION).encode()
    }
    # For a table of few rows nearly everything is overhead per column. Dictionaries, statistics and
    # zstd made reading one row twice as slow (measured).
    small = table.num_rows < _FEW_ROWS
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(pairs),
        sink,
        compression="snappy" if small else "zstd",
        use_dictionary=not small,
        write_statistics=not small,
        write_page_checksum=True,
    )
    return sink.getvalue().to_pybytes()


@contextmanager
def one_line(failed: str, consequence: str) -> Iterator[None]:
    """Turn an OSError inside into one line for the user.

    The line says what failed, the system's reason, and what that means.
    """
    try:
        yield
    except OSError as error:
        raise InfrastructureError(f"{failed}: {error.strerror or error}; {consequence}") from None
