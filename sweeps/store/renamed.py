"""What older schema versions wrote differently, so that older stores can be read."""

import json
import shlex
from typing import Any

import pyarrow as pa

from sweeps.store.schema import PLAN, to_table
from sweeps.store.to_python import rows

# Schema version -> {its name of a column: the name in the next version}, including nested fields. A
# table whose newest schema still has the old name keeps it: `solver_name` in `runs`.
RENAMED: dict[int, dict[str, str]] = {
    1: {
        "evaluations_forward": "nfe_forward",
        "evaluations_backward": "nfe_backward",
        "evaluations_per_batch": "nfe_per_batch",
        "solver_name": "test_solver",
        "solver_steps": "test_solver_steps",
        "solver_tolerance": "test_solver_tolerance",
        "solver_max_evaluations": "test_solver_max_evaluations",
        "solver_backend": "test_solver_backend",
    },
}


def current_name(name: str, version: int, schema: pa.Schema) -> str:
    """The newest name of the column `name` of a file of this version."""
    for older in sorted(RENAMED):
        if older >= version and name not in schema.names:
            name = RENAMED[older].get(name, name)
    return name


def current_names(data: pa.Table, version: int, schema: pa.Schema) -> pa.Table:
    """The table with the columns and nested fields of the newest schema. Copies no values."""
    columns = [
        pa.chunked_array(
            [chunk.view(_current_type(chunk.type, version, schema)) for chunk in column.chunks],
            _current_type(column.type, version, schema),
        )
        if pa.types.is_nested(column.type)
        else column
        for column in data.columns
    ]
    return pa.table(
        columns, names=[current_name(name, version, schema) for name in data.column_names]
    )


def _current_type(kind: pa.DataType, version: int, schema: pa.Schema) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(_current_type(kind.value_type, version, schema))
    if pa.types.is_struct(kind):
        return pa.struct(
            [
                pa.field(
                    current_name(field.name, version, schema),
                    _current_type(field.type, version, schema),
                    metadata=field.metadata,
                )
                for field in kind
            ]
        )
    return kind


# A plan of versions 1 and 2: every axis as text, and a command for each trial.
_OLD_AXES = pa.field("axes", pa.map_(pa.string(), pa.string()))
_OLD_ITEM = [_OLD_AXES, pa.field("eval_id", pa.string())]
_OLD_PROBE = [_OLD_AXES, pa.field("probe_id", pa.string()), pa.field("name", pa.string())]
OLD_PLAN = pa.schema(
    [
        *(PLAN.field(name) for name in ("trial_id", "cell_id", "axes", "seed")),
        *(PLAN.field("predicted_seconds"), pa.field("command", pa.string())),
        pa.field("evaluations", pa.list_(pa.struct(_OLD_ITEM))),
        pa.field("probes", pa.list_(pa.struct(_OLD_PROBE))),
    ]
)


def current_plan(old: pa.Table, about: dict[str, str]) -> tuple[pa.Table, dict[str, str]]:
    """A plan of `OLD_PLAN` and its metadata, as of today's version.

    The study's reference and the overrides come from the first trial's command, which ends with
    the values of its axes and its seed.
    """
    plan = rows(old)
    reference, overrides = about["study"], about["overrides"].split()
    if plan:
        _, _, reference, _, _, *words = shlex.split(plan[0]["command"])
        overrides = words[: len(words) - len(plan[0]["axes"]) - 1]
    about |= {"reference": reference, "overrides": json.dumps(overrides)}
    for row in plan:
        row["axes"] = [(axis, json.dumps(_typed(text))) for axis, text in row["axes"].items()]
        for item in (*row["evaluations"], *row["probes"]):
            item |= _test_fields(item.pop("axes"))
    return to_table(PLAN, plan), about


def _test_fields(axes: dict[str, str]) -> dict[str, Any]:
    names = {axis: text.split(",") for axis, text in axes.items()}
    return {
        "grid": names.get("grid", []),
        "solver": axes.get("solver"),
        "factor": [float(text) for text in names.get("factor", [])],
        "steps": int(axes["steps"]) if "steps" in axes else None,
        "tolerance": float(axes["tolerance"]) if "tolerance" in axes else None,
    }


def _typed(text: str) -> Any:
    """The value of an axis that was written as people type it."""
    try:
        return json.loads(text)
    except ValueError:
        return text
