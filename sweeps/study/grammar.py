"""What people type behind a study: `key=value`, `key=a,b`, `key=0..4`, `+key=value`.

A value is a number (4, .001, 1e3, 1_000), true, false or null, a text, with quotes if it would
mean something else without them ("4", 'a,b'), a list [a,b], or a section {name: group, groups: 4}.
Several values are a,b, a range 0..4, logspace(1e-4,1e-1,7) or linspace(0,1,5).
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sweeps.errors import UserError
from sweeps.store.plans import label
from sweeps.study.plain_data import LONGEST, plain

_RANGE = re.compile(r"(-?[0-9_]{1,24})\.\.(-?[0-9_]{1,24})")
_SPACED = re.compile(r"(logspace|linspace)\s*\((.*)\)", re.DOTALL)
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_NUMBER = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_CLOSING = {"[": "]", "{": "}", "(": ")", '"': '"', "'": "'"}
_DEEPEST = 20
_MEANT = "to mean the text itself, write it in quotes"


@dataclass(frozen=True)
class Override:
    """One override. extends: it was written with +. typed: each of the values as it was typed.

    text: all of it as it was typed.
    """

    key: str
    values: tuple[Any, ...]
    extends: bool
    typed: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def value(self) -> Any:
        """The first value, of an override that takes one."""
        return next(iter(self.values))

    @property
    def plus_key(self) -> str:
        """The key, with its +."""
        return f"{'+' if self.extends else ''}{self.key}"

    @property
    def wording(self) -> str:
        """The one way to write it, from which names of plans are made."""
        return f"{self.plus_key}={','.join(map(word, self.values))}"


def read(texts: Iterable[str]) -> list[Override]:
    """The overrides. Raises UserError, with what was typed."""
    overrides: dict[str, Override] = {}
    for given in texts:
        key, equals, typed = given.partition("=")
        key = key.strip()
        name = key.removeprefix("+")
        if not equals or not typed.strip() or any(not part.strip() for part in name.split(".")):
            raise UserError(
                f"override {given!r}: write key=value, such as solver.steps=2,4 or seed=0..4"
            )
        if key in overrides:
            raise UserError(
                f"{key} is given twice; write its values in one override, such as {key}=1,2"
            )
        values: list[Any] = []
        pieces: list[str] = []
        for piece in _split(key, typed):
            found = _values(key, piece)
            values += found
            pieces += [piece] if len(found) == 1 else [label(value) for value in found]
        overrides[key] = Override(name, tuple(values), key != name, tuple(pieces), given)
    return list(overrides.values())


def word(value: Any) -> str:
    """A value as `read` reads it back: `label`, in quotes if that would be read as another one."""
    shown = label(value)
    if not isinstance(value, str):
        return shown
    try:
        same = [one.values for one in read([f"k={shown}"])] == [(value,)] and shown == shown.strip()
    except UserError:
        same = False
    return shown if same else json.dumps(value)


def _split(key: str, text: str, separator: str = ",") -> list[str]:
    """The pieces between separators that stand outside of quotes and brackets."""
    pieces, start, expected = [], 0, ""
    for index, character in enumerate(text):
        if expected and expected[-1] in "\"'":
            if character == expected[-1] and not _escaped(text, index):
                expected = expected[:-1]
        elif expected and character == expected[-1]:
            expected = expected[:-1]
        elif character in _CLOSING and _opens(character, text[start:index].strip()):
            expected += _CLOSING[character]
            if len(expected) > _DEEPEST:
                raise UserError(f"{key}: more than {_DEEPEST} brackets within each other")
        elif character == separator and not expected:
            pieces.append(text[start:index])
            start = index + 1
    if expected:
        raise UserError(f"{key}={text}: a closing {expected[-1]} is missing; {_MEANT}")
    return [*pieces, text[start:]]


def _opens(character: str, before: str) -> bool:
    """Whether a quote or bracket has a meaning here. Inside of a word, as in it's, it has none."""
    if character == "(":
        return before in ("logspace", "linspace")
    return not before or before[-1] in "[{,:"


def _escaped(text: str, index: int) -> bool:
    """Whether the double quote there stands after an odd number of backslashes."""
    before = text[:index]
    return text[index] == '"' and (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _values(key: str, piece: str) -> Sequence[Any]:
    """The values of a piece: one, or those of a range."""
    text, place = piece.strip(), f"{key} = {piece.strip()}"
    if not text:
        raise UserError(f"{key}: a value between two commas is missing")
    if spaced := _SPACED.fullmatch(text):
        return _spaced(place, spaced[1], _split(key, spaced[2]))
    if ".." in text and text[0] not in "[{\"'":
        return _range(place, text)
    return [_value(place, text)]


def _range(place: str, text: str) -> range:
    match = _RANGE.fullmatch(text)
    ends = [_whole(place, end) for end in match.groups()] if match else [None, None]
    first, last = ends
    if first is None or last is None:
        raise UserError(f"{place}: a range is first..last in whole numbers, such as 0..4; {_MEANT}")
    if last < first:
        raise UserError(f"{place}: {first} is above {last}; write {last}..{first}")
    if last - first >= LONGEST:
        raise UserError(f"{place}: a range has at most {LONGEST:,} values")
    return range(first, last + 1)


def _whole(place: str, text: str) -> int | None:
    value = _number(place, text) if _NUMBER.fullmatch(text) else None
    return value if isinstance(value, int) else None


def _spaced(place: str, kind: str, texts: Sequence[str]) -> list[Any]:
    """N values from first to last, with equal differences (linspace) or ratios (logspace)."""
    numbers = [_number(place, text.strip()) for text in texts if _NUMBER.fullmatch(text.strip())]
    if not len(texts) == len(numbers) == 3:
        raise UserError(f"{place}: write {kind}(first,last,n), such as {kind}(1e-4,1e-1,7)")
    first, last, n = numbers
    if not isinstance(n, int) or not 2 <= n <= LONGEST:
        raise UserError(f"{place}: n is a whole number from 2 to {LONGEST:,}")
    if first == last:
        raise UserError(f"{place}: first and last are the same")
    if kind == "logspace" and (first <= 0 or last <= 0):
        raise UserError(
            f"{place}: logspace takes the first and the last value, not their exponents, and both "
            "are positive, such as logspace(1e-4,1e-1,7)"
        )
    import numpy as np

    with np.errstate(all="ignore"):
        found = (np.linspace if kind == "linspace" else np.geomspace)(first, last, n)
    if not np.isfinite(found).all():
        raise UserError(f"{place}: the numbers are too large")
    inner = list(map(_tidy, found[1:-1].tolist()))
    if isinstance(first, int) and isinstance(last, int) and all(map(float.is_integer, inner)):
        inner = [int(value) for value in inner]
    return [first, *inner, last]


def _tidy(value: float) -> float:
    """The value without rounding noise: 0.3, not 0.30000000000000004."""
    short = float(f"{value:.12g}")
    return short if math.isclose(short, value, rel_tol=1e-14) else value


def _value(place: str, text: str) -> Any:
    """One value."""
    if text[0] in "\"'[{":
        if len(text) < 2 or text[-1] != _CLOSING[text[0]]:
            raise UserError(f"{place}: a value ends with its closing {_CLOSING[text[0]]}; {_MEANT}")
        return _enclosed(place, text)
    if text in _WORDS:
        return _WORDS[text]
    return _number(place, text) if _NUMBER.fullmatch(text) else plain(text, place)


def _enclosed(place: str, text: str) -> Any:
    """A text in quotes, a list or a section."""
    inner = text[1:-1]
    if text[0] == "'":
        return plain(inner, place)
    if text[0] == '"':
        try:
            return plain(json.loads(text, strict=False), place)
        except ValueError:
            raise UserError(f'{place}: write " inside of a text as \\"') from None
    parts = [part.strip() for part in _split(place, inner)] if inner.strip() else []
    if "" in parts:
        raise UserError(f"{place}: a value between two commas is missing")
    if text[0] == "[":
        return plain([_value(place, part) for part in parts], place)
    found: dict[str, Any] = {}
    for part in parts:
        name, *rest = _split(place, part, ":")
        value = ":".join(rest)
        if not name.strip() or not value.strip():
            raise UserError(f"{place}: a section is {{name: value, name: value}}")
        found[str(_value(place, name.strip()))] = _value(place, value.strip())
    return plain(found, place)


def _number(place: str, text: str) -> int | float:
    """A number. One that is whole and has no decimal point is a whole number: 1e3."""
    digits = text.replace("_", "")
    number = float(digits)
    if not math.isfinite(number):
        raise UserError(f"{place}: the number is too large")
    if "." in digits or not number.is_integer():
        return number
    if abs(number) >= 2**63 and not digits.lstrip("+-").isdigit():
        return number
    return plain(int(Decimal(digits)), place)
