"""Published values: each paper's published.toml, every number with its source.

Tables show them beside our values.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pandas as pd

from analysis.rows.cells import interval
from analysis.rows.frames import in_order, tuples


def load(paper: str, name: str) -> dict[str, Any]:
    """The entries of one figure or table of a paper, such as "figure1" of "ott2021"."""
    text = files(f"analysis.{paper}").joinpath("published.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)[name]


def values(paper: str, name: str) -> pd.DataFrame:
    """The list `values` of an entry as rows.

    Columns: its keys, value, plus_minus (NaN if none is printed) and source (the entry's if a value
    has none). A number that is already in another entry is written as
    `of = { entry = "gusak2020/table1", net = "BN" }`.
    """
    entry = load(paper, name)
    rows = [
        {"plus_minus": float("nan"), "source": entry["source"]} | _with_number(value)
        for value in entry["values"]
    ]
    return pd.DataFrame(rows)


def _with_number(value: Mapping[str, Any]) -> dict[str, Any]:
    """A value with its number, from the entry that `of` names and the only value with its keys."""
    if "of" not in value:
        return dict(value)
    keys = dict(value["of"])
    paper, _, name = keys.pop("entry").partition("/")
    (number,) = [one["value"] for one in load(paper, name)["values"] if keys.items() <= one.items()]
    return {name: given for name, given in value.items() if name != "of"} | {"value": number}


def compare(numbers: pd.DataFrame, known: pd.DataFrame, on: Mapping[str, str]) -> pd.DataFrame:
    """`numbers` (see `cells`) with the published values.

    on: column of `numbers` -> column of `known` (as of `values`). Published values that we have no
    cell for are rows as well.
    """
    renamed = {theirs: ours for ours, theirs in on.items()}
    known = known.rename(
        columns={**renamed, "value": "published", "plus_minus": "published_plus_minus"}
    )
    keys = list(on)
    # As objects, numbers and texts can stand in one key.
    known, numbers = (
        rows.astype(dict.fromkeys(keys, object))
        for rows in (
            known.filter([*keys, "published", "published_plus_minus", "source"]),
            numbers,
        )
    )
    joined = numbers.merge(known, on=keys, how="outer", sort=False)
    # An outer merge sorts. Our rows come first and in their order.
    joined = in_order(joined, keys, tuples(numbers, *keys))
    counts = {
        name: joined[name].fillna(0).astype(int) for name in ("planned", "failed", "missing", "n")
    }
    return joined.assign(
        **counts,
        difference=joined["mean"] - joined["published"],
        source=joined["source"].astype(object).fillna(""),
    )


def readable(
    numbers: pd.DataFrame,
    columns: Mapping[str, str],
    decimals: int = 3,
    labels: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The result of `compare`, to print.

    These columns under new names, then ours, published and difference.

    labels: text -> what to print for it.
    """
    shown = [
        {
            title: (labels or {}).get(str(row[name]), str(row[name]))
            for name, title in columns.items()
        }
        | {
            "ours ± 95 % interval (n)": interval(row, decimals),
            "published": _published(row, decimals),
            "difference": _signed(row, decimals),
        }
        for row in numbers.to_dict("records")
    ]
    return pd.DataFrame(shown)


def _published(row: Mapping[Any, Any], decimals: int) -> str:
    if row["published"] != row["published"]:
        return "-"
    spread = row["published_plus_minus"]
    return f"{row['published']:.{decimals}f}" + (
        f" ± {spread:.{decimals}f}" if spread == spread else ""
    )


def _signed(row: Mapping[Any, Any], decimals: int) -> str:
    return "-" if row["difference"] != row["difference"] else f"{row['difference']:+.{decimals}f}"


def sources(numbers: pd.DataFrame) -> str:
    """The sources of the published values, for captions."""
    sources: list[str] = list(dict.fromkeys(numbers["source"])) if "source" in numbers else []
    named = "; ".join(filter(None, sources))
    return f"Published: {named}." if named else ""
