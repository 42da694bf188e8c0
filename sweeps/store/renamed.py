"""Columns that older schema versions call by another name, so that older stores are read."""

import pyarrow as pa

# Schema version -> {its name of a column: the name in the next version}, nested fields included.
# A table whose newest schema still has the old name keeps it: `solver_name` in `runs`.
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
    """What the newest schema of its table calls the column `name` of a file of this version."""
    for older in sorted(RENAMED):
        if older >= version and name not in schema.names:
            name = RENAMED[older].get(name, name)
    return name


def current_names(data: pa.Table, version: int, schema: pa.Schema) -> pa.Table:
    """The table with the columns and nested fields of the newest schema; copies no values."""
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
