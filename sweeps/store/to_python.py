"""Arrow columns as Python values.

This is several times faster than `to_pylist`, which makes an object for every scalar on the way
(measured).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from itertools import pairwise
from typing import Any

import pyarrow as pa


def values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of `column.to_pylist(maps_as_pydicts="strict")`; times with a zone are in UTC."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in values(chunk)]
    kind: Any = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "us":
        naive = column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False).tolist()
        return (
            [None if moment is None else moment.replace(tzinfo=UTC) for moment in naive]
            if kind.tz
            else naive
        )
    if pa.types.is_string(kind):
        return column.to_numpy(zero_copy_only=False).tolist()
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        rows = zip(*(values(field) for field in column.flatten()), strict=True)
        return _with_nulls(column, [dict(zip(names, row, strict=True)) for row in rows])
    if pa.types.is_map(kind):
        nested: Any = column
        pairs = list(zip(values(nested.keys), values(nested.items), strict=True))
        return _with_nulls(
            column, [dict(pairs[start:end]) for start, end in pairwise(nested.offsets.tolist())]
        )
    if pa.types.is_list(kind):
        nested = column
        items = values(nested.values)
        return _with_nulls(
            column, [items[start:end] for start, end in pairwise(nested.offsets.tolist())]
        )
    return column.to_pylist()


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """One dict per row."""
    columns = [values(column) for column in table.columns]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch garbage collection off inside.

    While hundreds of thousands of objects are created to stay, it would search all of them again
    and again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _with_nulls(column: pa.Array, items: list[Any]) -> list[Any]:
    if column.null_count:
        return [
            value if valid else None
            for value, valid in zip(items, column.is_valid().to_pylist(), strict=True)
        ]
    return items
