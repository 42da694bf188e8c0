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
    key_texts,
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


def accept_all(
    held: Sequence[pa.Table], new: pa.Table, manifest: Manifest, retracted: Collection[str]
) -> pa.Table:
    """The accepted row of each trial, in no order.

    held: the rows of the generation's files. new: all other rows, each once; both with at least
    RUN_COLUMNS. Only trials with new, withdrawn or set-aside rows are decided again: of all others
    the generation holds exactly one final row, the accepted one.
    """
    rows = pa.concat_tables([new.slice(0, 0), *held])
    if manifest.accepted is not None:
        standing = standing_runs(manifest, [rows])
        return accept_runs(once_each("runs", [rows, new]), retracted, standing)
    withdrawn = rows.filter(_is_one_of(rows["attempt_id"], retracted))
    aside = pa.array([key.partition("/")[0] for key in manifest.set_aside], pa.string())
    trials = [*new["trial_id"].chunks, *withdrawn["trial_id"].chunks, aside]
    open_again = pc.is_in(rows["trial_id"], value_set=pa.chunked_array(trials))
    again = rows.filter(open_again)
    decided = accept_runs(
        once_each("runs", [again, new]), retracted, standing_runs(manifest, [again])
    )
    if pc.any(open_again).as_py():
        rows = rows.filter(pc.invert(open_again))
    return pa.concat_tables([final_runs(rows, ()), decided])


def counting(table: str, rows: pa.Table, accepted: pa.Table) -> tuple[pa.ChunkedArray, pa.Array]:
    """Which evaluations or probes belong to accepted weights, and for each row its trial's there.

    accepted: one row for each trial. rows: `final_runs`, with at least `owner_columns`.
    """
    _, own = owner_columns(table)
    of_trial = pa.concat_arrays(
        pc.index_in(rows["trial_id"], value_set=accepted["trial_id"]).chunks
        or [pa.nulls(0, pa.int32())]
    )
    theirs, start = accepted[own].combine_chunks(), 0
    same = []
    # Chunk by chunk, since a copy of all hashes takes much memory.
    for mine in rows[own].chunks:
        at = of_trial.slice(start, len(mine))
        same.append(pc.fill_null(pc.equal(mine, theirs.take(at)), False))
        start += len(mine)
    return pa.chunked_array(same, pa.bool_()), of_trial


def owner_columns(table: str) -> tuple[str, str]:
    """The columns that tell whether an evaluation or probe belongs to an accepted run."""
    # Series belong to the training itself, so they also count for a training that left no weights.
    return "trial_id", "attempt_id" if table == "probe_series" else "weights_sha256"


def accept_derived(
    table: str, rows: pa.Table, accepted: pa.Table, retracted: Collection[str]
) -> pa.Table:
    """Evaluations or probes of accepted weights.

    One per (trial_id, weights_sha256, eval_id or probe_id), of a probe its whole block. accepted:
    one row for each trial. rows: each once, with the table's keys and finished_at.
    """
    rows = final_runs(rows, retracted)
    rows = rows.filter(counting(table, rows, accepted)[0])
    key = ("trial_id", "weights_sha256", KEYS[table][-1])
    if table == "evaluations":
        return smallest(rows, key, _ORDER)
    first = smallest(rows.group_by([*key, *_ORDER], use_threads=False).aggregate([]), key, _ORDER)
    names = (*key, "attempt_id")
    return rows.filter(pc.is_in(key_texts(rows, names), value_set=key_texts(first, names)))


def deciding_columns(table: str) -> list[str]:
    """The columns of a table that `accept_derived` needs."""
    return [*KEYS[table], "finished_at", *(["outcome"] if table == "evaluations" else [])]


def final_runs(rows: pa.Table, retracted: Collection[str]) -> pa.Table:
    """Rows that may count: not retracted, and with a final outcome where they have an outcome."""
    if retracted:
        rows = rows.filter(pc.invert(_is_one_of(rows["attempt_id"], retracted)))
    if "outcome" in rows.column_names:
        final = _is_one_of(rows["outcome"], FINAL_OUTCOMES)
        # Without a copy in the usual case.
        return rows if pc.all(final).as_py() else rows.filter(final)
    return rows


def _is_one_of(column: pa.ChunkedArray, texts: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(sorted(texts), pa.string()))


def attempt_key(rows: pa.Table) -> pa.ChunkedArray:
    """Each row's "trial/attempt"."""
    return pc.binary_join_element_wise(rows["trial_id"], rows["attempt_id"], "/")


def accepted_runs(results: Results, columns: Sequence[str] | None = None) -> pa.Table:
    """The accepted row of every trial that has one, sorted by trial_id.

    columns: all if None. Raises the errors of `read_table`.
    """
    columns = columns_of("runs", columns)
    needed = list(dict.fromkeys([*columns, *RUN_COLUMNS]))
    pieces, manifest = unchanged(results, lambda: read_new(results, "runs", needed))
    held = [pieces.pop(path) for path in manifest.paths(results, "runs") if path in pieces]
    new = once_each("runs", [empty(SCHEMAS["runs"], needed), *pieces.values()])
    rows = accept_all(held, new, manifest, read_retractions(results).attempt_ids)
    return rows.take(pc.sort_indices(rows["trial_id"])).select(columns)


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
