"""What figures and tables do with frames again and again: stack parts, put rows in an order."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd


def stack(parts: Iterable[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """The parts one below the other, with these columns.

    Empty parts and empty columns decide no type.
    """
    filled = [part.dropna(axis="columns", how="all") for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(filled, ignore_index=True).reindex(columns=list(columns))


def tuples(rows: pd.DataFrame, *columns: str) -> Iterable[tuple[Any, ...]]:
    """The values of these columns, row by row."""
    return rows.filter(columns).itertuples(index=False, name=None)


def in_order(rows: pd.DataFrame, column: str | list[str], order: Iterable[object]) -> pd.DataFrame:
    """Rows in this order of a column's values, or of several columns' tuples.

    Rows of other values last, equal ones as they stood.
    """
    place = {value: index for index, value in enumerate(order)}
    keys = rows[column] if isinstance(column, str) else tuples(rows, *column)
    places = [place.get(key, len(place)) for key in keys]
    return rows.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)
