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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.errors import InfrastructureError
from sweeps.store.accept import (
    RUN_COLUMNS,
    accept_runs,
    attempt_key,
    final_runs,
    standing_runs,
)
from sweeps.store.arrow_compute import pc
from sweeps.store.clock import folder_clock
from sweeps.store.files import list_folder, one_line, publish_first, publish_stream
from sweeps.store.folders import Results
from sweeps.store.generations import (
    DataFile,
    Manifest,
    manifest_numbers,
    manifest_path,
    read_newest,
    relative,
)
from sweeps.store.parquet import file_version, load, load_groups
from sweeps.store.read import (
    empty,
    load_held,
    load_held_groups,
    newest,
    once_each,
    restarting,
    table_files,
)
from sweeps.store.retractions import read_retractions
from sweeps.store.schema import KEYS, SCHEMAS, TABLES, VERSION, VERSION_KEY
from sweeps.store.to_python import values

# Few enough rows that one trial is found without reading much, and enough that columns compress and
# scan well.
ROW_GROUP_ROWS = {"runs": 1_000, "evaluations": 10_000} | {
    table: 100_000 for table in TABLES if table.startswith("probe_")
}
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


@dataclass
class _Source:
    """A file whose rows a generation will hold.

    heads: what identifies its rows, as `_heads` gives it, until `_choose` has used it. count: how
    many heads it has. kept: which of them stay, as truth values, None for all.
    """

    path: Path
    heads: Any
    count: int
    kept: Any = None


@dataclass
class _Sources:
    """The files of one table.

    New ones, those of the generation before, and how many are damaged.
    """

    new: list[_Source] = field(default_factory=list)
    held: list[_Source] = field(default_factory=list)
    damaged: int = 0


def compact(results: Results, dry_run: bool = False) -> Compaction:
    """Put the new rows and those of the newest generation into a new generation.

    dry_run: only look. If several run at the same time, one wins and the others leave nothing
    behind. Raises InfrastructureError if something cannot be read or written. The old generation
    then stays valid.
    """
    base, sources, set_aside = restarting(results, lambda: _look(results))
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
    sources: Mapping[str, _Sources],
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


def _look(results: Results) -> tuple[Manifest, dict[str, _Sources], tuple[str, ...]]:
    """The valid generation, the files of each table, and the final runs that are not accepted."""
    base = read_newest(results)
    set_aside: tuple[str, ...] = ()
    sources: dict[str, _Sources] = {}
    for table in TABLES:
        new, damaged = _survey(table, table_files(results, table)[0])
        held = {
            path: load_held(results, path, SCHEMAS[table], _columns(table))
            for path in base.paths(results, table)
        }
        if table == "runs":
            set_aside = _set_aside(results, base, held, new)
        sources[table] = _Sources(_hashed(table, new), _hashed(table, held), damaged)
    if read_newest(results) != base:
        raise FileNotFoundError(errno.ENOENT, "another compact was faster", str(results.manifests))
    for table in TABLES:
        # Parts last: one that its worker merges meanwhile goes, and then no row may depend on it.
        new = sorted(sources[table].new, key=lambda one: one.path.parent == results.parts(table))
        _choose([*sources[table].held, *new])
    return base, sources, set_aside


def _columns(table: str) -> list[str]:
    return list(RUN_COLUMNS) if table == "runs" else [*KEYS[table], "finished_at"]


def _survey(table: str, paths: Sequence[Path]) -> tuple[dict[Path, pa.Table], int]:
    """The columns that identify the rows of each readable file, and how many files are damaged."""
    found: dict[Path, pa.Table] = {}
    damaged = 0
    for path in paths:
        # Whole, so that a damaged file is known before it is counted on.
        rows = load(path, SCHEMAS[table])
        if rows is None:
            damaged += 1
        else:
            found[path] = _blocks(table, rows.select(_columns(table)))
    return found, damaged


def _blocks(table: str, rows: pa.Table) -> pa.Table:
    """Of a probe's block of rows one; of other tables every row."""
    if not table.startswith("probe_"):
        return rows
    return rows.group_by(rows.column_names, use_threads=False).aggregate([])


def _hashed(table: str, files: dict[Path, pa.Table]) -> list[_Source]:
    """The files with their heads; empties `files` on the way, to keep one copy in memory."""
    sources: list[_Source] = []
    for path in list(files):
        rows = _blocks(table, files.pop(path))
        sources.append(_Source(path, _heads(table, rows), len(rows)))
    return sources


def _heads(table: str, rows: pa.Table) -> Any:
    """The identity of each row in 24 bytes, (N, 3).

    128 bits of a hash of its key, and the time when it finished.
    """
    texts = values(_texts(rows, KEYS[table]))
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    finished = rows["finished_at"].cast(pa.int64()).to_numpy()
    return np.column_stack([np.frombuffer(digests, np.int64).reshape(-1, 2), finished])


def _set_aside(
    results: Results, base: Manifest, held: Mapping[Path, pa.Table], new: Mapping[Path, pa.Table]
) -> tuple[str, ...]:
    """The final runs that are not accepted, as sorted "trial/attempt"."""
    pieces = [empty(SCHEMAS["runs"], RUN_COLUMNS), *held.values(), *new.values()]
    rows = once_each("runs", pieces)
    standing = standing_runs(base, list(held.values()))
    accepted = accept_runs(rows, read_retractions(results).attempt_ids, standing)
    final = attempt_key(final_runs(rows, ()))
    aside = final.filter(pc.invert(pc.is_in(final, value_set=attempt_key(accepted))))
    return tuple(sorted(values(aside)))


def _choose(sources: Sequence[_Source]) -> None:
    """Mark which heads stay.

    Of one key the copy that finished first, of the first file that has it.
    """
    if not sources:
        return
    first_hash, second_hash, finished = np.concatenate([one.heads for one in sources]).T
    order = np.lexsort((finished, second_hash, first_hash))  # stable: files stay in their order
    copies = (np.diff(first_hash[order]) == 0) & (np.diff(second_hash[order]) == 0)
    kept = np.ones(len(order), bool)
    kept[order[1:][copies]] = False
    ends = np.cumsum([one.count for one in sources])
    for source, stay in zip(sources, np.split(kept, ends[:-1]), strict=True):
        source.heads = None
        source.kept = None if stay.all() else stay


def _data_files(
    results: Results, table: str, base: Manifest, sources: _Sources, made: list[Path]
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
    return (*kept, _verified(path, table, written))


def _split(table: str, base: Manifest, sources: _Sources) -> tuple[list[DataFile], list[_Source]]:
    """Which files of the last generation stay as they are, and which go into the new one."""
    files = {file.name: file for file in base.files.get(table, ())}
    rows = sum(source.count for source in sources.new)
    kept: list[DataFile] = []
    merged: list[_Source] = []
    for source in sorted(sources.held, key=lambda source: source.count):
        whole = source.kept is None and file_version(source.path) == VERSION
        if whole and source.count > _KEEP_RATIO * rows:
            kept.append(files[source.path.name])
        else:
            merged.append(source)
            rows += source.count
    return kept, merged


def _batches(
    results: Results, table: str, held: Sequence[_Source], new: Sequence[_Source]
) -> Iterator[pa.Table]:
    """The rows that stay, sorted within each batch."""
    for source in held:
        # A block of a probe may stand in several row groups; that one is replaced is rare.
        whole = source.kept is not None and table.startswith("probe_")
        start = 0
        for rows in (
            [load_held(results, source.path, SCHEMAS[table])]
            if whole
            else load_held_groups(results, source.path, SCHEMAS[table])
        ):
            yield _staying(table, source, rows, start)
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
            continue
        if rows is None:
            raise InfrastructureError(
                f"{source.path} could be read a moment ago and now cannot; "
                f"nothing was changed, check the disk of {results.path}"
            )
        waiting.append(_staying(table, source, rows))
        waiting_bytes += rows.nbytes
        if len(waiting) == _BATCH_FILES or waiting_bytes > _BATCH_BYTES:
            yield _sorted(table, waiting)
            waiting, waiting_bytes = [], 0
    if waiting:
        yield _sorted(table, waiting)


def _staying(table: str, source: _Source, rows: pa.Table, start: int = 0) -> pa.Table:
    """Those of the rows that stay; the first of them is row `start` of the file."""
    if source.kept is None:
        return rows
    if not table.startswith("probe_"):
        return rows.filter(pa.array(source.kept[start : start + len(rows)]))
    names = _columns(table)
    blocks = _texts(_blocks(table, rows.select(names)).filter(pa.array(source.kept)), names)
    return rows.filter(pc.is_in(_texts(rows, names), value_set=blocks))


def _sorted(table: str, pieces: Sequence[pa.Table]) -> pa.Table:
    rows = pa.concat_tables(pieces)
    order = [(name, "ascending") for name in KEYS[table]]
    # Stable, so that the rows of a probe's block keep their order.
    numbered = rows.select(KEYS[table]).append_column("row", pa.array(range(len(rows)), pa.int64()))
    return rows.take(pc.sort_indices(numbered, sort_keys=[*order, ("row", "ascending")]))


def _texts(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """These columns of each row as one text."""
    parts = [rows[name].cast(pa.string()).fill_null("") for name in names]
    joined = pc.binary_join_element_wise(*parts, "/")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


class _Written:
    """How many rows were written, and a digest of their keys in order."""

    def __init__(self) -> None:
        self.rows = 0
        self.digest = hashlib.sha256()

    def add(self, table: str, rows: pa.Table) -> None:
        """Count rows that follow."""
        self.rows += len(rows)
        for text in values(_texts(rows, KEYS[table])):
            self.digest.update(f"{text}\n".encode())


def _write(file: object, table: str, batches: Iterable[pa.Table], written: _Written) -> None:
    schema = SCHEMAS[table].with_metadata({VERSION_KEY: str(VERSION).encode()})
    group_rows = ROW_GROUP_ROWS[table]
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for rows in batches:
            written.add(table, rows)
            writer.write_table(rows, row_group_size=group_rows)


def _verified(path: Path, table: str, written: _Written) -> DataFile:
    """The file as a manifest lists it, after every row was read back.

    Raises InfrastructureError if one is missing.
    """
    there = _Written()
    try:
        for rows in load_groups(path, SCHEMAS[table]):
            there.add(table, rows)
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            f"{path} does not read back ({error}); nothing was changed, check the disk"
        ) from None
    if there.digest.digest() != written.digest.digest():
        raise InfrastructureError(
            f"{path} does not hold every row it was made from ({there.rows} of {written.rows}); "
            "nothing was changed, check the disk"
        )
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return DataFile(path.name, written.rows, path.stat().st_size, checksum)


def _superseded(
    results: Results,
    base: Manifest,
    sources: Mapping[str, _Sources],
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
