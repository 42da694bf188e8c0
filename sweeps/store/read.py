"""Reading a table of the store while others write: no partial answers and no row twice."""

import errno
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from sweeps.errors import InfrastructureError
from sweeps.store.arrow_compute import pc
from sweeps.store.files import list_files
from sweeps.store.folders import Results
from sweeps.store.generations import Manifest, manifest_path, read_newest, relative, remedy
from sweeps.store.parquet import load, load_groups, load_large
from sweeps.store.schema import KEYS, PROBES, SCHEMAS, TABLES, SchemaError, schema_of

# Waited before each restart of a listing. An NFS client may still list a file that another one
# removed a few seconds ago.
RESTART_WAITS_SECONDS = (0.0, 0.1, 0.5, 2.0, 5.0)
# Rows of a generation's file that are read at once when each piece is shortened.
_PIECE_ROWS = 100_000
_Found = TypeVar("_Found")


def table_files(results: Results, table: str) -> tuple[list[Path], list[Path]]:
    """Every file of parts/ and merged/ that may hold rows of `table`, and the generation's files.

    Rows move from parts/ to merged/ to a generation, and the old files are removed afterwards.
    Listing in this order misses none.
    """
    found, manifest = new_files(results, table)
    return found, manifest.paths(results, table)


def new_files(results: Results, table: str) -> tuple[list[Path], Manifest]:
    """The files of parts/ and merged/ that the valid generation does not hold, and its manifest."""
    listed = [
        (folder, list_files(folder, ".parquet"))
        for folder in (results.parts(table), results.merged(table))
    ]
    manifest = read_newest(results)
    found: list[Path] = []
    for folder, names in listed:
        held = manifest.superseded.get(relative(results, folder), {})
        found += [folder / name for name in names if name not in held]
    return found, manifest


def newest(results: Results) -> Manifest:
    """The valid manifest.

    Raises the errors of `read_newest`, but starts again if the manifest was removed meanwhile.
    """
    return restarting(results, lambda: read_newest(results))


def read_new(
    results: Results,
    table: str,
    columns: Sequence[str],
    skip: Collection[Path] = (),
    ids: Sequence[str] | None = None,
    shorten: Callable[[pa.Table], pa.Table] | None = None,
) -> dict[Path, pa.Table]:
    """`columns` of every readable file of `table` that is not in `skip`.

    Of generations it reads only what may hold the sorted `ids`, if given. shorten: applied to each
    few row groups of a generation's file, so that memory never holds all that it drops. If a listed
    file is gone, listing starts again. After five restarts, and if the folder cannot be read, it
    raises InfrastructureError. It also does so for a damaged file of a generation, since so much
    depends on it.
    """
    # Files never change once they have a name, so what was read before a restart stays valid.
    known: dict[Path, pa.Table | None] = {}

    def look() -> dict[Path, pa.Table]:
        files, held = table_files(results, table)
        for path in [path for path in files if path not in skip and path not in known]:
            known[path] = load(path, SCHEMAS[table], columns)
        for path in [path for path in held if path not in skip and path not in known]:
            known[path] = (
                pa.concat_tables(map(shorten, _held_pieces(results, path, table, columns)))
                if shorten
                else load_held(results, path, SCHEMAS[table], columns, ids)
            )
        return {path: rows for path in (*files, *held) if (rows := known.get(path)) is not None}

    return restarting(results, look)


def load_held(
    results: Results,
    path: Path,
    schema: pa.Schema,
    columns: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
) -> pa.Table:
    """Load a generation's file as `load_large` does.

    If it is damaged, raises an InfrastructureError that says what to do.
    """
    with _held(results, path):
        return load_large(path, schema, columns, ids)


def load_held_groups(results: Results, path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """All of a generation's file, row group by row group; raises as `load_held`."""
    with _held(results, path):
        yield from load_groups(path, schema)


def _held_pieces(
    results: Results, path: Path, table: str, columns: Sequence[str]
) -> Iterator[pa.Table]:
    yield empty(SCHEMAS[table], columns)
    with _held(results, path):
        for rows in load_groups(path, SCHEMAS[table], columns, _PIECE_ROWS):
            yield rows
            pa.default_memory_pool().release_unused()


@contextmanager
def _held(results: Results, path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        manifest = read_newest(results)
        what_to_do = remedy(manifest_path(results, manifest.number), manifest)
        raise InfrastructureError(f"{path} is damaged ({error}); {what_to_do}") from None


def restarting(results: Results, read: Callable[[], _Found]) -> _Found:
    """The result of `read`.

    It starts again if a listed file is gone. After five restarts it raises InfrastructureError.
    """
    gone = None
    for wait_seconds in (0.0, *RESTART_WAITS_SECONDS):
        time.sleep(wait_seconds)
        try:
            return read()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESTALE):
                raise InfrastructureError(
                    f"cannot read {error.filename or results.path}: {error.strerror}; check "
                    "permissions and the disk"
                ) from None
            gone = error.filename or error
    _check_whole(results, str(gone))
    raise InfrastructureError(
        f"{results.path} changes faster than it can be read (last missing file: {gone}); try again "
        "when fewer workers are ending"
    )


def _check_whole(results: Results, gone: str) -> None:
    """Raise InfrastructureError if it names a file that the valid generation consists of."""
    with suppress(FileNotFoundError):
        manifest = read_newest(results)
        held = [path for table in TABLES for path in manifest.paths(results, table)]
        if missing := [path for path in held if str(path) in gone and not path.exists()]:
            path = manifest_path(results, manifest.number)
            raise InfrastructureError(
                f"{missing[0]}, which {path.name} names, is missing; {remedy(path, manifest)}"
            )


def read_table(
    results: Results,
    table: str,
    columns: Sequence[str] | None = None,
    ids: Collection[str] | None = None,
) -> pa.Table:
    """Rows of `table` sorted by (trial_id, attempt_id), each once, accepted or not.

    columns: all if None. ids: only these trials. Unreadable files are skipped with one warning
    each. Raises InfrastructureError for files of a newer version and if the folder cannot be read;
    SchemaError for columns that the table does not have.
    """
    schema, columns = schema_of(table), columns_of(table, columns)
    needed = list(dict.fromkeys([*columns, *KEYS[table], "finished_at"]))
    wanted = None if ids is None else sorted(ids)
    pieces = [empty(schema, needed), *read_new(results, table, needed, ids=wanted).values()]
    if wanted is not None:
        pieces = [
            piece.filter(pc.is_in(piece["trial_id"], value_set=pa.array(wanted, pa.string())))
            for piece in pieces
        ]
    return once_each(table, pieces).select(columns)


def columns_of(table: str, columns: Sequence[str] | None) -> list[str]:
    """The named columns of a table, all if None.

    Raises SchemaError for one that it does not have.
    """
    names = schema_of(table).names
    if unknown := [name for name in columns or () if name not in names]:
        raise SchemaError(
            f"table {table} has no column {', '.join(unknown)}; there are: {', '.join(names)}"
        )
    return names if columns is None else list(columns)


def once_each(table: str, pieces: Sequence[pa.Table]) -> pa.Table:
    """The rows of several files, sorted by the table's keys, without second copies.

    Second copies exist while a file is being merged. For each key (of a probe: each block of rows)
    the copy that finished first is kept, whole.
    """
    rows = pa.concat_tables(pieces)
    return rows.take(kept_rows(table, rows, [piece.num_rows for piece in pieces]))


def kept_rows(table: str, rows: pa.Table, lengths: Sequence[int]) -> pa.Array:
    """Indices of the rows that `once_each` keeps, in its order.

    lengths: of the files that form `rows`.
    """
    if table not in PROBES:
        return _first_indices(rows, KEYS[table], ("finished_at",))
    file = pa.chunked_array(
        [pa.repeat(pa.scalar(index, pa.int32()), length) for index, length in enumerate(lengths)],
        pa.int32(),
    )
    keys = [*KEYS[table], "finished_at", "file"]
    numbered = (
        rows.select(keys[:-1])
        .append_column("file", file)
        .append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    )
    blocks = numbered.group_by(keys, use_threads=False).aggregate([("row", "list")])
    kept = smallest(blocks, KEYS[table], ("finished_at", "file"))
    return pc.list_flatten(kept["row_list"]).combine_chunks()


def blocks(table: str, rows: pa.Table) -> pa.Table:
    """Of a probe's block of rows one; of other tables every row."""
    if table not in PROBES:
        return rows
    return rows.group_by(rows.column_names, use_threads=False).aggregate([])


def key_texts(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """These columns of each row as one text."""
    parts = [rows[name].cast(pa.string()).fill_null("") for name in names]
    joined = pc.binary_join_element_wise(*parts, "/")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def smallest(rows: pa.Table, by: Sequence[str], order: Sequence[str]) -> pa.Table:
    """For each combination of the columns `by`, the row that comes first in `order`.

    The result is sorted by `by`.
    """
    return rows.take(_first_indices(rows, by, order))


def _first_indices(rows: pa.Table, by: Sequence[str], order: Sequence[str]) -> pa.Array:
    indices = pc.sort_indices(
        rows.select([*by, *order]), sort_keys=[(name, "ascending") for name in (*by, *order)]
    )
    if rows.num_rows < 2:
        return indices
    changes = pa.array([False] * (rows.num_rows - 1))
    for name in by:
        column = rows[name].take(indices).combine_chunks()
        changes = pc.or_(changes, pc.not_equal(column[1:], column[:-1]))
    return indices.filter(pa.concat_arrays([pa.array([True]), changes]))


def empty(schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """A table with these columns and no rows."""
    fields = [schema.field(name) for name in columns]
    return pa.Table.from_arrays(
        [pa.nulls(0, field.type) for field in fields], schema=pa.schema(fields)
    )
