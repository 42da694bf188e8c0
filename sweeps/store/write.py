"""The writer of one worker.

It publishes one Parquet file per table and time slice. From time to time, and at the end, it merges
them into one file per table.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa

from sweeps.store.files import list_files, publish_table
from sweeps.store.folders import Results, check_name
from sweeps.store.parquet import load
from sweeps.store.read import once_each
from sweeps.store.schema import (
    KEYS,
    PROBES,
    SCHEMAS,
    TABLES,
    SchemaError,
    check_rows,
    schema_of,
    to_table,
)

_LOG = logging.getLogger("odesweep")
# So many files of one worker become one while it runs: a reader opens each file it sees.
MERGED_PARTS = 32


class Writer:
    """Buffers rows and publishes them.

    One per worker, used by one thread. slice_seconds: how long a row may wait. worker_id must be
    new for every process: file names contain it, and the writer merges the files with its name.
    """

    def __init__(self, results: Results, worker_id: str, slice_seconds: float = 30.0) -> None:
        self._results = results
        self._worker_id = check_name(worker_id)
        self._slice_seconds = slice_seconds
        self._buffers: dict[str, list[pa.Table]] = {table: [] for table in TABLES}
        # Slices that are being written keep their name until they are known to be on disk, so that
        # a retry cannot make a second file.
        self._slices: dict[str, tuple[str, pa.Table]] = {}
        self._parts = dict.fromkeys(TABLES, 0)
        self._oldest: float | None = None
        self._blocks: set[tuple[Any, ...]] = set()
        results.create()

    def add(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take over rows; all rows of one probe in one call.

        Raises SchemaError, and then takes none of them.
        """
        check_rows(table, rows)
        if not rows:
            return
        arrived = to_table(schema_of(table), rows)
        if table in PROBES:
            self._check_whole(table, rows)
        self._buffers[table].append(arrived)
        self._oldest = time.monotonic() if self._oldest is None else self._oldest

    @property
    def pending_rows(self) -> int:
        """Number of rows that are not known to be on disk."""
        waiting = sum(table.num_rows for tables in self._buffers.values() for table in tables)
        return waiting + sum(table.num_rows for _, table in self._slices.values())

    def due(self) -> bool:
        """Whether a row has waited for a whole slice."""
        return self._oldest is not None and time.monotonic() - self._oldest >= self._slice_seconds

    def publish(self) -> None:
        """Put every waiting row on disk, one file per table.

        Raises OSError. Rows that are not on disk then stay here for the next try.
        """
        # Runs last: what was computed from weights that are not kept must be on disk before the row
        # that says that its trial needs no more training.
        for table in sorted(TABLES, key=lambda one: one == "runs"):
            while self._slices.get(table) or self._buffers[table]:
                if table not in self._slices:
                    self._slices[table] = (self._new_name(), pa.concat_tables(self._buffers[table]))
                    self._buffers[table] = []
                name, rows = self._slices[table]
                publish_table(self._results.parts(table) / name, rows)
                del self._slices[table]
                self._parts[table] += 1
        self._oldest = None
        self._merge_all(MERGED_PARTS)

    def close(self) -> None:
        """Publish, then merge this writer's files into one per table.

        Raises OSError as `publish` does. A failed merge is only a warning.
        """
        self.publish()
        self._merge_all(0)

    def _merge_all(self, parts: int) -> None:
        """Merge the tables that have at least so many new files. A failure is only a warning."""
        for table in [table for table in TABLES if self._parts[table] >= parts]:
            self._parts[table] = 0
            try:
                self._merge(table)
            except OSError as error:
                _LOG.warning(
                    "the parts of %s in %s are not merged (%s); nothing is lost",
                    self._worker_id,
                    self._results.parts(table),
                    error,
                )

    def _check_whole(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        # Readers take a block of rows from one file only. If a block came in two calls, its second
        # part could look like a second copy.
        blocks = {(table, *(row[name] for name in (*KEYS[table], "finished_at"))) for row in rows}
        if blocks & self._blocks:
            raise SchemaError(f"table {table}: all rows of one probe must be in one call of add")
        self._blocks |= blocks

    def _new_name(self) -> str:
        return f"{self._worker_id}-{uuid4().hex}.parquet"

    def _own_parts(self, table: str) -> list[Path]:
        folder = self._results.parts(table)
        return [
            folder / name
            for name in list_files(folder, ".parquet")
            if name.rpartition("-")[0] == self._worker_id
        ]

    def _merge(self, table: str) -> None:
        schema = SCHEMAS[table]
        loaded = {
            path: rows
            for path in self._own_parts(table)
            if (rows := load(path, schema)) is not None
        }
        if not loaded:
            return
        rows = once_each(table, list(loaded.values()))
        target = self._results.merged(table) / self._new_name()
        publish_table(target, rows)
        again = load(target, schema)
        if again is None or again.num_rows != rows.num_rows:
            raise OSError(f"{target} differs from what was written")
        for path in loaded:
            path.unlink(missing_ok=True)
