"""Compaction: many files become one per table, a generation, in force from the moment its manifest has its name.

Nothing is deleted here. What a generation holds it names as superseded, so that readers leave those files out; `prune` removes them later.
"""

import errno
import hashlib
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.errors import InfrastructureError
from sweeps.store.accept import RUN_COLUMNS, accept_runs
from sweeps.store.clock import folder_clock
from sweeps.store.compute import pc
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
from sweeps.store.parquet import load
from sweeps.store.read import (
    empty,
    kept_rows,
    load_held,
    newest,
    once_each,
    restarting,
    table_files,
)
from sweeps.store.retractions import read_retractions
from sweeps.store.schema import KEYS, SCHEMAS, TABLES, VERSION, VERSION_KEY
from sweeps.store.to_python import values

# Narrow enough that one trial is found without reading much, wide enough that columns compress and scan well.
ROW_GROUP_ROWS = {"runs": 1_000, "evaluations": 10_000} | {
    table: 100_000 for table in TABLES if table.startswith("probe_")
}
# Files of one row take far more memory than their rows; after so many files, or bytes, their rows are put together.
_BATCH_FILES = 500
_BATCH_BYTES = 200_000_000


@dataclass(frozen=True)
class Compaction:
    """What `compact` did. manifest: the generation in force now. made: whether this call made it. files: how many new files were taken in.

    damaged: files that were left where they are.
    """

    manifest: Manifest
    made: bool
    files: int
    damaged: int


@dataclass
class _News:
    """New rows of one table, and the files they stand in."""

    rows: list[pa.Table]
    files: list[Path]
    damaged: int


def compact(results: Results, dry_run: bool = False) -> Compaction:
    """Put everything new and what the newest generation holds into a new generation. dry_run: only look.

    Of several at once one wins, the others leave nothing behind. Raises InfrastructureError when something cannot be read or written; what
    was in force then still is.
    """
    base, news, accepted = restarting(results, lambda: _look(results))
    files, damaged = (
        sum(len(one.files) for one in news.values()),
        sum(one.damaged for one in news.values()),
    )
    if dry_run or (not files and accepted == base.accepted):
        return Compaction(base, False, files, damaged)
    with one_line(f"cannot write a generation in {results.manifests}", "nothing was changed"):
        made = _publish(results, base, news, accepted)
    return Compaction(made or newest(results), made is not None, files, damaged)


def _publish(
    results: Results, base: Manifest, news: dict[str, _News], accepted: dict[str, str]
) -> Manifest | None:
    """The new generation, or None, and nothing left of it, when another compact was faster."""
    for table in TABLES:
        results.generations(table).mkdir(parents=True, exist_ok=True)
    at, by = folder_clock(results.manifests), f"{socket.gethostname()} process {os.getpid()}"
    made: list[Path] = []
    try:
        data = {table: _data_files(results, table, base, news[table], made) for table in TABLES}
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
        _superseded(results, base, news, data, at),
        accepted,
    )
    path = manifest_path(results, manifest.number)
    # An error in here leaves the data files: the manifest may have its name already. Unnamed ones are for `prune`.
    won = publish_first(path, manifest.encode())
    if won and manifest_numbers(results)[-1] != manifest.number:
        # A number that was pruned meanwhile is free again; taking it is no victory.
        _delete([path])
        won = False
    if not won:
        _delete(made)
    return manifest if won else None


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _look(results: Results) -> tuple[Manifest, dict[str, _News], dict[str, str]]:
    """The generation in force, everything that it does not hold, and the accepted attempt of each trial."""
    base = read_newest(results)
    news = {table: _read(table, table_files(results, table)[0]) for table in TABLES}
    accepted = _accepted(results, base, news["runs"])
    if read_newest(results) != base:
        raise FileNotFoundError(errno.ENOENT, "another compact was faster", str(results.manifests))
    return base, news, accepted


def _read(table: str, paths: Sequence[Path]) -> _News:
    news = _News([], [], 0)
    waiting: list[pa.Table] = []
    waiting_bytes = 0
    for number, path in enumerate(paths, 1):
        rows = load(path, SCHEMAS[table])
        if rows is None:
            news.damaged += 1
        else:
            news.files.append(path)
            waiting.append(rows)
            waiting_bytes += rows.nbytes
        if waiting and (
            number == len(paths) or len(waiting) == _BATCH_FILES or waiting_bytes > _BATCH_BYTES
        ):
            news.rows.append(once_each(table, waiting).combine_chunks())
            waiting, waiting_bytes = [], 0
    return news


def _accepted(results: Results, base: Manifest, news: _News) -> dict[str, str]:
    """Trial -> attempt by the rule, over all rows."""
    held = [
        load_held(results, path, SCHEMAS["runs"], RUN_COLUMNS)
        for path in base.paths(results, "runs")
    ]
    rows = once_each(
        "runs",
        [
            empty(SCHEMAS["runs"], RUN_COLUMNS),
            *held,
            *(piece.select(RUN_COLUMNS) for piece in news.rows),
        ],
    )
    accepted = accept_runs(rows, read_retractions(results).attempt_ids, base.accepted)
    return dict(zip(values(accepted["trial_id"]), values(accepted["attempt_id"]), strict=True))


def _data_files(
    results: Results, table: str, base: Manifest, news: _News, made: list[Path]
) -> tuple[DataFile, ...]:
    """The table's files in the new generation: those of the last one when nothing is new, else one of all rows, verified."""
    if not news.files:
        return base.files.get(table, ())
    pieces = [
        *(load_held(results, path, SCHEMAS[table]) for path in base.paths(results, table)),
        *news.rows,
    ]
    keys = [_keys(table, piece) for piece in pieces]
    lengths = [piece.num_rows for piece in pieces]
    rows = pa.concat_tables(pieces)
    indices = kept_rows(table, rows, lengths)
    path = results.generations(table) / f"{uuid4().hex}.parquet"
    made.append(path)
    publish_stream(path, lambda file: _write(file, rows, indices, ROW_GROUP_ROWS[table]))
    return (_verified(path, table, len(indices), keys),)


def _write(file: object, rows: pa.Table, indices: pa.Array, group_rows: int) -> None:
    schema = rows.schema.with_metadata({VERSION_KEY: str(VERSION).encode()})
    batches = [batch for batch in rows.to_batches() if batch.num_rows]
    starts = pa.array(
        accumulate((batch.num_rows for batch in batches[:-1]), initial=0), pa.int64()
    ).to_numpy()
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
        for start in range(0, len(indices), group_rows):
            writer.write_table(
                _gather(
                    batches, starts, indices[start : start + group_rows].cast(pa.int64()).to_numpy()
                ),
                row_group_size=group_rows,
            )


def _gather(batches: Sequence[pa.RecordBatch], starts: Any, indices: Any) -> pa.Table:
    """The rows of those indices in that order, without the second copy of everything that `take` makes of a table in pieces (8.8 GB of 3)."""
    batch_of = starts.searchsorted(indices, side="right") - 1
    taken = [
        batches[number].take(pa.array(indices[batch_of == number] - starts[number]))
        for number in sorted(set(batch_of.tolist()))
    ]
    order = batch_of.argsort(kind="stable").argsort()
    return pa.Table.from_batches(taken).combine_chunks().take(pa.array(order))


def _verified(path: Path, table: str, count: int, keys: Sequence[pa.Array]) -> DataFile:
    """The file as a manifest lists it, once every row was read back. Raises InfrastructureError if one is missing."""
    written: list[pa.Array] = []
    rows = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            for group in _groups(parquet):
                rows += group.num_rows
                written.append(_keys(table, group))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InfrastructureError(
            f"{path} does not read back ({str(error).splitlines()[0]}); nothing was changed, check the disk"
        ) from None
    there = pa.chunked_array(written)
    if rows != count or not all(
        pc.all(pc.is_in(one, value_set=there)).as_py() for one in keys if len(one)
    ):
        raise InfrastructureError(
            f"{path} does not hold every row it was made from ({rows} of {count}); nothing was changed, check the disk"
        )
    with path.open("rb") as file:
        return DataFile(
            path.name, rows, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
        )


def _groups(parquet: pq.ParquetFile) -> Iterator[pa.Table]:
    for group in range(parquet.num_row_groups):
        yield parquet.read_row_group(group)


def _keys(table: str, rows: pa.Table) -> pa.Array:
    """What identifies rows (of a probe: blocks), each as one text."""
    names = list(KEYS[table])
    keys = rows.select(names).group_by(names, use_threads=False).aggregate([])
    texts = [keys[name].fill_null("") for name in names]
    joined = pc.binary_join_element_wise(*texts, "/")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _superseded(
    results: Results,
    base: Manifest,
    news: dict[str, _News],
    data: dict[str, tuple[DataFile, ...]],
    at: float,
) -> dict[str, dict[str, float]]:
    """What need not be read any more: as before, as far as it is still there, and what this generation replaces."""
    found: dict[str, dict[str, float]] = {}
    for folder, names in base.superseded.items():
        there = set(list_folder(results.path / folder)) & set(names)
        found[folder] = {name: names[name] for name in sorted(there)}
    for table, one in news.items():
        for path in one.files:
            found.setdefault(relative(results, path.parent), {})[path.name] = at
        kept = {file.name for file in data[table]}
        for file in base.files.get(table, ()):
            if file.name not in kept:
                found.setdefault(relative(results, results.generations(table)), {})[file.name] = at
    if base.number:
        found.setdefault(relative(results, results.manifests), {})[
            manifest_path(results, base.number).name
        ] = at
    return found
