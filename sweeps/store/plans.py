"""Saved plans: the trials, evaluations and probes of a study.

Analysis joins rows to them and so knows what is missing.
"""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sweeps.errors import InfrastructureError
from sweeps.store.files import list_files, one_line, publish_table
from sweeps.store.folders import Results, file_stem, is_name
from sweeps.store.parquet import load, load_metadata, required
from sweeps.store.renamed import OLD_PLAN, current_plan
from sweeps.store.schema import PLAN, check_keys, to_table
from sweeps.store.to_python import rows as rows_of
from sweeps.store.warn import warn_once

# A plan whose evaluations and probes have only their ids, and where a file has these.
_ITEMS = {"evaluations": "eval_id", "probes": "probe_id"}
_LEAVES = {column: f"{column}.list.element.{item}" for column, item in _ITEMS.items()}
_BRIEF = pa.schema(
    [
        pa.field(field.name, pa.list_(pa.struct([pa.field(_ITEMS[field.name], pa.string())])))
        if field.name in _ITEMS
        else field
        for field in PLAN
    ]
)


@dataclass(frozen=True)
class PlanInfo:
    """The study of a saved plan, at one scale, with the overrides that changed its grid.

    name: `<study>@<scale>[+<hash8>]`. reference: the study as the command line takes it, its name
    or its file. created_at: in ISO 8601.
    """

    name: str
    study: str
    reference: str
    scale: str
    scale_label: str = ""
    overrides: tuple[str, ...] = ()
    title: str = ""
    question: str = ""
    created_at: str = ""

    def adds_to(self, name: str, word: str = "+") -> bool:
        """Whether this is the plan `name` with a larger grid: all its overrides begin with `word`.

        word: "+", or "+KEY=" for those that add values of this key alone.
        """
        mine = self.name.startswith(f"{name}+")
        return mine and all(override.startswith(word) for override in self.overrides)

    def command(self, action: str, *words: str) -> str:
        """`odesweep ACTION` for this study, scale and overrides, with further words."""
        scale = ("--scale", self.scale)
        return shlex.join(["odesweep", action, self.reference, *scale, *self.overrides, *words])


class SavedPlan(NamedTuple):
    """A saved plan."""

    info: PlanInfo
    table: pa.Table

    def rows(self, columns: Sequence[str] = tuple(PLAN.names)) -> list[dict[str, Any]]:
        """One dict per trial. axes: axis -> value; evaluations and probes: one dict each."""
        rows = rows_of(self.table.select(columns))
        for row in rows:
            if "axes" in row:
                row["axes"] = {axis: _value(value) for axis, value in row["axes"].items()}
        return rows

    def by_axis(self) -> dict[str, dict[str, np.ndarray]]:
        """Axis (and seed) -> value as text -> the places of its trials in the plan, ascending."""
        axes, seed = (self.table[name].combine_chunks() for name in ("axes", "seed"))
        place = np.repeat(np.arange(len(axes)), np.diff(axes.offsets.to_numpy()))
        axis, names = _numbered(axes.keys)
        found = {}
        for number, name in enumerate(names):
            mine = axis == number
            found[name] = _by_value(axes.items.filter(pa.array(mine)), place[mine])
        return found | {"seed": _by_value(seed.cast(pa.string()), np.arange(len(seed)))}


def with_added(
    declared: Sequence[dict[str, Any]], larger: Iterable[Sequence[dict[str, Any]]], there: Set[str]
) -> list[dict[str, Any]]:
    """The rows of a plan, then those that `larger` plans add to it.

    Of added trials only those of `there`, with `added`. Trials of both have the evaluations and
    probes of both.
    """
    found = {row["trial_id"]: row for row in declared}
    for row in (row for rows in larger for row in rows):
        known = found.get(row["trial_id"])
        if known is None and row["trial_id"] in there:
            found[row["trial_id"]] = row | {"added": True}
        elif known is not None:
            found[row["trial_id"]] = known | {
                column: [*known[column], *(one for one in row[column] if one not in known[column])]
                for column in _ITEMS
            }
    return list(found.values())


def label(value: Any) -> str:
    """A value as people type it: 4 for 4.0, null, true, 1e-05, and strings without quotes."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)


def axis_words(axes: Mapping[str, Any]) -> list[str]:
    """`axis=value` for each axis, as the command line takes it."""
    return [f"{axis}={label(value)}" for axis, value in axes.items()]


def plan_path(results: Results, name: str) -> Path:
    """The path of the plan `<study>@<scale>[+<hash8>]`. Raises UserError for a bad name."""
    return results.plans / f"{file_stem(name)}.parquet"


def write_plan(results: Results, info: PlanInfo, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Save a plan in place of an earlier one of that name.

    rows: as of `SavedPlan.rows`. Raises SchemaError for wrong columns, UserError for a bad name,
    InfrastructureError if it cannot be written.
    """
    path = plan_path(results, info.name)
    table = _to_table(rows)
    about = asdict(info) | {"overrides": json.dumps(info.overrides)}
    results.create()
    with one_line(
        f"cannot write {path}", "make room or repair it, or give another folder with --results"
    ):
        publish_table(path, table, about, replace=True)
    return path


def read_plan(
    results: Results, name: str, columns: Sequence[str] = tuple(PLAN.names), *, brief: bool = False
) -> SavedPlan:
    """The plan of that name, with at least these columns.

    brief: of evaluations and probes possibly no more than the id. Raises UserError if there is none
    (it lists the existing ones), InfrastructureError if it is unreadable.
    """
    path = plan_path(results, name)
    names = ", ".join(list_plans(results)) or "none"
    missing = (
        f"no saved plan {name!r} in {results.plans}; there are: {names};"
        " odesweep plan STUDY --save makes one"
    )
    about = required(path, missing, load_metadata)
    if not _is_plan(path, about):
        raise InfrastructureError(f"{path} is not a saved plan; remove it and make the plan again")
    if "reference" in about:
        narrow = (_BRIEF, columns, _LEAVES) if brief else (PLAN, columns)
        table = required(path, missing, load, *narrow)
    else:
        old = required(path, missing, load, OLD_PLAN, OLD_PLAN.names)
        table, about = current_plan(old, about)
    overrides = tuple(json.loads(about.pop("overrides")))
    return SavedPlan(PlanInfo(**about | {"name": name}, overrides=overrides), table)


def list_plans(results: Results) -> list[str]:
    """Names of the saved plans, as `read_plan` takes them.

    Other files are skipped, each with a warning.
    """
    with one_line(f"cannot read {results.plans}", "check permissions and the disk"):
        paths = [results.plans / name for name in list_files(results.plans, ".parquet")]
        abouts = {path: load_metadata(path) for path in paths}
    for path, about in abouts.items():
        if about is not None and not _is_plan(path, about):
            warn_once(str(path), f"skipped {path}: not a saved plan")
    plans = [path for path, about in abouts.items() if about is not None and _is_plan(path, about)]
    return [path.stem.replace("--", "/") for path in plans]


def _is_plan(path: Path, about: Mapping[str, str]) -> bool:
    return is_name(path.stem) and about.keys() >= {"study", "scale", "overrides"}


def _to_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    encoded = []
    for row in rows:
        check_keys("plan", row, PLAN.names)
        for name in ("evaluations", "probes"):
            fields = [field.name for field in PLAN.field(name).type.value_type]
            for item in row[name]:
                check_keys(f"plan, {name}", item, fields)
        axes = [(axis, json.dumps(value)) for axis, value in row["axes"].items()]
        encoded.append({**row, "axes": axes})
    return to_table(PLAN, encoded)


def _numbered(column: pa.Array) -> tuple[np.ndarray, list[str]]:
    """The number of each value among the different ones, and these, in order of appearance."""
    encoded = column.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def _by_value(encoded: pa.Array, place: np.ndarray) -> dict[str, np.ndarray]:
    """The places of each value. encoded: the values as JSON."""
    number, texts = _numbered(encoded)
    ends = np.cumsum(np.bincount(number, minlength=len(texts)))
    parts = np.split(place[np.argsort(number, kind="stable")], ends[:-1])
    found: dict[str, np.ndarray] = {}
    for text, part in zip(texts, parts, strict=False):
        name = label(_value(text))
        # 4 and 4.0 are the same to people.
        found[name] = np.union1d(found[name], part) if name in found else part
    return found


@cache
def _value(encoded: str) -> Any:
    return json.loads(encoded)
