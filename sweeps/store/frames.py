"""Data frames whose columns each hold values of one type, as Arrow and Polars need them."""

from typing import TYPE_CHECKING, Any

from sweeps.store.plans import label

if TYPE_CHECKING:
    import pandas as pd


def one_type(frame: "pd.DataFrame") -> "pd.DataFrame":
    """A copy in which no column mixes types.

    Where numbers stand beside empty texts, the texts become missing numbers. Other mixed columns
    become text.
    """
    import pandas as pd

    found = frame.copy()
    for name in found.columns:
        values = found[name]
        if not pd.api.types.is_object_dtype(values.dtype):
            continue
        there = [value for value in values if not _missing(value)]
        kinds = {_kind(value) for value in there}
        if kinds == {"number"}:
            found[name] = pd.to_numeric(values.where(~values.map(_missing)))
        elif len(kinds) > 1:
            found[name] = [None if _missing(value) else label(value) for value in values]
    return found


def _missing(value: Any) -> bool:
    return value is None or value == "" or value != value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth value"
    return "number" if isinstance(value, int | float) else type(value).__name__
