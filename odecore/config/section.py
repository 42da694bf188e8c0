"""What every section of a spec shares: frozen, strict, no unknown key, no NaN; and fields that were added later."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """One section of a spec. Unknown keys, wrong types and non-finite numbers are errors; instances are immutable."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


def added_later(*, neutral: Any, default: Any = ..., **constraints: Any) -> Any:
    """A field that did not exist when older rows were written.

    neutral: the value that means what the code did before; the field is left out of the identity while it has it, so older rows keep their ids.
    default: the value new specs get; the neutral one when not given.
    """
    return Field(
        default=neutral if default is ... else default,
        json_schema_extra={"neutral": neutral},
        **constraints,
    )


def neutral_values(section: type[BaseModel]) -> dict[str, Any]:
    """Field name -> neutral value, for the fields of `section` that were added later."""
    found: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "neutral" in extra:
            found[name] = extra["neutral"]
    return found
