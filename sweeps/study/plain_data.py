"""What a study file gives, as plain data.

Plain are None, booleans, numbers, texts, and lists, tuples and dictionaries of these. Enums, paths,
generators, and scalars and arrays such as numpy's become what they stand for. All else is refused
in one line. place: how messages name a value.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import Any, TypeVar

from sweeps.errors import UserError

_Record = TypeVar("_Record")
# A longer axis is a mistake, such as a generator without end.
LONGEST = 100_000
# So are lists in lists in lists.
_DEEPEST = 20


def plain(value: Any, place: str, depth: int = 0) -> Any:
    """One value. Raises UserError."""
    if depth > _DEEPEST:
        raise UserError(f"{place}: lists or sections within each other, more than {_DEEPEST} deep")
    if isinstance(value, Enum):
        return plain(value.value, place, depth + 1)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise UserError(f"{place}: a whole number has at most 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UserError(f"{place}: {float(value)} is not a finite number")
        return float(value)
    if isinstance(value, str | PurePath):
        return _text(value, place)
    if isinstance(value, Mapping):
        return {
            _key(key, place): plain(inner, place, depth + 1)
            for key, inner in _items(value.items(), place)
        }
    if _is_array(value):
        return plain(_to_list(value, place), place, depth + 1)
    inner = (plain(item, place, depth + 1) for item in _items(value, place))
    return tuple(inner) if isinstance(value, tuple) else list(inner)


def listed(values: Any, place: str) -> Sequence[Any]:
    """The values of an axis or the like, in order; ranges stay as they are. Raises UserError."""
    if isinstance(values, range) and len(values) <= LONGEST:
        return values
    if _is_array(values):
        values = _to_list(values, place)
    if isinstance(values, str | PurePath | Mapping | Enum) or not isinstance(values, Iterable):
        raise UserError(f"{place} is of type {type(values).__name__}; give a list of values")
    return tuple(plain(value, place) for value in _items(values, place))


def section(values: Any, place: str) -> dict[str, Any]:
    """A dictionary with texts as keys. Raises UserError."""
    if not isinstance(values, Mapping):
        raise UserError(f"{place} is of type {type(values).__name__}; give a dictionary")
    return plain(values, place)


def records(values: Any, kind: type[_Record], place: str) -> tuple[_Record, ...]:
    """A list of objects of one class. Raises UserError."""
    if isinstance(values, kind):
        raise UserError(f"{place} is a single {kind.__name__}; give a list of them")
    found = _items(values, place)
    for one in found:
        if not isinstance(one, kind):
            raise UserError(
                f"{place} holds a value of type {type(one).__name__}; give a list of "
                f"{kind.__name__}"
            )
    return tuple(found)


def text(value: Any, place: str) -> str:
    """A text. Raises UserError."""
    if not isinstance(value, str):
        raise UserError(f"{place} is of type {type(value).__name__}; give a text")
    return _text(value, place)


def _key(key: Any, place: str) -> str:
    key = key.value if isinstance(key, Enum) else key
    if not isinstance(key, str):
        raise UserError(f"{place} has a name of type {type(key).__name__}; names are texts")
    return _text(key, place)


def _text(value: str | PurePath, place: str) -> str:
    text = str.__str__(value) if isinstance(value, str) else str(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UserError(f"{place}: {text!r} is not valid Unicode") from None
    return text


def _is_array(value: Any) -> bool:
    """Whether it is a scalar or an array of numpy, torch, pandas or the standard library."""
    return callable(getattr(type(value), "tolist", None))


def _to_list(value: Any, place: str) -> Any:
    try:
        return value.tolist()
    except Exception as error:
        raise UserError(f"{place}: {type(value).__name__} cannot be read: {error}") from error


def _items(values: Any, place: str) -> list[Any]:
    """At most LONGEST items of something that has an order."""
    kind = type(values).__name__
    if isinstance(values, set | frozenset):
        raise UserError(f"{place}: a {kind} has no order; give a list")
    if isinstance(values, bytes | bytearray | memoryview) or not isinstance(values, Iterable):
        raise UserError(
            f"{place} has a value of type {kind}; give numbers, texts, booleans, None, or lists "
            "and dictionaries of these"
        )
    try:
        found = list(islice(values, LONGEST + 1))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{place}: {kind} cannot be read: {error}") from error
    if len(found) > LONGEST:
        raise UserError(f"{place}: there are more than {LONGEST:,} values")
    return found
