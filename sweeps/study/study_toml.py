"""A study written in TOML: the fields of `sweeps.study.Study`, without functions.

Tables are sections and dotted keys stand in quotes, as in Python. In conditions (`where`, `when`) a
list is several values.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from sweeps.errors import UserError, did_you_mean
from sweeps.study import EvaluationGrid, Exclude, ProbeGrid, Scale, Study

LISTS: dict[str, type[Any]] = {
    "evaluations": EvaluationGrid,
    "probes": ProbeGrid,
    "exclude": Exclude,
}
# What only code can give: functions, and fields of odesweep itself.
NOT_HERE = {Study: ("overrides", "swept", "testing"), Exclude: ("when",)}


def read(path: Path) -> list[Study]:
    """The study of the file, or those of its list `studies`. Raises UserError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from None
    tables = table["studies"] if set(table) == {"studies"} else [table]
    return [_study(one, str(path)) for one in _list(tables, f"{path}: studies")]


def _study(table: Any, place: str) -> Study:
    given = _fields(Study, table, place)
    scales = given["scales"]
    if isinstance(scales, Mapping):
        given["scales"] = {
            name: Scale(**_fields(Scale, scale, f"{place}: scales.{name}"))
            for name, scale in scales.items()
        }
    if isinstance(conditions := given.get("when"), Mapping):
        given["when"] = {axis: _condition(where) for axis, where in conditions.items()}
    return Study(**given)


def _fields(kind: type[Any], table: Any, place: str) -> dict[str, Any]:
    """The fields of a record of class `kind`; lists of records in it are made."""
    if not isinstance(table, Mapping):
        raise UserError(f"{place} is of type {type(table).__name__}; give a table")
    known = {one.name: one for one in fields(kind) if one.name not in NOT_HERE.get(kind, ())}
    for name in table:
        if name not in known:
            raise UserError(
                f"{place}: unknown field {name!r}{did_you_mean(name, known)}; valid here: "
                f"{', '.join(known)}"
            )
    for name, one in known.items():
        if name not in table and one.default is MISSING and one.default_factory is MISSING:
            raise UserError(f"{place}: {name} is missing")
    given = dict(table)
    for name, record in LISTS.items():
        if name in given:
            where = f"{place}: {name}"
            given[name] = [
                record(**_fields(record, one, where)) for one in _list(given[name], where)
            ]
    if "where" in given:
        given["where"] = _condition(given["where"])
    return given


def _list(tables: Any, place: str) -> Sequence[Any]:
    if not isinstance(tables, list):
        name = place.rpartition(": ")[2]
        raise UserError(f"{place} is of type {type(tables).__name__}; write [[{name}]]")
    return tables


def _condition(where: Any) -> Any:
    """Lists as several values."""
    if not isinstance(where, Mapping):
        return where
    return {
        axis: tuple(value) if isinstance(value, list) else value for axis, value in where.items()
    }
