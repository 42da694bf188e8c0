"""Identity of specs: what makes two trials, cells, evaluations or probes the same one.

An id is the 128-bit BLAKE2b hash, in hex, of canonical JSON: sorted keys, coerced types, fields that were added later left out while
neutral (`odecore.config.section.added_later`), and the revisions above 1 of whatever the spec names.
"""

import difflib
import hashlib
import json
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from odecore.config import Evaluation, ProbeConfig, TrialSpec, lookup
from odecore.config.section import neutral_values
from sweeps.errors import UserError

__all__ = ["Evaluation", "ProbeConfig", "TrialSpec", "canonical", "cell_id", "eval_id", "flatten", "parse", "probe_id", "trial_id"]

PROBES: TypeAdapter[ProbeConfig] = TypeAdapter(ProbeConfig)


def canonical(section: BaseModel) -> dict[str, Any]:
    """The spec as plain data without fields at their neutral value; sections left empty by that vanish too."""
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
        else:
            plain[name] = value
    return plain


def _digest(plain: dict[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _revisions(spec: BaseModel) -> dict[str, int]:
    """Revisions above 1 of what the spec names, as "registry.name" -> revision."""
    used = [
        (f"{registry}.{name}", table[name].revision)
        for registry, table in (("data", lookup.DATA), ("model", lookup.MODELS), ("solver", lookup.SOLVERS), ("gradient", lookup.GRADIENTS))
        if (name := getattr(getattr(spec, registry, None), "name", None)) is not None
    ]
    if isinstance(spec, TrialSpec):
        used.append(("training", lookup.TRAINING_REVISION))
    return {name: revision for name, revision in used if revision > 1}


def _identity(spec: BaseModel) -> dict[str, Any]:
    plain = canonical(spec)
    revisions = _revisions(spec)
    return plain | {"revisions": revisions} if revisions else plain


def trial_id(spec: TrialSpec) -> str:
    """The trial's identity, 32 hex digits."""
    return _digest(_identity(spec))


def cell_id(spec: TrialSpec) -> str:
    """The same without the seed: trials of one cell differ in nothing else."""
    plain = _identity(spec)
    del plain["seed"]
    return _digest(plain)


def eval_id(evaluation: Evaluation) -> str:
    """Identity of an evaluation, whichever trial it is applied to."""
    return _digest(_identity(evaluation))


def probe_id(probe: ProbeConfig) -> str:
    """Identity of a probe, whichever trial it is applied to."""
    return _digest(_identity(probe))


def flatten(section: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Nested sections as flat columns: solver.steps -> solver_steps; seed and precision keep their names."""
    flat: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            flat |= flatten(value, f"{prefix}{name}_")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def parse(values: dict[str, Any]) -> TrialSpec:
    """Plain nested values as a spec. Raises UserError, one line per mistake, naming the key, the value and what is valid."""
    try:
        return TrialSpec.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise UserError("; ".join(_explain(item) for item in error.errors())) from None
    except (TypeError, ValueError) as error:
        raise UserError(f"not a spec: {error}") from None


def _explain(item: Any) -> str:
    # A discriminated union puts the chosen name into the path; users never typed it.
    path = [str(part) for part in item["loc"]]
    keys = [part for index, part in enumerate(path) if index == 0 or not _is_choice(path[index - 1], part)]
    key = ".".join(keys)
    given = item["input"]
    match item["type"]:
        case "union_tag_invalid":
            valid = [name.strip().strip("'") for name in item["ctx"]["expected_tags"].split(",")]
            return f"unknown {key} {item['ctx']['tag']!r}; choose from {', '.join(valid)}{_nearest(item['ctx']['tag'], valid)}"
        case "union_tag_not_found":
            return f"{key}.name is missing"
        case "extra_forbidden":
            section = _section_at(path[:-1])
            valid = sorted(section.model_fields) if section else []
            return f"unknown key {key!r}; valid here: {', '.join(valid)}{_nearest(path[-1], valid)}"
        case "missing":
            return f"{key} is missing"
        case "value_error":
            return str(item["ctx"]["error"])
        case _:
            return f"{key} = {given!r}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _is_choice(parent: str, part: str) -> bool:
    tables = {"data": lookup.DATA, "model": lookup.MODELS, "solver": lookup.SOLVERS, "gradient": lookup.GRADIENTS}
    return part in tables.get(parent, {}) or (parent == "optimizer" and part in ("adam", "sgd"))


def _section_at(path: list[str]) -> type[BaseModel] | None:
    if not path:
        return TrialSpec
    tables = {"data": lookup.DATA, "model": lookup.MODELS, "solver": lookup.SOLVERS, "gradient": lookup.GRADIENTS}
    if path[0] in tables and len(path) > 1 and path[1] in tables[path[0]]:
        return tables[path[0]][path[1]].config
    field = TrialSpec.model_fields.get(path[0])
    annotation = field.annotation if field else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _nearest(given: str, valid: list[str]) -> str:
    close = difflib.get_close_matches(str(given), valid, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
