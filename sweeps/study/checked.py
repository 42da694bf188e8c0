"""What a study gives, checked while it is made: names, axes, scales and factors."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.errors import UserError
from sweeps.study.plain_data import listed, records, section, text

# "/" separates paper and study. The other characters are safe and readable in file names.
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*(-[a-z0-9_]+)*(/[a-z0-9][a-z0-9_]*(-[a-z0-9_]+)*)?")
_SCALE = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*")
# Both together are the name of the plan's file.
_LONGEST_NAME, _LONGEST_SCALE = 100, 50
# A key of the spec, or one name; so that the command line can name every axis.
_AXIS = re.compile(r"[^\s+=.][^=.]*(\.[^=.]+)*(?<!\s)")
# Factors beyond these are mistakes, and so would be the solvers that they give.
_LEAST_FACTOR, _LARGEST_FACTOR = 1e-9, 1e9


def settle(record: Any, **values: Any) -> None:
    """Set fields of a frozen record while it is made."""
    for name, value in values.items():
        object.__setattr__(record, name, value)


def grid(axes: Any, place: str) -> dict[str, Any]:
    """Axis -> its values, or its names with what they set."""
    if not isinstance(axes, Mapping):
        raise UserError(f"{place}: grid is of type {type(axes).__name__}; give a dictionary")
    found: dict[str, Any] = {}
    for axis, values in axes.items():
        check_axis(axis, place)
        where = f"{place}: axis {axis}"
        found[axis] = (
            {
                text(name, f"{where}: a name"): keys
                if callable(keys)
                else section(keys, f"{where}: {name}")
                for name, keys in values.items()
            }
            if isinstance(values, Mapping)
            else listed(values, where)
        )
        if not found[axis]:
            raise UserError(f"{where} has no values")
    return found


def check_name(name: Any) -> None:
    """Refuse a study's name that could not be part of the name of a file."""
    if not _NAME.fullmatch(text(name, "the name of a study")) or len(name) > _LONGEST_NAME:
        raise UserError(
            f"study name {name[:_LONGEST_NAME]!r}: use lower-case letters, digits, _ and single -, "
            f"with at most one /, at most {_LONGEST_NAME} characters"
        )


def check_axis(axis: Any, place: str) -> None:
    """Refuse an axis that a command line could not name."""
    name = text(axis, f"{place}: an axis")
    if name == "seed":
        raise UserError(f"{place}: no axis is called seed; give the seeds as seeds=(0, 1, 2)")
    plain_name = _AXIS.fullmatch(name) and name.isprintable()
    if not plain_name or name.startswith("evaluations."):
        raise UserError(
            f"{place}: {name!r} is no name for an axis; give a key of the spec, such as "
            "solver.steps, or a name of your own, such as norm"
        )


def scales(declared: Any, kind: type[Any], place: str) -> dict[str, Any]:
    """Name -> scale, of class `kind`."""
    if not isinstance(declared, Mapping) or not declared:
        raise UserError(
            f"{place}: declare at least one scale, such as "
            "scales={'paper': Scale('Paper scale.')}"
        )
    for name, scale in declared.items():
        if not _SCALE.fullmatch(text(name, f"{place}: a scale")) or len(name) > _LONGEST_SCALE:
            raise UserError(
                f"{place}: scale {name[:_LONGEST_SCALE]!r}: use letters, digits, _ and single -, "
                f"at most {_LONGEST_SCALE} characters"
            )
        records([scale], kind, f"{place}: scale {name}")
    return dict(declared)


def factors(given: Any, place: str) -> Sequence[float]:
    """Factors of steps or of a tolerance."""
    found = listed(given, f"{place}: factors")
    for factor in found:
        number = isinstance(factor, int | float) and not isinstance(factor, bool)
        if not number or not _LEAST_FACTOR <= factor <= _LARGEST_FACTOR:
            raise UserError(
                f"{place}: factor {factor!r} is no number from {_LEAST_FACTOR:g} to "
                f"{_LARGEST_FACTOR:g}"
            )
    return found
