"""The names that an axis of names takes from a registry."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from odecore.config import lookup


class Registry(NamedTuple):
    """The names that a key takes, and whether it takes them as a section."""

    key: str = ""
    names: tuple[str, ...] = ()
    as_section: bool = False


def registry(values: Mapping[str, Any]) -> Registry:
    """For the key that names of an axis set to themselves alone: batch: {model.norm: batch}."""
    for name, keys in values.items():
        if callable(keys) or len(keys) != 1:
            continue
        (key, chosen), *_ = keys.items()
        for table in (lookup.NORMS, lookup.SOLVERS, lookup.GRADIENTS, lookup.DATA):
            if name in table and chosen in (name, {"name": name}):
                return Registry(key, tuple(table), chosen != name)
    return Registry()
