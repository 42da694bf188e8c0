"""Rows to publish: a compacted copy of a results folder that names no machine, worker or path."""

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from sweeps.errors import UserError
from sweeps.store.compact import compact
from sweeps.store.files import publish_bytes, publish_table
from sweeps.store.folders import Results
from sweeps.store.generations import Manifest, manifest_path
from sweeps.store.merge import merge
from sweeps.store.parquet import load
from sweeps.store.schema import SCHEMAS, TABLES
from sweeps.store.to_python import values

# What readers of rows need. Weights, logs, events, submissions and checkpoints stay behind.
_KEPT = ("generations", "plans", "retractions")
_PUBLIC_WORKER = re.compile(r"worker-[0-9a-f]{12}")
_PUBLIC_HOST = re.compile(r"node(-\d+)?")


def copy_public(source: Results, target: Results) -> Manifest:
    """Copy rows, plans and retractions into a new folder; returns the generation made there.

    Hosts become node-1, node-2 and so on, workers `worker-` and a digest; tracebacks are left out.
    Everything else is as it was, ids too. Raises UserError if `target` exists.
    """
    if target.path.exists():
        raise UserError(f"{target.path} exists; give a folder that does not")
    merge(source, target, weights=False)
    hosts: dict[str, str] = {}
    for table in TABLES:
        for path in sorted(target.merged(table).glob("*.parquet")):
            rows = load(path, SCHEMAS[table])
            assert rows is not None, "it was written a moment ago"
            publish_table(path, _public(rows, hosts), replace=True)
    made = replace(compact(target).manifest, by="odesweep", superseded={})
    if made.number:
        publish_bytes(manifest_path(target, made.number), made.encode(), replace=True)
    for folder in target.path.iterdir():
        if folder.name not in _KEPT:
            shutil.rmtree(folder)
    shutil.rmtree(target.state, ignore_errors=True)
    return made


def _public(rows: pa.Table, hosts: dict[str, str]) -> pa.Table:
    names = rows.schema.names
    if "host" in names:
        for host in sorted(set(values(rows["host"])) - {None}):
            if host not in hosts:
                public = _PUBLIC_HOST.fullmatch(host)
                hosts[host] = host if public else _free(hosts)
        rows = _replaced(rows, "host", hosts)
    if "worker_id" in names:
        workers = {
            worker: worker if _PUBLIC_WORKER.fullmatch(worker) else f"worker-{_digest(worker)}"
            for worker in set(values(rows["worker_id"])) - {None}
        }
        rows = _replaced(rows, "worker_id", workers)
    if "traceback" in names:
        rows = _replaced(rows, "traceback", {})
    return rows


def _free(hosts: Mapping[str, str]) -> str:
    number = 1
    while f"node-{number}" in hosts.values():
        number += 1
    return f"node-{number}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _replaced(rows: pa.Table, name: str, public: Mapping[str, str]) -> pa.Table:
    column = pa.array([public.get(one) for one in values(rows[name])], pa.string())
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
