"""Which of several rows count: one run per trial, and only what was computed from its weights.

A row can be accepted if its outcome is final and it was not withdrawn. If the newest generation
accepted one of these attempts, that one counts, otherwise the one with the smallest (finished_at,
attempt_id). A row that arrives late, for example from a node that had lost its network and has a
slow clock, therefore replaces nothing.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import pyarrow as pa

from sweeps.store.arrow_compute import pc
from sweeps.store.folders import Results
from sweeps.store.generations import Manifest
from sweeps.store.read import (
    columns_of,
    empty,
    newest,
    once_each,
    read_new,
    read_table,
    smallest,
)
from sweeps.store.retractions import read_retractions
from sweeps.store.schema import FINAL_OUTCOMES, KEYS, SCHEMAS

RUN_COLUMNS = ("trial_id", "attempt_id", "outcome", "finished_at", "weights_sha256")
_Found = TypeVar("_Found")
_ORDER = ("finished_at", "attempt_id")


def accept_runs(
    runs: pa.Table, retracted: Collection[str], standing: pa.Array | None = None
) -> pa.Table:
    """The accepted row of each trial, sorted by trial_id.

    runs: at least RUN_COLUMNS. retracted: attempt ids. standing: "trial/attempt" of those that the
    newest generation accepted, as `standing_runs` gives them.
    """
    rows = final_runs(runs, retracted)
    names = rows.column_names
    if standing is None or not len(standing):
        return smallest(rows, ("trial_id",), _ORDER)
    late = pc.invert(pc.is_in(attempt_key(rows), value_set=standing))
    return smallest(rows.append_column("late", late), ("trial_id",), ("late", *_ORDER)).select(
        names
    )


def standing_runs(manifest: Manifest, held: Sequence[pa.Table]) -> pa.Array:
    """The runs that the generation accepted, as "trial/attempt".

    held: RUN_COLUMNS of its files.
    """
    if manifest.accepted is not None:
        pairs = [f"{trial}/{attempt}" for trial, attempt in manifest.accepted.items()]
        return pa.array(pairs, pa.string())
    if not held:
        return pa.array([], pa.string())
    keys = attempt_key(final_runs(pa.concat_tables(held), ())).combine_chunks()
    set_aside = pa.array(manifest.set_aside, pa.string())
    return keys.filter(pc.invert(pc.is_in(keys, value_set=set_aside)))


def accept_derived(
    table: str, rows: pa.Table, accepted: pa.Table, retracted: Collection[str]
) -> pa.Table:
    """Evaluations or probes of accepted weights.

    One per (trial_id, weights_sha256, eval_id or probe_id), of a probe its whole block. accepted:
    the result of `accept_runs`. rows: each once, with the table's keys and finished_at.
    """
    rows = final_runs(rows, retracted)
    # Series belong to the training itself, so they also count for a training that left no weights.
    belongs = attempt_key if table == "probe_series" else _weights_key
    rows = rows.filter(pc.is_in(belongs(rows), value_set=belongs(accepted)))
    key = ("trial_id", "weights_sha256", KEYS[table][-1])
    if table == "evaluations":
        return smallest(rows, key, _ORDER)
    first = smallest(rows.group_by([*key, *_ORDER], use_threads=False).aggregate([]), key, _ORDER)
    blocks = pa.chunked_array([_block_key(first, key)])
    return rows.filter(pc.is_in(_block_key(rows, key), value_set=blocks))


def deciding_columns(table: str) -> list[str]:
    """The columns of a table that `accept_derived` needs."""
    return [*KEYS[table], "finished_at", *(["outcome"] if table == "evaluations" else [])]


def final_runs(rows: pa.Table, retracted: Collection[str]) -> pa.Table:
    """Rows that may count: not retracted, and with a final outcome where they have an outcome."""
    keep = pc.invert(
        pc.is_in(rows["attempt_id"], value_set=pa.array(sorted(retracted), pa.string()))
    )
    if "outcome" in rows.column_names:
        keep = pc.and_(keep, pc.is_in(rows["outcome"], value_set=pa.array(FINAL_OUTCOMES)))
    return rows.filter(keep)


def attempt_key(rows: pa.Table) -> pa.ChunkedArray:
    """Each row's "trial/attempt"."""
    return pc.binary_join_element_wise(rows["trial_id"], rows["attempt_id"], "/")


def _weights_key(rows: pa.Table) -> pa.ChunkedArray:
    """trial_id and weights as one text, null without weights."""
    return pc.binary_join_element_wise(rows["trial_id"], rows["weights_sha256"], "/")


def _block_key(rows: pa.Table, key: Sequence[str]) -> pa.Array:
    joined = pc.binary_join_element_wise(*(rows[name] for name in (*key, "attempt_id")), "/")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def accepted_runs(results: Results, columns: Sequence[str] | None = None) -> pa.Table:
    """The accepted row of every trial that has one, sorted by trial_id.

    columns: all if None. Raises the errors of `read_table`.
    """
    columns = columns_of("runs", columns)
    needed = list(dict.fromkeys([*columns, *RUN_COLUMNS]))
    pieces, manifest = unchanged(results, lambda: read_new(results, "runs", needed))
    held = set(manifest.paths(results, "runs"))
    standing = standing_runs(manifest, [pieces[path] for path in pieces if path in held])
    runs = once_each("runs", [empty(SCHEMAS["runs"], needed), *pieces.values()])
    retracted = read_retractions(results).attempt_ids
    return accept_runs(runs, retracted, standing).select(columns)


def unchanged(results: Results, read: Callable[[], _Found]) -> tuple[_Found, Manifest]:
    """The result of `read`, and the generation from which it was read.

    If `compact` published another generation meanwhile, `read` is called again.
    """
    manifest = newest(results)
    while True:
        content = read()
        before, manifest = manifest, newest(results)
        if manifest == before:
            return content, manifest


def accepted_evaluations(results: Results, columns: Sequence[str] | None = None) -> pa.Table:
    """Evaluations of accepted weights, one per (trial_id, eval_id), sorted by it.

    columns: all if None. Raises the errors of `read_table`.
    """
    return _accepted(results, "evaluations", columns)


def accepted_probes(results: Results, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows of the probe `name` (such as trajectory) from accepted weights.

    One block per (trial_id, probe_id). Raises the errors of `read_table`.
    """
    return _accepted(results, f"probe_{name}", columns)


def _accepted(results: Results, table: str, columns: Sequence[str] | None) -> pa.Table:
    columns = columns_of(table, columns)
    accepted = accepted_runs(results, RUN_COLUMNS)
    rows = read_table(results, table, list(dict.fromkeys([*columns, *deciding_columns(table)])))
    return accept_derived(table, rows, accepted, read_retractions(results).attempt_ids).select(
        columns
    )
