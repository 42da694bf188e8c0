"""The store's tables: explicit schemas, version 4, and a check of the columns of rows.

pyarrow silently drops a misspelt key and takes a folder's schema from its first file. Therefore
every row is checked before it is written, and every file is read with the schema written here. A
later version adds nullable columns, or renames columns and says so in `renamed.py`.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from sweeps.store.spec_types import spec_types

VERSION = 4
VERSION_KEY = b"odesweep_schema"

FINAL_OUTCOMES = ("completed", "diverged", "solver_failed")
OUTCOMES = (*FINAL_OUTCOMES, "crashed", "out_of_memory", "timed_out")

_TEXT, _INT, _INT32, _FLOAT, _FLOAT32, _BOOL = (
    pa.string(),
    pa.int64(),
    pa.int32(),
    pa.float64(),
    pa.float32(),
    pa.bool_(),
)
_TIME = pa.timestamp("us", tz="UTC")

# What a number counts, by the end or the beginning of its name. This is stored in the field's
# metadata, so that the files explain themselves.
_UNITS = {"_seconds": "s", "_bytes": "B", "samples_per_second": "1/s"}
_COUNTS = {"nfe_": "evaluations of the right-hand side"}


class SchemaError(ValueError):
    """Rows that do not fit their table: a mistake in the program, never in the data."""


def _field(name: str, kind: pa.DataType) -> pa.Field:
    unit = next(
        (
            unit
            for ending, unit in _UNITS.items()
            if name.endswith(ending) or name == ending.lstrip("_")
        ),
        None,
    )
    unit = unit or next(
        (unit for beginning, unit in _COUNTS.items() if name.startswith(beginning)), None
    )
    return pa.field(name, kind, metadata={"unit": unit} if unit else None)


def _fields(*groups: tuple[pa.DataType, str]) -> list[pa.Field]:
    return [_field(name, kind) for kind, names in groups for name in names.split()]


_SPEC = [_field(name, kind) for name, kind in spec_types().items()]

_EPOCH = _fields(
    (_INT, "iteration epoch"),
    (
        _FLOAT,
        (
            "loss_train accuracy_train loss_test accuracy_test learning_rate gradient_norm_max "
            "bias_gradient_norm_max"
        ),
    ),
    (_INT, "nfe_forward nfe_backward"),
    (_FLOAT, "train_seconds evaluate_seconds"),
    (_INT, "peak_memory_bytes"),
)

_RUNS = [
    *_fields((_TEXT, "trial_id cell_id attempt_id spec")),
    *_SPEC,
    *_fields(
        (_TEXT, "outcome outcome_detail"),
        (_INT, "outcome_iteration outcome_epoch"),
        (_TEXT, "traceback fingerprint"),
        (_TIME, "started_at finished_at"),
        (_FLOAT, "accuracy_test accuracy_train loss_test loss_train accuracy_test_best"),
        (_INT, "iteration_best parameters depth_layers n_blocks"),
        (_FLOAT, "train_seconds evaluate_seconds"),
        (_INT, "nfe_forward nfe_backward fallbacks peak_memory_bytes"),
        (_FLOAT, "samples_per_second"),
        (_BOOL, "timing_valid"),
        (_INT32, "attempts"),
        # weights_kept: whether weights/ has those of a trained net. Null in rows before version 4,
        # which kept all.
        (_TEXT, "numerics weights_sha256"),
        (_BOOL, "weights_kept"),
        (_TEXT, "code_commit"),
        (_BOOL, "code_dirty"),
        (_TEXT, "code_hash odesweep_version python_version torch_version host device"),
        (_INT32, "cpu_threads"),
        (_TEXT, "data_sha256 executor worker_id submission_id"),
    ),
    pa.field("epochs", pa.list_(pa.struct(_EPOCH))),
]

# `test_solver...` is the solver of the evaluation or probe; `solver_...` is the solver of the
# training.
_EVALUATIONS = _fields(
    (_TEXT, "trial_id weights_sha256 eval_id attempt_id test_solver"),
    (_INT, "test_solver_steps"),
    (_FLOAT, "test_solver_tolerance"),
    (_INT, "test_solver_max_evaluations test_solver_fallback_steps"),
    (_TEXT, "test_solver_backend split"),
    (_INT, "limit batch_size"),
    (_TEXT, "precision noise outcome outcome_detail"),
    (_INT, "samples correct"),
    (_FLOAT, "accuracy loss nfe_per_batch seconds"),
    (_TIME, "finished_at"),
    (_TEXT, "device"),
    (_INT32, "cpu_threads"),
    (_TEXT, "code_hash worker_id"),
)

_PROBE = _fields(
    (_TEXT, "trial_id weights_sha256 probe_id attempt_id"),
    (_TIME, "finished_at"),
    (_TEXT, "test_solver"),
    (_INT, "test_solver_steps"),
    (_FLOAT, "test_solver_tolerance"),
)

SCHEMAS: dict[str, pa.Schema] = {
    "runs": pa.schema(_RUNS),
    "evaluations": pa.schema(_EVALUATIONS),
    "probe_trajectory": pa.schema(
        [*_PROBE, *_fields((_INT32, "point label step"), (_FLOAT, "t"), (_FLOAT32, "x1 x2"))]
    ),
    "probe_decision_grid": pa.schema([*_PROBE, *_fields((_FLOAT32, "x1 x2 p1"))]),
    "probe_layer_statistics": pa.schema(
        [*_PROBE, *_fields((_INT32, "layer channel"), (_FLOAT, "t mean var"))]
    ),
    "probe_series": pa.schema(
        [*_PROBE, *_fields((_INT, "iteration"), (_TEXT, "name"), (_FLOAT, "value"))]
    ),
}
TABLES = tuple(SCHEMAS)
PROBES = tuple(table for table in TABLES if table.startswith("probe_"))
# What is computed from the weights of a run.
DERIVED = ("evaluations", *PROBES)

# What identifies a row (of a probe: the block of rows of one computation), in any file.
KEYS: dict[str, tuple[str, ...]] = {
    "runs": ("trial_id", "attempt_id"),
    "evaluations": ("trial_id", "attempt_id", "weights_sha256", "eval_id"),
    **dict.fromkeys(PROBES, ("trial_id", "attempt_id", "weights_sha256", "probe_id")),
}

# Columns that every version's files have and no row leaves empty: they tell one table's files from
# another's.
FILLED: dict[str, tuple[str, ...]] = {
    table: (*KEYS[table], "finished_at", *own.split())
    for table, own in {
        "runs": "cell_id spec outcome",
        "evaluations": "outcome",
        "probe_trajectory": "point step",
        "probe_decision_grid": "p1",
        "probe_layer_statistics": "layer channel",
        "probe_series": "iteration name",
    }.items()
}

# Which evaluation grids ask for it, under which solver. A setting that serves several factors has
# all of them.
_TEST = [
    pa.field("grid", pa.list_(_TEXT)),
    _field("solver", _TEXT),
    pa.field("factor", pa.list_(_FLOAT)),
    *_fields((_INT, "steps"), (_FLOAT, "tolerance")),
]
PLAN = pa.schema(
    [
        *_fields((_TEXT, "trial_id cell_id")),
        # Axis -> its value as JSON: a number, a truth value or a name.
        pa.field("axes", pa.map_(_TEXT, _TEXT)),
        *_fields((_INT, "seed"), (_FLOAT, "predicted_seconds")),
        pa.field("evaluations", pa.list_(pa.struct([_field("eval_id", _TEXT), *_TEST]))),
        pa.field("probes", pa.list_(pa.struct([*_fields((_TEXT, "probe_id name")), *_TEST]))),
    ]
)
SUBMISSION = pa.schema(
    [
        *_fields((_INT32, "task shard"), (_TEXT, "trial_id spec"), (_BOOL, "train")),
        pa.field("evaluations", pa.list_(_TEXT)),
        pa.field("probes", pa.list_(_TEXT)),
        *_fields((_FLOAT, "predicted_seconds")),
        # `axis=value` for each axis and the seed; null in submissions of older versions.
        pa.field("axes", pa.list_(_TEXT)),
    ]
)


def schema_of(table: str) -> pa.Schema:
    """The schema of one table. Raises SchemaError, which names the existing tables."""
    if table not in SCHEMAS:
        raise SchemaError(f"unknown table {table!r}; there are: {', '.join(TABLES)}")
    return SCHEMAS[table]


def filled_columns(schema: pa.Schema) -> tuple[str, ...]:
    """FILLED of the table of this schema; of a plan or a submission what every one of them has."""
    table = next((table for table, known in SCHEMAS.items() if known is schema), None)
    if table is not None:
        return FILLED[table]
    return ("trial_id", "spec") if schema is SUBMISSION else ("trial_id", "cell_id", "axes")


def spec_columns(flat: Mapping[str, Any]) -> dict[str, Any]:
    """All spec columns of `runs` for a flattened spec, None if its families lack a field.

    Raises SchemaError for a field without a column.
    """
    names = [field.name for field in _SPEC]
    if extra := sorted(set(flat) - set(names)):
        raise SchemaError(f"no section of a spec has {', '.join(extra)}")
    return {name: flat.get(name) for name in names}


def check_rows(table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Check that every row has exactly the table's columns.

    Its keys must be filled, its outcome known, and times need a time zone. Raises SchemaError.
    """
    schema = schema_of(table)
    times = [field.name for field in schema if field.type == _TIME]
    for row in rows:
        check_keys(f"table {table}", row, schema.names)
        for name in FILLED[table]:
            if row[name] is None:
                raise SchemaError(f"table {table}: {name} is empty")
        if "outcome" in row and row["outcome"] not in OUTCOMES:
            raise SchemaError(
                f"table {table}: unknown outcome {row['outcome']!r}; there are: "
                f"{', '.join(OUTCOMES)}"
            )
        for name in times:
            if isinstance(row[name], datetime) and row[name].tzinfo is None:
                raise SchemaError(f"table {table}: {name} has no time zone; use datetime.now(UTC)")
        for epoch in row.get("epochs") or ():
            check_keys(f"table {table}, epochs", epoch, [field.name for field in _EPOCH])


def check_keys(where: str, row: Mapping[str, Any], names: Sequence[str]) -> None:
    """Check the keys of `row`.

    Raises SchemaError that lists missing and unknown keys, with the nearest right name.
    """
    if len(row) == len(names) and all(name in row for name in names):
        return
    missing = [name for name in names if name not in row]
    extra = sorted(set(row) - set(names))
    problems = [f"missing {', '.join(missing)}"] if missing else []
    if extra:
        near = [(name, difflib.get_close_matches(name, missing or names, n=1)) for name in extra]
        problems.append(
            "unknown "
            + ", ".join(
                f"{name} (did you mean {close[0]}?)" if close else name for name, close in near
            )
        )
    raise SchemaError(f"{where}: {'; '.join(problems)}")


def to_table(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Checked rows as an Arrow table.

    Raises SchemaError that names the column whose values do not fit its type.
    """
    columns = []
    for field in schema:
        try:
            columns.append(pa.array([row[field.name] for row in rows], type=field.type))
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise SchemaError(f"column {field.name} ({field.type}): {error}") from None
    return pa.Table.from_arrays(columns, schema=schema)
