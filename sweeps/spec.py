"""Identity of specs: which trials, cells, evaluations or probes are the same.

An id is the 128-bit BLAKE2b hash, in hex, of canonical JSON: sorted keys and coerced types. Fields
that were added later are left out while they are neutral (`odecore.config.section.added_later`).
Revisions above 1 of the components that the spec names are included.
"""

import hashlib
import json
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from odecore.config import Evaluation, ProbeConfig, TrialSpec, lookup
from odecore.config.norm import Norm
from odecore.config.section import neutral_values
from sweeps.errors import UserError, did_you_mean

__all__ = [
    "Evaluation",
    "ProbeConfig",
    "TrialSpec",
    "canonical",
    "cell_id",
    "eval_id",
    "flatten",
    "parse",
    "probe_id",
    "trial_id",
]

PROBES: TypeAdapter[ProbeConfig] = TypeAdapter(ProbeConfig)


def canonical(section: BaseModel) -> dict[str, Any]:
    """The spec as plain data without fields at their neutral value.

    Sections that become empty are left out too.
    """
    neutral = neutral_values(type(section))
    plain: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if name in neutral and value == neutral[name]:
            continue
        if isinstance(value, BaseModel):
            inner = canonical(value)
            if inner:
                plain[name] = inner
        elif isinstance(value, tuple):
            plain[name] = [
                canonical(item) if isinstance(item, BaseModel) else item for item in value
            ]
        else:
            plain[name] = value
    return plain


def _digest(plain: dict[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _revisions(spec: BaseModel) -> dict[str, int]:
    """Revisions above 1 of the components that the spec names, as "registry.name" -> revision."""
    used = [
        (f"{registry}.{name}", table[name].revision_of(name))
        for registry, table in (
            ("data", lookup.DATA),
            ("model", lookup.MODELS),
            ("solver", lookup.SOLVERS),
            ("gradient", lookup.GRADIENTS),
        )
        if (name := getattr(getattr(spec, registry, None), "name", None)) is not None
    ]
    if isinstance(spec, TrialSpec):
        used.append(("training", lookup.TRAINING_REVISION))
        norms = [value for _, value in spec.model if isinstance(value, Norm)]
        used += [(f"norm.{norm.name}", norm.revision) for norm in norms]
    return {name: revision for name, revision in used if revision > 1}


def _identity(spec: BaseModel) -> dict[str, Any]:
    plain = canonical(spec)
    revisions = _revisions(spec)
    return plain | {"revisions": revisions} if revisions else plain


def trial_id(spec: TrialSpec) -> str:
    """The trial's identity, 32 hex digits."""
    return _digest(_identity(spec))


def cell_id(spec: TrialSpec) -> str:
    """The trial's identity without its seed: trials of one cell differ only in the seed."""
    plain = _identity(spec)
    del plain["seed"]
    return _digest(plain)


def eval_id(evaluation: Evaluation) -> str:
    """Identity of an evaluation, independent of the trial."""
    return _digest(_identity(evaluation))


def probe_id(probe: ProbeConfig) -> str:
    """Identity of a probe, independent of the trial."""
    return _digest(_identity(probe))


def flatten(section: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Nested sections as flat columns: solver.steps -> solver_steps.

    seed and precision keep their names. Lists become JSON text. A section that is null has no
    columns.
    """
    flat: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            flat |= flatten(value, f"{prefix}{name}_")
        elif isinstance(value, tuple):
            flat[f"{prefix}{name}"] = (
                json.dumps(section.model_dump(mode="json")[name]) if value else None
            )
        elif value is not None or not _sections(field.annotation):
            flat[f"{prefix}{name}"] = value
    return flat


def parse(values: dict[str, Any]) -> TrialSpec:
    """Plain nested values as a spec.

    Raises UserError, one line per mistake, with the key, the value and what is valid.
    """
    try:
        return TrialSpec.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise UserError("; ".join(_explain(item) for item in error.errors())) from None
    except (TypeError, ValueError) as error:
        raise UserError(f"not a spec: {error}") from None


def _explain(item: Any) -> str:
    # A discriminated union puts the chosen name into the path, but users never typed it.
    path = [str(part) for part in item["loc"]]
    keys = [
        part for index, part in enumerate(path) if index == 0 or not _is_choice(path[:index], part)
    ]
    key = ".".join(keys)
    given = item["input"]
    match item["type"]:
        case "union_tag_invalid":
            valid = [name.strip().strip("'") for name in item["ctx"]["expected_tags"].split(",")]
            return (
                f"unknown {key} {item['ctx']['tag']!r}; choose from "
                f"{', '.join(valid)}{did_you_mean(item['ctx']['tag'], valid)}"
            )
        case "union_tag_not_found":
            return f"{key}.name is missing"
        case "extra_forbidden":
            section = _section_at(path[:-1])
            valid = sorted(section.model_fields) if section else []
            whole = _keys_that_end_in(path[-1], TrialSpec) if len(path) == 1 else []
            hint = f" (did you mean {' or '.join(whole)}?)" if whole else ""
            return (
                f"unknown key {key!r}; valid here: "
                f"{', '.join(valid)}{hint or did_you_mean(path[-1], valid)}"
            )
        case "missing":
            return f"{key} is missing"
        case "value_error":
            return str(item["ctx"]["error"])
        case "model_type" | "model_attributes_type" | "dict_type":
            # Where one of several sections is chosen, none stands at the path itself.
            named = isinstance(given, str) and _section_at(path) is None
            how = f"{key}.name={given}" if named else f"{key}.KEY=value"
            return f"{key} = {given}: {key} is a section; write {how}"
        case _:
            return f"{key} = {given!r}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _sections(annotation: Any) -> dict[str, type[BaseModel]]:
    """The sections that a field's annotation allows, by name.

    A section without a name has the name of its class.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get("name")
        names = get_args(field.annotation) if field else (annotation.__name__,)
        return dict.fromkeys(names, annotation)
    return {
        name: section for part in get_args(annotation) for name, section in _sections(part).items()
    }


def _keys_that_end_in(name: str, section: type[BaseModel]) -> list[str]:
    """The dotted keys of a spec whose last part is `name`: lr -> train.optimizer.lr."""
    found: dict[str, None] = {}
    for field, about in section.model_fields.items():
        for inner in set(_sections(about.annotation).values()):
            within = [name] if name in inner.model_fields else []
            within += _keys_that_end_in(name, inner)
            found |= dict.fromkeys(f"{field}.{key}" for key in within)
    return sorted(found)


def _section_at(path: list[str]) -> type[BaseModel] | None:
    """The section at the end of pydantic's error path.

    Names of chosen sections are parts of the path.
    """
    section: type[BaseModel] | None = TrialSpec
    choices: dict[str, type[BaseModel]] = {}
    for part in path:
        if part in choices:
            section, choices = choices[part], {}
            continue
        field = section.model_fields.get(part) if section else None
        choices = _sections(field.annotation) if field else {}
        section = next(iter(choices.values())) if len(set(choices.values())) == 1 else None
    return section


def _is_choice(parents: list[str], part: str) -> bool:
    """Whether `part` of an error path is the name of the section chosen at `parents`.

    Users never type such a name as a key.
    """
    *before, parent = parents
    section = _section_at(before)
    field = section.model_fields.get(parent) if section else None
    return field is not None and part in _sections(field.annotation)
