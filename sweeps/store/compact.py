"""Compaction: many files become few, a generation.

A generation is valid from the moment its manifest has its name. Memory is bounded. First only the
columns that identify rows are read, which decide which rows stay. Then the new files go batch by
batch into one new file. Larger files of the previous generation stay, smaller ones are merged into
the new file, so that each row is rewritten only a few times, however often a folder is compacted.

Nothing is deleted here. A generation lists the files that it replaces as superseded, so that
readers leave them out; `prune` deletes them later.
"""

import errno
import hashlib
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.errors import InfrastructureError
from sweeps.store.arrow_compute import pc
from sweeps.store.clock import folder_clock
from sweeps.store.compact_rows import (
    Source,
    Sources,
    expected_rows,
    look,
    staying,
)
from sweeps.store.files import list_folder, one_line, publish_first, publish_stream
from sweeps.store.folders import Results
from sweeps.store.generations import (
    DataFile,
    Manifest,
    manifest_numbers,
    manifest_path,
    relative,
)
from sweeps.store.parquet import file_version, load, load_groups
from sweeps.store.read import key_texts, load_held, load_held_groups, newest, restarting
from sweeps.store.schema import KEYS, PROBES, SCHEMAS, TABLES, VERSION, VERSION_KEY
from sweeps.store.to_python import values

# Few enough rows that one trial is found without reading much, and enough that columns compress and
# scan well.
ROW_GROUP_ROWS = {"runs": 5_000, "evaluations": 10_000} | dict.fromkeys(PROBES, 100_000)
# Rows of new files are sorted and written in batches of at most so many files or bytes: files of
# one row take far more memory than their rows.
_BATCH_FILES = 500
_BATCH_BYTES = 200_000_000
# A file of the generation before with more than so many times the rows to write stays as it is.
_KEEP_RATIO = 2


@dataclass(frozen=True)
class Compaction:
    """The result of `compact`.

    manifest: the valid generation now. made: whether this call made it. files: how many new files
    it contains. damaged: files that were left in place.
    """

    manifest: Manifest
    made: bool
    files: int
    damaged: int


def compact(results: Results, dry_run: bool = False) -> Compaction:
    """Put the new rows and those of the newest generation into a new generation.

    dry_run: only look. If several run at the same time, one wins and the others leave nothing
    behind. Raises InfrastructureError if something cannot be read or written. The old generation
    then stays valid.
    """
    base, sources, set_aside = restarting(results, lambda: look(results))
    files = sum(len(table.new) for table in sources.values())
    damaged = sum(table.damaged for table in sources.values())
    if dry_run or (not files and set_aside == base.set_aside):
        return Compaction(base, False, files, damaged)
    with one_line(f"cannot write a generation in {results.manifests}", "nothing was changed"):
        made = _publish(results, base, sources, set_aside)
    return Compaction(made or newest(results), made is not None, files, damaged)


def _publish(
    results: Results,
    base: Manifest,
    sources: Mapping[str, Sources],
    set_aside: tuple[str, ...],
) -> Manifest | None:
    """The new generation; None, with nothing left behind, if another compact was faster."""
    for table in TABLES:
        results.generations(table).mkdir(parents=True, exist_ok=True)
    at, by = folder_clock(results.manifests), f"{socket.gethostname()} process {os.getpid()}"
    made: list[Path] = []
    try:
        data = {table: _data_files(results, table, base, sources[table], made) for table in TABLES}
    except BaseException as error:
        _delete(made)
        if isinstance(error, FileNotFoundError) and newest(results).number > base.number:
            return None  # so much later that even the base is pruned
        raise
    manifest = Manifest(
        base.number + 1,
        base.number,
        at,
        by,
        data,
        _superseded(results, base, sources, data, at),
        set_aside,
    )
    path = manifest_path(results, manifest.number)
    # An error here leaves the data files, since the manifest may have its name already. `prune`
    # deletes files that no manifest names.
    won = publish_first(path, manifest.encode())
    if won and manifest_numbers(results)[-1] != manifest.number:
        # A number that was pruned meanwhile is free again. Taking it does not mean that this
        # compact won.
        _delete([path])
        won = False
    if not won:
        _delete(made)
    return manifest if won else None


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _data_files(
    results: Results, table: str, base: Manifest, sources: Sources, made: list[Path]
) -> tuple[DataFile, ...]:
    """The table's files in the new generation.

    Large ones of the last, one of all else, verified.
    """
    if not sources.new:
        return base.files.get(table, ())
    kept, merged = _split(table, base, sources)
    path = results.generations(table) / f"{uuid4().hex}.parquet"
    made.append(path)
    batches = _batches(results, table, merged, sources.new)
    written = _Written()
    publish_stream(path, lambda file: _write(file, table, batches, written))
    expected = expected_rows(table, [*merged, *sources.new])
    return (*kept, _verified(path, table, written, expected))


def _split(table: str, base: Manifest, sources: Sources) -> tuple[list[DataFile], list[Source]]:
    """Which files of the last generation stay as they are, and which go into the new one."""
    files = {file.name: file for file in base.files.get(table, ())}
    rows = sum(source.count for source in sources.new)
    kept: list[DataFile] = []
    merged: list[Source] = []
    for source in sorted(sources.held, key=lambda source: source.count):
        whole = source.kept is None and file_version(source.path) == VERSION
        if whole and source.count > _KEEP_RATIO * rows:
            kept.append(files[source.path.name])
        else:
            merged.append(source)
            rows += source.count
    return kept, merged


def _batches(
    results: Results, table: str, held: Sequence[Source], new: Sequence[Source]
) -> Iterator[pa.Table]:
    """The rows that stay, sorted within each batch."""
    for source in held:
        # A block of a probe may stand in several row groups; that one is replaced is rare.
        whole = source.kept is not None and table in PROBES
        start = 0
        for rows in (
            [load_held(results, source.path, SCHEMAS[table])]
            if whole
            else load_held_groups(results, source.path, SCHEMAS[table])
        ):
            yield staying(table, source, rows, start)
            start += len(rows)
    waiting: list[pa.Table] = []
    waiting_bytes = 0
    for source in new:
        try:
            rows = load(source.path, SCHEMAS[table])
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESTALE):
                raise
            # Its worker has merged it meanwhile. Its rows are in that file, listed here or not.
            source.gone = True
            continue
        if rows is None:
            raise InfrastructureError(
                f"{source.path} could be read a moment ago and now cannot; "
                f"nothing was changed, check the disk of {results.path}"
            )
        waiting.append(staying(table, source, rows))
        waiting_bytes += rows.nbytes
        if len(waiting) == _BATCH_FILES or waiting_bytes > _BATCH_BYTES:
            yield _sorted(table, waiting)
            waiting, waiting_bytes = [], 0
    if waiting:
        yield _sorted(table, waiting)


def _sorted(table: str, pieces: Sequence[pa.Table]) -> pa.Table:
    rows = pa.concat_tables(pieces)
    order = [(name, "ascending") for name in KEYS[table]]
    # Stable, so that the rows of a probe's block keep their order.
    numbered = rows.select(KEYS[table]).append_column("row", pa.array(range(len(rows)), pa.int64()))
    return rows.take(pc.sort_indices(numbered, sort_keys=[*order, ("row", "ascending")]))


class _Written:
    """How many rows were written, and a digest of their keys in order."""

    def __init__(self) -> None:
        self.rows = 0
        self.digest = hashlib.sha256()

    def add(self, table: str, rows: pa.Table) -> None:
        """Count rows that follow."""
        self.rows += len(rows)
        for text in values(key_texts(rows, KEYS[table])):
            self.digest.update(f"{text}\n".encode())


def _write(file: object, table: str, batches: Iterable[pa.Table], written: _Written) -> None:
    schema = SCHEMAS[table].with_metadata({VERSION_KEY: str(VERSION).encode()})
    group_rows = ROW_GROUP_ROWS[table]
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for rows in batches:
            written.add(table, rows)
            writer.write_table(rows, row_group_size=group_rows)


def _verified(path: Path, table: str, written: _Written, expected: int | None) -> DataFile:
    """The file as a manifest lists it, after every row was read back.

    expected: how many rows it was made from, where that is known. Raises InfrastructureError if one
    is missing.
    """
    there = _Written()
    try:
        for rows in load_groups(path, SCHEMAS[table]):
            there.add(table, rows)
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            f"{path} does not read back ({error}); nothing was changed, check the disk"
        ) from None
    expected = written.rows if expected is None else expected
    if there.rows != expected or there.digest.digest() != written.digest.digest():
        raise InfrastructureError(
            f"{path} does not hold every row it was made from ({there.rows} of {expected}); "
            "nothing was changed, check the disk"
        )
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return DataFile(path.name, written.rows, path.stat().st_size, checksum)


def _superseded(
    results: Results,
    base: Manifest,
    sources: Mapping[str, Sources],
    data: dict[str, tuple[DataFile, ...]],
    at: float,
) -> dict[str, dict[str, float]]:
    """Files that need not be read any more.

    The old ones that still exist, and those that this generation replaces.
    """
    found: dict[str, dict[str, float]] = {}
    for folder, names in base.superseded.items():
        there = set(list_folder(results.path / folder)) & set(names)
        found[folder] = {name: names[name] for name in sorted(there)}
    for table in TABLES:
        for source in sources[table].new:
            folder = relative(results, source.path.parent)
            found.setdefault(folder, {})[source.path.name] = at
        kept = {file.name for file in data[table]}
        for file in base.files.get(table, ()):
            if file.name not in kept:
                found.setdefault(relative(results, results.generations(table)), {})[file.name] = at
    if base.number:
        found.setdefault(relative(results, results.manifests), {})[
            manifest_path(results, base.number).name
        ] = at
    return found
