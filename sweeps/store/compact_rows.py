"""Which rows a generation will hold, found from what identifies them, without the rows."""

import errno
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sweeps.store.accept import (
    RUN_COLUMNS,
    accept_runs,
    attempt_key,
    final_runs,
    standing_runs,
)
from sweeps.store.arrow_compute import pc
from sweeps.store.folders import Results
from sweeps.store.generations import Manifest, read_newest
from sweeps.store.parquet import load
from sweeps.store.read import blocks, empty, key_texts, load_held, once_each, table_files
from sweeps.store.retractions import read_retractions
from sweeps.store.schema import KEYS, PROBES, SCHEMAS, TABLES
from sweeps.store.to_python import values


@dataclass
class Source:
    """A file whose rows a generation will hold.

    rows: how many it has. heads: what identifies them, as `_heads` gives it, until `_choose` has
    used it. count: how many heads it has. kept: which of them stay, as truth values, None for all.
    gone: another file holds its rows by now.
    """

    path: Path
    rows: int
    heads: Any
    count: int
    kept: Any = None
    gone: bool = False


@dataclass
class Sources:
    """The files of one table.

    New ones, those of the generation before, and how many are damaged.
    """

    new: list[Source] = field(default_factory=list)
    held: list[Source] = field(default_factory=list)
    damaged: int = 0


def look(results: Results) -> tuple[Manifest, dict[str, Sources], tuple[str, ...]]:
    """The valid generation, the files of each table, and the final runs that are not accepted."""
    base = read_newest(results)
    set_aside: tuple[str, ...] = ()
    sources: dict[str, Sources] = {}
    for table in TABLES:
        new, damaged = _survey(table, table_files(results, table)[0])
        held = {
            path: load_held(results, path, SCHEMAS[table], _columns(table))
            for path in base.paths(results, table)
        }
        if table == "runs":
            set_aside = _set_aside(results, base, held, new)
        sources[table] = Sources(_hashed(table, new), _hashed(table, held), damaged)
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
            found[path] = rows.select(_columns(table))
    return found, damaged


def _hashed(table: str, files: dict[Path, pa.Table]) -> list[Source]:
    """The files with their heads; empties `files` on the way, to keep one copy in memory."""
    sources: list[Source] = []
    for path in list(files):
        rows = files.pop(path)
        heads = _heads(table, blocks(table, rows))
        sources.append(Source(path, len(rows), heads, len(heads)))
    return sources


def _heads(table: str, rows: pa.Table) -> Any:
    """The identity of each row in 24 bytes, (N, 3).

    128 bits of a hash of its key, and the time when it finished.
    """
    texts = values(key_texts(rows, KEYS[table]))
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


def _choose(sources: Sequence[Source]) -> None:
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


def expected_rows(table: str, sources: Sequence[Source]) -> int | None:
    """How many rows of these files stay; None where only the rows themselves tell."""
    rows = 0
    for source in sources:
        if source.kept is None:
            rows += 0 if source.gone else source.rows
        elif table in PROBES:
            return None
        else:
            rows += 0 if source.gone else int(source.kept.sum())
    return rows


def staying(table: str, source: Source, rows: pa.Table, start: int = 0) -> pa.Table:
    """Those of the rows that stay; the first of them is row `start` of the file."""
    if source.kept is None:
        return rows
    if table not in PROBES:
        return rows.filter(pa.array(source.kept[start : start + len(rows)]))
    names = _columns(table)
    stay = key_texts(blocks(table, rows.select(names)).filter(pa.array(source.kept)), names)
    return rows.filter(pc.is_in(key_texts(rows, names), value_set=stay))
