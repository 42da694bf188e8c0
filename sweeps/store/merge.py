"""Merging results folders: everything that is in one folder and not in another is copied there.

Names and ids are unique or hashes of contents, so nothing can conflict. Rows are compared by what
identifies them, and the sources are only read. Whoever merges again, or after a death, copies only
what is missing.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from sweeps.errors import UserError
from sweeps.store.arrow_compute import pc
from sweeps.store.files import list_files, one_line, publish_bytes, publish_stream, publish_table
from sweeps.store.folders import Results
from sweeps.store.parquet import load
from sweeps.store.plans import list_plans, plan_path, read_plan
from sweeps.store.read import (
    key_texts,
    load_held,
    load_held_groups,
    read_new,
    restarting,
    table_files,
)
from sweeps.store.schema import KEYS, PROBES, SCHEMAS, TABLES
from sweeps.store.submissions import Sent, list_submissions, write_sent
from sweeps.store.to_python import values

# Rows wait in memory until they fill a file of about this size.
_FILE_BYTES = 200_000_000


def merge(source: Results, target: Results, *, weights: bool = True) -> Counter[str]:
    """Copy what `target` lacks of `source`; returns how many rows or files, by table or kind.

    Workers may use both folders meanwhile. Checkpoints and queues stay with the source. weights:
    whether to copy them. Raises InfrastructureError if something cannot be read or written; what
    was copied before stays, and is right.
    """
    target.create("--into")
    copied: Counter[str] = Counter()
    with one_line(f"cannot merge {source.path} into {target.path}", "merge again to go on"):
        if weights:
            copied["weights"] = _copy_files(source.weights, target.weights, ".safetensors")
        copied["retractions"] = _copy_files(source.retractions, target.retractions, ".json")
        copied["submissions"] = _copy_submissions(source, target)
        copied["plans"] = _copy_plans(source, target)
        copied["logs"] = _copy_files(source.logs, target.logs, ".log")
        copied["event files"] = _copy_files(source.events, target.events, ".jsonl")
        # Runs last: a run that counts promises evaluations from weights that may not exist.
        for table in sorted(TABLES, key=lambda one: one == "runs"):
            copied[table] = _Rows(source, target, table).copy()
    return +copied


def check_places(sources: list[Results], target: Results) -> list[Results]:
    """The sources other than the target, each once. Raises UserError for places that are unsafe."""
    found: dict[Path, Results] = {}
    place = target.path.resolve()
    for source in sources:
        path = source.path.resolve()
        if not any((path / name).is_dir() for name in ("parts", "merged", "generations", "plans")):
            raise UserError(f"{source.path} is not a results folder; nothing was merged")
        if path != place and (place in path.parents or path in place.parents):
            raise UserError(
                f"one of {source.path} and {target.path} lies in the other; give separate folders"
            )
        if path != place:
            found[path] = source
    return list(found.values())


def _copy_files(source: Path, target: Path, ending: str) -> int:
    """Copy the files that `target` lacks or has a shorter copy of: files only ever grow."""
    copied = 0
    for name in list_files(source, ending):
        size = (source / name).stat().st_size
        with suppress(FileNotFoundError):
            if (target / name).stat().st_size >= size:
                continue
        publish_stream(target / name, _copier(source / name))
        copied += 1
    return copied


def _copier(path: Path) -> Callable[[object], object]:
    import shutil

    def copy(file: object) -> None:
        with path.open("rb") as opened:
            shutil.copyfileobj(opened, file)  # pyright: ignore[reportArgumentType]

    return copy


def _copy_submissions(source: Results, target: Results) -> int:
    """Copy submissions without their jobs: those work for the source, in a queue of its cluster."""
    there = list_submissions(target)
    missing = list(list_submissions(source, there))
    for one in missing:
        name = f"{one}.cancelled"
        if (source.submissions / name).exists():
            publish_bytes(target.submissions / name, b"")
        write_sent(target, one, Sent(None, ""))
        publish_stream(
            target.submissions / f"{one}.parquet", _copier(source.submissions / f"{one}.parquet")
        )
    return len(missing)


def _copy_plans(source: Results, target: Results) -> int:
    """Copy plans that are missing, or newer and with other trials."""
    copied, there = 0, set(list_plans(target))
    for name in list_plans(source):
        theirs = read_plan(source, name)
        if name in there:
            mine = read_plan(target, name)
            same = set(values(mine.table["trial_id"])) == set(values(theirs.table["trial_id"]))
            if same or mine.info.created_at >= theirs.info.created_at:
                continue
        data = plan_path(source, name).read_bytes()
        publish_bytes(plan_path(target, name), data, replace=True)
        copied += 1
    return copied


class _Rows:
    """The rows of one table that the target lacks."""

    def __init__(self, source: Results, target: Results, table: str) -> None:
        self.source, self.target, self.table = source, target, table
        self.copied = 0
        self._known: set[bytes] = set()
        self._waiting: list[pa.Table] = []
        for rows in read_new(target, table, KEYS[table]).values():
            self._fresh(rows)

    def copy(self) -> int:
        """Copy them; returns how many."""
        # A worker or `compact` may replace files of the source meanwhile.
        restarting(self.source, self._read)
        self._publish()
        return self.copied

    def _read(self) -> None:
        for rows in self._pieces():
            self._waiting.append(self._fresh(rows))
            if sum(piece.nbytes for piece in self._waiting) > _FILE_BYTES:
                self._publish()

    def _pieces(self) -> Iterator[pa.Table]:
        schema = SCHEMAS[self.table]
        files, held = table_files(self.source, self.table)
        for path in files:
            if (rows := load(path, schema)) is not None:
                yield rows
        for path in held:
            if self.table in PROBES:
                # A block of rows may stand in several row groups, and must stay in one file.
                yield load_held(self.source, path, schema)
            else:
                yield from load_held_groups(self.source, path, schema)

    def _fresh(self, rows: pa.Table) -> pa.Table:
        """The rows that were not seen before."""
        texts = key_texts(rows, KEYS[self.table])
        digests = {text: _digest(text) for text in values(pc.unique(texts))}
        new = [text for text, digest in digests.items() if digest not in self._known]
        self._known.update(digests[text] for text in new)
        return rows.filter(pc.is_in(texts, value_set=pa.array(new, pa.string())))

    def _publish(self) -> None:
        rows, self._waiting = (
            pa.concat_tables([SCHEMAS[self.table].empty_table(), *self._waiting]),
            [],
        )
        if len(rows):
            path = self.target.merged(self.table) / f"merge-{uuid4().hex}.parquet"
            with one_line(f"cannot write {path}", "merge again to go on"):
                publish_table(path, rows)
            self.copied += len(rows)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
