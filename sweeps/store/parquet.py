"""Reading one Parquet file of the store into the newest schema.

Older versions are read, newer ones are refused, and unreadable files are skipped with one warning.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.errors import InfrastructureError, UserError
from sweeps.store.files import read_bytes
from sweeps.store.renamed import current_name, current_names
from sweeps.store.schema import VERSION, VERSION_KEY, filled_columns
from sweeps.store.warn import warn_once

_T = TypeVar("_T")
# What reading a file raises whose content is not what it should be.
_CONTENT = (ValueError, KeyError, pa.ArrowException)


def load(
    path: Path,
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
    leaves: Mapping[str, str] | None = None,
) -> pa.Table | None:
    """`columns` (all if None) of one file, in that order and with the types of the schema.

    leaves: column -> the Parquet path of the only part of it that the schema has.
    None, and one warning, if the file is not readable or not of this table. Raises
    InfrastructureError for a file of a newer schema version and, as whoever reads all columns may
    be about to write them again, for one with columns that the schema lacks when `columns` is None;
    OSError if the file system fails.
    """
    data = _bytes(path)
    if data is None:
        return None
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as parquet:
            version, present = _present(path, parquet, schema, columns)
            if leaves:
                present = [_there(parquet, leaves.get(name, name), name) for name in present]
            data = parquet.read(columns=present, use_threads=False)
            return _conform(data, _target(schema, columns), version, schema)
    except (OSError, *_CONTENT) as error:
        _warn_unreadable(path, error)
        return None


def _there(parquet: pq.ParquetFile, leaf: str, column: str) -> str:
    """The leaf if the file has it by that path, else the whole column."""
    names = range(parquet.metadata.num_columns)
    paths = {parquet.metadata.schema.column(index).path for index in names}
    return leaf if leaf in paths else column


def load_large(
    path: Path,
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
) -> pa.Table:
    """Like `load`, but reads only the bytes of `columns`.

    With sorted `ids` it reads only row groups that may hold one of these trials. Raises OSError
    with an errno if the file system fails, ValueError in one line if the file is damaged.
    """
    with _opened(path) as parquet:
        groups = [
            group
            for group in range(parquet.num_row_groups)
            if ids is None or _may_hold(parquet.metadata.row_group(group), ids)
        ]
        version, present = _present(path, parquet, schema, columns)
        data = parquet.read_row_groups(groups, columns=present)
        return _conform(data, _target(schema, columns), version, schema)


def load_groups(
    path: Path, schema: pa.Schema, columns: Sequence[str] | None = None, rows: int = 1
) -> Iterator[pa.Table]:
    """`columns` (all if None) of a file, one or more row groups after the other.

    rows: so many at once, or more. Raises as `load_large`.
    """
    # A buffer would keep the bytes of all groups until the file is closed.
    with _opened(path, pre_buffer=False) as parquet:
        version, present = _present(path, parquet, schema, columns)
        groups, waiting = list[int](), 0
        for group in range(parquet.num_row_groups):
            groups.append(group)
            waiting += parquet.metadata.row_group(group).num_rows
            if waiting >= rows or group == parquet.num_row_groups - 1:
                data = parquet.read_row_groups(groups, columns=present)
                yield _conform(data, _target(schema, columns), version, schema)
                groups, waiting = [], 0


def file_version(path: Path) -> int:
    """The schema version of a file. Raises as `load_large`."""
    with _opened(path) as parquet:
        return _check_version(path, parquet.metadata.metadata)


@contextmanager
def _opened(path: Path, *, pre_buffer: bool = True) -> Iterator[pq.ParquetFile]:
    try:
        with (
            pa.OSFile(str(path)) as file,
            pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=pre_buffer) as parquet,
        ):
            yield parquet
    except (OSError, *_CONTENT) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise ValueError(_first_line(error)) from None


def _present(
    path: Path, parquet: pq.ParquetFile, schema: pa.Schema, columns: Sequence[str] | None
) -> tuple[int, list[str]]:
    """The file's schema version, and which of its columns hold `columns`.

    Raises the errors of `load`.
    """
    version = _check_version(path, parquet.metadata.metadata)
    names = {current_name(name, version, schema): name for name in parquet.schema_arrow.names}
    if lacking := [name for name in filled_columns(schema) if name not in names]:
        raise ValueError(f"a file of this table has {', '.join(lacking)}")
    if columns is None and (unknown := sorted(set(names) - set(schema.names))):
        raise InfrastructureError(
            f"{path} has columns that this odesweep does not know: {', '.join(unknown)}; upgrade "
            "odesweep"
        )
    wanted = set(schema.names if columns is None else columns)
    return version, [name for current, name in names.items() if current in wanted]


def _target(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    return pa.schema(
        [schema.field(name) for name in (schema.names if columns is None else columns)]
    )


def _may_hold(group: pq.RowGroupMetaData, ids: Sequence[str]) -> bool:
    column = next(
        (
            candidate
            for index in range(group.num_columns)
            if (candidate := group.column(index)).path_in_schema == "trial_id"
        ),
        None,
    )
    if column is None or column.statistics is None or not column.statistics.has_min_max:
        return True
    position = bisect_left(ids, column.statistics.min)
    return position < len(ids) and ids[position] <= column.statistics.max


def load_metadata(path: Path) -> dict[str, str] | None:
    """The file's key-value metadata as text, without reading its rows.

    None and errors as in `load`.
    """
    data = _bytes(path)
    if data is None:
        return None
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as parquet:
            pairs = parquet.metadata.metadata
            _check_version(path, pairs)
            return {
                key.decode(): value.decode()
                for key, value in pairs.items()
                if key not in (VERSION_KEY, b"ARROW:schema")
            }
    except (OSError, *_CONTENT) as error:
        _warn_unreadable(path, error)
        return None


def _bytes(path: Path) -> bytes | None:
    """The file's content; None, and one warning, for a file that may not be read.

    OSError if the file system fails.

    Read before it is parsed: what fails here is the file system, what fails later is the content.
    """
    try:
        return read_bytes(path)
    except PermissionError as error:
        _warn_unreadable(path, error)
        return None


def required(path: Path, missing: str, read: Callable[..., _T | None], *arguments: Any) -> _T:
    """The result of `read` (`load` or `load_metadata`) for this file.

    Raises UserError(missing) if there is no file, InfrastructureError if it cannot be read.
    """
    try:
        content = read(path, *arguments)
    except FileNotFoundError:
        raise UserError(missing) from None
    except OSError as error:
        raise InfrastructureError(
            f"cannot read {path}: {error.strerror}; check permissions and the disk"
        ) from None
    if content is None:
        raise InfrastructureError(
            f"cannot read {path}: not a readable Parquet file of this store; remove it and make it "
            "again"
        )
    return content


def _warn_unreadable(path: Path, error: Exception) -> None:
    warn_once(
        str(path),
        f"skipped {path}: not a readable Parquet file of this store ({_first_line(error)}); what "
        "it held counts as missing",
    )


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_version(path: Path, metadata: dict[bytes, bytes] | None) -> int:
    """The schema version that the file states. Raises the errors of `load`."""
    version = int((metadata or {}).get(VERSION_KEY, b"0"))
    if version < 1:
        raise ValueError(f"no {VERSION_KEY.decode()} in its metadata")
    if version > VERSION:
        raise InfrastructureError(
            f"{path} has results schema version {version}, this odesweep reads up to version "
            f"{VERSION}; upgrade odesweep or use other --results"
        )
    return version


def _conform(data: pa.Table, target: pa.Schema, version: int, schema: pa.Schema) -> pa.Table:
    if version < VERSION:
        data = current_names(data, version, schema)
    _check_filled(data, schema)
    if data.schema.equals(target):
        return data.replace_schema_metadata(None)
    lacking = set(target.names) - set(data.column_names)
    arrays = [
        pa.nulls(data.num_rows, field.type)
        if field.name in lacking
        else data[field.name].cast(field.type)
        for field in target
    ]
    return pa.table(arrays, schema=target)


def _check_filled(data: pa.Table, schema: pa.Schema) -> None:
    """Raises ValueError for a row without what identifies it."""
    for name in filled_columns(schema):
        if name in data.column_names and data[name].null_count:
            raise ValueError(f"rows without {name}")
