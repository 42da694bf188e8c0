"""SQL over the store: DuckDB with one view per question.

A run belongs to no study: it is the row of a trial, which several plans may have. The view plans
says which do.

The rows are found and counted as everywhere else. Generations are scanned in place, only the
columns that a query uses; newer rows are read into memory. The SQL itself can open no other file
and changes nothing.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.errors import UserError
from sweeps.store.accept import RUN_COLUMNS, accept_derived, accepted_runs, deciding_columns
from sweeps.store.folders import Results
from sweeps.store.generations import Manifest, check_content, read_newest
from sweeps.store.parquet import load
from sweeps.store.plans import label, list_plans, read_plan
from sweeps.store.read import (
    empty,
    kept_rows,
    load_held,
    new_files,
    once_each,
    read_table,
    restarting,
    table_files,
)
from sweeps.store.retractions import read_retractions
from sweeps.store.schema import DERIVED, FINAL_OUTCOMES, KEYS, SCHEMAS, TABLES, spec_columns
from sweeps.store.to_python import rows as rows_of
from sweeps.store.to_python import values

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY = Path("/proc/meminfo")
# Files that are smaller together are no question of memory, and read in 0.1 s.
_SMALL_BYTES = 50_000_000
# Rows are read, and then those that count are copied.
_COPIES = 2
_RUN_COLUMNS = [name for name in SCHEMAS["runs"].names if name != "epochs"]
_EPOCH_COLUMNS = [field.name for field in SCHEMAS["runs"].field("epochs").type.value_type]
_EPOCH_KEYS = ["trial_id", "cell_id", "attempt_id", *spec_columns({}), "outcome"]
# View -> its columns.
VIEWS: dict[str, list[str]] = {
    "runs": _RUN_COLUMNS,
    "attempts": [*_RUN_COLUMNS, "accepted"],
    "epochs": [*_EPOCH_KEYS, *_EPOCH_COLUMNS],
} | {table: SCHEMAS[table].names for table in DERIVED}
# Of its columns, only trial_id is one of other views too, so that a join needs no prefix.
VIEWS["plans"] = ["study", "scale", "plan", "trial_id", "axes"]


def query(results: Results, sql: str) -> pa.Table:
    """The rows of one SELECT over VIEWS.

    The views are runs and epochs of accepted runs, attempts (all rows), evaluations, probe_<name>,
    and plans, with a row per trial of each saved plan.
    Raises UserError in one line for invalid SQL, with the existing views, and if DuckDB
    is not installed; InfrastructureError if the results cannot be read.
    """
    try:
        import duckdb
    except ModuleNotFoundError:
        raise UserError(
            "query needs duckdb, which is not installed: pip install 'odesweep[query]'"
        ) from None
    if re.fullmatch(r"\s*SHOW\s+TABLES\s*;?\s*", sql, re.IGNORECASE):
        # DuckDB would also show the views that these are made of.
        return pa.table({"name": sorted(VIEWS)})
    named = [view for view in VIEWS if re.search(rf"\b{view}\b", sql, re.IGNORECASE)]
    with duckdb.connect(config={"python_enable_replacements": "false"}) as connection:
        try:
            _check(duckdb, sql)
            # Without a name, as in SHOW ALL TABLES, all of them.
            scanned = _make_views(connection, results, named or list(VIEWS))
            _check_content(results, scanned)
            # A file that may be read could also be written. It was checked above that there is only
            # a SELECT.
            connection.execute(
                f"SET allowed_paths = [{', '.join(_quoted(path) for path in scanned)}]"
            )
            connection.execute("SET enable_external_access = false")
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            message = _first_paragraph(error)
            raise UserError(f"{message}; {_of_plans(message)}{_help(named)}") from None


def _check(duckdb: Any, sql: str) -> None:
    kinds = [statement.type for statement in duckdb.extract_statements(sql)]
    if len(kinds) != 1 or kinds[0] not in (
        duckdb.StatementType.SELECT,
        duckdb.StatementType.EXPLAIN,
    ):
        given = ", ".join(kind.name for kind in kinds) or "nothing"
        raise UserError(f"a query is one SELECT, this is {given}; views: {', '.join(VIEWS)}")


def _first_paragraph(error: Exception) -> str:
    text = " ".join(str(error).partition("\n\n")[0].split())
    # DuckDB also suggests what these views are made of.
    text = re.sub(r' Did you mean "(\w+)"\?', lambda m: m[0] if m[1] in VIEWS else "", text)
    return text.rstrip("!")


def _help(named: Sequence[str]) -> str:
    # DuckDB names the nearest columns itself; a view has more than a hundred.
    columns = [f"`DESCRIBE {view}` lists the columns of {view}" for view in named]
    return "; ".join([f"views: {', '.join(VIEWS)}", *columns])


def _of_plans(message: str) -> str:
    """Where a column of the view plans is, which runs have not."""
    column = re.match(r'Binder Error: Referenced column "(study|scale|plan|axes)"', message)
    return f"{column[1]} is in plans: FROM runs JOIN plans USING (trial_id); " if column else ""


def _make_views(
    connection: "DuckDBPyConnection", results: Results, views: Sequence[str]
) -> list[Path]:
    """Create the views. Returns the files that they scan."""
    scanned: list[Path] = []
    runs = [view for view in views if view in ("runs", "attempts", "epochs")]
    derived = [view for view in views if view in DERIVED]
    whole = None if derived else _whole(results)
    # Accepted rows first: rows that are read later can only be more.
    accepted = accepted_runs(results, RUN_COLUMNS) if whole is None else None
    if runs:
        columns = SCHEMAS["runs"].names if "epochs" in runs else _RUN_COLUMNS
        if whole is None:
            assert accepted is not None
            connection.register("_accepted", accepted.select(["trial_id", "attempt_id"]))
            scanned += _register(connection, results, "runs", columns)
        else:
            connection.register("_set_aside", _set_aside(whole))
            scanned += _view(connection, "runs", columns, whole.paths(results, "runs"))
        counts = _COUNTS_BY_ROW if whole is None else _counts_by_manifest(whole)
        connection.execute(f"CREATE VIEW _counted AS SELECT *, {counts} AS accepted FROM _all_runs")
        for view in runs:
            connection.execute(f"CREATE VIEW {view} AS {_RUN_VIEWS[view]}")
    if "plans" in views:
        connection.register("plans", _planned(results))
    for table in derived:
        assert accepted is not None
        counting = accept_derived(
            table,
            read_table(results, table, deciding_columns(table)),
            accepted,
            read_retractions(results).attempt_ids,
        )
        connection.register(
            f"_counting_{table}",
            counting.select(KEYS[table]).group_by(list(KEYS[table])).aggregate([]),
        )
        scanned += _register(connection, results, table, SCHEMAS[table].names)
        connection.execute(
            f"CREATE VIEW {table} AS FROM _all_{table} SEMI JOIN _counting_{table} USING "
            f"({', '.join(KEYS[table])})"
        )
    return scanned


def _planned(results: Results) -> pa.Table:
    """One row per trial of each saved plan. axes: axis, or seed -> its value as people type it."""
    text, axes = pa.string(), pa.map_(pa.string(), pa.string())
    schema = pa.schema([(name, axes if name == "axes" else text) for name in VIEWS["plans"]])
    parts = [schema.empty_table()]
    for name in list_plans(results):
        info, table = read_plan(results, name, ["trial_id", "axes", "seed"], brief=True)
        typed = [
            [*((axis, label(json.loads(value))) for axis, value in row["axes"].items()), seed]
            for row in rows_of(table)
            for seed in [("seed", str(row["seed"]))]
        ]
        about = [pa.repeat(one, len(typed)) for one in (info.study, info.scale, info.name)]
        columns = [*about, table["trial_id"].cast(text), pa.array(typed, axes)]
        parts.append(pa.table(columns, schema=schema))
    return pa.concat_tables(parts)


def _whole(results: Results) -> Manifest | None:
    """The valid manifest, if its generation holds all runs and says which are accepted."""

    def look() -> Manifest | None:
        new, manifest = new_files(results, "runs")
        retracted = read_retractions(results).attempt_ids
        known = {key.partition("/")[2] for key in manifest.set_aside}
        older = any(set(_RUN_COLUMNS) - _names(path) for path in manifest.paths(results, "runs"))
        decided = manifest.number and manifest.accepted is None and retracted <= known
        return manifest if decided and not new and not older else None

    return restarting(results, look)


def _names(path: Path) -> set[str]:
    return set(pq.read_schema(path).names)


def _set_aside(manifest: Manifest) -> pa.Table:
    keys = [key.partition("/") for key in manifest.set_aside]
    columns = {
        "trial_id": pa.array([trial for trial, _, _ in keys], pa.string()),
        "attempt_id": pa.array([attempt for _, _, attempt in keys], pa.string()),
    }
    return pa.table(columns)


def _counts_by_manifest(manifest: Manifest) -> str:
    # Ids are most of what a scan reads, so they are left alone where no run is set aside.
    return f"{_IS_FINAL} AND {_NOT_ASIDE}" if manifest.set_aside else _IS_FINAL


def _check_content(results: Results, scanned: Sequence[Path]) -> None:
    """Raise InfrastructureError for a damaged file of a generation.

    DuckDB does not look at the checksums of pages. Large files would take longer than the query.
    """
    # A file that `compact --prune` took meanwhile is for DuckDB to miss.
    with suppress(FileNotFoundError):
        if sum(path.stat().st_size for path in scanned) > _SMALL_BYTES:
            return
        manifest = read_newest(results)
        for table in TABLES:
            if set(scanned) & set(manifest.paths(results, table)):
                check_content(results, manifest, table)


def _list(columns: Sequence[str], table: str = "") -> str:
    # Quoted: `limit` is a column here and a keyword of SQL.
    return ", ".join(f'{table}"{name}"' for name in columns)


# Whether a run is the accepted one of its trial.
_COUNTS_BY_ROW = "(trial_id, attempt_id) IN (SELECT (trial_id, attempt_id) FROM _accepted)"
_IS_FINAL = f"outcome IN ({', '.join(repr(outcome) for outcome in FINAL_OUTCOMES)})"
_NOT_ASIDE = "(trial_id, attempt_id) NOT IN (SELECT (trial_id, attempt_id) FROM _set_aside)"
_RUN_VIEWS = {
    "runs": f"SELECT {_list(_RUN_COLUMNS)} FROM _counted WHERE accepted",
    "attempts": f"SELECT {_list(_RUN_COLUMNS)}, accepted FROM _counted",
    "epochs": f"SELECT {_list(_EPOCH_KEYS)}, unnest(epochs, recursive := true) "
    "FROM _counted WHERE accepted",
}


def _register(
    connection: "DuckDBPyConnection", results: Results, table: str, columns: Sequence[str]
) -> list[Path]:
    """Create `_all_<table>`: every row once, as `read_table` gives them.

    A generation's columns are read only when needed. Returns the files that the view scans.
    """
    held, new = restarting(results, lambda: _sources(results, table, columns))
    return _view(connection, table, columns, held, new)


def _view(
    connection: "DuckDBPyConnection",
    table: str,
    columns: Sequence[str],
    held: list[Path],
    new: pa.Table | None = None,
) -> list[Path]:
    chosen = ", ".join(_plain_time(name) for name in columns)
    parts: list[str] = []
    if new is not None:
        connection.register(f"_new_{table}", new)
        parts.append(f"SELECT {chosen} FROM _new_{table}")
    for number, path in enumerate(held):
        scanned = _quoted(path)
        if set("*?[") & set(str(path)):
            # DuckDB would take it for a pattern. Its own reader is seven times faster than a data
            # set of pyarrow (measured).
            scanned = f"_held_{table}_{number}"
            connection.register(scanned, _data_set(path, SCHEMAS[table]))
        parts.append(f"SELECT {chosen} FROM {scanned}")
    connection.execute(f"CREATE VIEW _all_{table} AS {' UNION ALL '.join(parts)}")
    return held


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _plain_time(column: str) -> str:
    # In UTC and without a zone: with a zone, DuckDB needs an extension for nearly everything and
    # shows the local time.
    return (
        f"make_timestamp(epoch_us({column})) AS {column}"
        if column in ("started_at", "finished_at")
        else f'"{column}"'
    )


def _sources(results: Results, table: str, columns: Sequence[str]) -> tuple[list[Path], pa.Table]:
    """The generation's files to scan, and the rows that they do not contain."""
    schema = SCHEMAS[table]
    files, held = table_files(results, table)
    _check_memory(results, files, columns)
    loaded = [rows for path in files if (rows := load(path, schema, columns)) is not None]
    new = once_each(table, [empty(schema, columns), *loaded])
    # A file of an older version, which may lack columns, is read as a whole. So are all when a row
    # has a second copy that finished before the one in the generation, which is rare.
    older = any(set(columns) - _names(path) for path in held)
    added = None if older else _added(results, table, new, held)
    return ([], read_table(results, table, columns)) if added is None else (held, added)


def _check_memory(results: Results, files: Sequence[Path], columns: Sequence[str]) -> None:
    """Raise UserError if the rows of these files are more than the memory that is free.

    Linux would end the process without a word. Other systems do not say what is free.
    """
    try:
        if sum(path.stat().st_size for path in files) < _SMALL_BYTES:
            return
        available = re.search(r"MemAvailable:\s+(\d+)", _MEMORY.read_text())
        needed = _COPIES * sum(_bytes(path, set(columns)) for path in files)
    except OSError:
        return
    if available is None:
        return
    free = 1024 * int(available[1])
    if needed > free:
        raise UserError(
            f"{len(files):,} files of {results.path} are not compacted, and this query would take "
            f"{needed / 1e9:.0f} GB of memory for their rows ({free / 1e9:.0f} GB are free); "
            f"`odesweep compact --results {results.path}` makes it need little"
        )


def _bytes(path: Path, columns: set[str]) -> int:
    """What these columns take in memory, about: every number and every text 8 bytes."""
    found = pq.read_metadata(path)
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    chunks = (group.column(number) for group in groups for number in range(group.num_columns))
    return sum(
        8 * chunk.num_values
        for chunk in chunks
        if chunk.path_in_schema.partition(".")[0] in columns
    )


def _added(results: Results, table: str, new: pa.Table, held: Sequence[Path]) -> pa.Table | None:
    """The rows of `new` that the generation's files lack.

    None when one of `new` is to replace its copy there.
    """
    names = [*KEYS[table], "finished_at"]
    ids = sorted(set(values(new["trial_id"])))
    there = [load_held(results, path, SCHEMAS[table], names, ids) for path in held] if ids else []
    rows = pa.concat_tables([*there, new.select(names)])
    kept = kept_rows(table, rows, [piece.num_rows for piece in (*there, new)]).to_numpy()
    before = rows.num_rows - new.num_rows
    if (kept < before).sum() < before:
        return None
    return new.take(pa.array(kept[kept >= before] - before))


def _data_set(path: Path, schema: pa.Schema) -> Any:
    import pyarrow.dataset as ds

    return ds.dataset(path, schema=schema)
