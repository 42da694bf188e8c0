"""The base of all sections of a spec: frozen, strict, no unknown keys, no NaN.

It also handles fields that were added later.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """One section of a spec.

    Unknown keys, wrong types and non-finite numbers are errors. Instances cannot be changed.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    @model_validator(mode="after")
    def _integers_fit(self) -> Self:
        """Columns and counters have 64 bits."""
        for name, value in self:
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError(f"{name} = {value}: a whole number here has at most 64 bits")
        return self


class Choice(Section):
    """One choice that a spec names, as a record: its config and where it is built. Free of torch.

    name: a Literal of the names that choose it.
    builder: "module:function", imported when first built; the base class says its signature.
    revision: raise it when a fix changes what the choice computes; its rows become stale.
    revisions: of names that have one of their own.
    """

    builder: ClassVar[str]
    revision: ClassVar[int] = 1
    revisions: ClassVar[Mapping[str, int]] = {}

    name: Any

    @classmethod
    def load(cls) -> Callable[..., Any]:
        """The builder. Importing its module also imports torch."""
        module, _, function = cls.builder.partition(":")
        return getattr(import_module(module), function)

    def check(self, spec: Any) -> None:
        """Raise ValueError if the other sections of this TrialSpec do not fit this choice."""

    @classmethod
    def revision_of(cls, name: str) -> int:
        """The revision of the choice of that name."""
        return cls.revisions.get(name, cls.revision)


_Kind = TypeVar("_Kind", bound=Choice)


def by_name(kind: type[_Kind]) -> dict[str, type[_Kind]]:
    """Name -> record, for the records of one kind in the order of their definition."""
    return {
        name: record
        for record in kind.__subclasses__()
        for name in get_args(record.model_fields["name"].annotation)
    }


def added_later(*, neutral: Any, default: Any = ..., **constraints: Any) -> Any:
    """A field that did not exist when older rows were written.

    neutral: the value that means what the code did before. The field is left out of the identity
    while it has this value, so that older rows keep their ids. default: the value of new specs, by
    default the neutral one.
    """
    return Field(
        default=neutral if default is ... else default,
        json_schema_extra={"neutral": neutral},
        **constraints,
    )


@cache
def neutral_values(section: type[BaseModel]) -> Mapping[str, Any]:
    """Field name -> neutral value, for the fields of `section` that were added later."""
    found: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "neutral" in extra:
            found[name] = extra["neutral"]
    return found
