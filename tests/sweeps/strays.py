"""Things that do not belong into a results folder, and the commands that have to bear them."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from store_rows import make

from sweeps.store import (
    SCHEMAS,
    TABLES,
    EventReader,
    Results,
    StoreView,
    list_plans,
    list_submissions,
    read_plan,
    read_table,
)
from sweeps.store.compact import compact
from sweeps.store.prune import prune
from sweeps.store.retractions import read_retractions
from sweeps.store.schema import PLAN, SUBMISSION, VERSION, to_table
from sweeps.worker.attempts import History

FOLDERS = (
    *(f"{place}/{table}" for place in ("parts", "merged", "generations") for table in TABLES),
    *("plans", "submissions", "events", "retractions", "weights", "logs", "generations"),
)
ENDINGS = (".parquet", ".jsonl", ".json", ".jobs", ".tmp", "")
STEMS = ("x", "a b", "two\nlines", "tab\t\x1b[31m", "\udcff", "-", "ü", "demo@demo")


def foreign(table: str, **columns: list[object]) -> pa.Table:
    """Rows of `table` in a file of this store, as somebody copies it by hand."""
    rows = to_table(SCHEMAS[table], [make(table)])
    for name, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values))
    return rows.replace_schema_metadata({"odesweep_schema": str(VERSION)})


def _socket(path: Path) -> None:
    # Bound by its short name: the path of a socket has at most 107 bytes.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(before)


def _parquet(table: pa.Table) -> Callable[[Path], int]:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data = sink.getvalue().to_pybytes()
    return lambda path: path.write_bytes(data)


STRAYS: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: (path / "inner").mkdir(parents=True),
    "socket": _socket,
    "pipe": os.mkfifo,
    "link to nowhere": lambda path: path.symlink_to("nothing"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a folder": lambda path: path.symlink_to("."),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text('{"event": "started"}\n'),
    "binary": lambda path: path.write_bytes(b"\xff\x00PAR1"),
    "another's Parquet": _parquet(pa.table({"a": [1]})),
    "no columns": _parquet(pa.table({}).replace_schema_metadata({"odesweep_schema": "2"})),
    "no identity": _parquet(foreign("runs", attempt_id=[None])),
    "other types": _parquet(foreign("runs", trial_id=[[1, 2]], finished_at=["yesterday"])),
    "plan": _parquet(
        PLAN.empty_table().replace_schema_metadata({"odesweep_schema": "2", "study": "x"})
    ),
    "submission": _parquet(
        SUBMISSION.empty_table().replace_schema_metadata({"odesweep_schema": "2"})
    ),
    **{f"rows of {table}": _parquet(foreign(table)) for table in TABLES},
}


def look(results: Results) -> set[str]:
    """Everything that reads a results folder; the trials that have rows."""
    for table in TABLES:
        read_table(results, table)
    view, history = StoreView(results), History()
    history.add(EventReader(results).poll())
    for plan in list_plans(results):
        read_plan(results, plan)
    list_submissions(results)
    read_retractions(results)
    compact(results, dry_run=True)
    prune(results, dry_run=True)
    return set(view.attempts)
