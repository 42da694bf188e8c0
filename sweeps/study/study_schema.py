"""The JSON schema of study files in TOML, with which editors complete and check them.

It is made from the same classes that read the files, so it needs no copy that could become stale.
What only the whole study tells, such as the axes that a condition may name, `odesweep plan` checks.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from odecore.config import TrialSpec
from sweeps.keep_weights import KEEP
from sweeps.study import EvaluationGrid, Exclude, ProbeGrid, Scale, Study
from sweeps.study.study_toml import LISTS, NOT_HERE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VALUE = {"type": ["number", "string", "boolean", "array", "object"]}
_TEXT, _TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
_SEEDS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_NUMBERS = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}}
_CONDITION = {"type": "object", "description": "axis = value, or a list of values"}
_KEYS = {"type": "object", "description": "keys of the spec and their values"}
# Field -> its schema; the same name means the same in every record.
_FIELDS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("name", "title", "question", "expected", "paper", "fidelity"), _TEXT),
    **dict.fromkeys(("label", "reason", "probe"), _TEXT),
    "base": {"$ref": "#/$defs/base"},
    "grid": {
        "type": "object",
        "additionalProperties": {
            "anyOf": [
                {"type": "array", "items": _VALUE, "minItems": 1},
                {"type": "object", "additionalProperties": _KEYS, "minProperties": 1},
            ]
        },
    },
    "zip": {"type": "array", "items": _TEXTS},
    "include": {"type": "array", "items": {"type": "object"}},
    "when": {"type": "object", "additionalProperties": _CONDITION},
    "where": _CONDITION,
    "seeds": _SEEDS,
    "axes": {"type": "object", "additionalProperties": {"type": "array", "items": _VALUE}},
    "overrides": _KEYS,
    "thin": {"type": "boolean"},
    "solvers": _TEXTS,
    "solver": _KEYS,
    "steps": {"type": "array", "items": {"type": "integer", "minimum": 1}},
    "factors": _NUMBERS,
    "tolerances": _NUMBERS,
    "max_evaluations": {"type": "integer", "minimum": 1},
    "settings": _KEYS,
    "keep_weights": {"enum": list(KEEP)},
    "scales": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"$ref": "#/$defs/Scale"},
    },
    **{
        name: {"type": "array", "items": {"$ref": f"#/$defs/{kind.__name__}"}}
        for name, kind in LISTS.items()
    },
}


def study_schema() -> dict[str, Any]:
    """The schema: a file is one study, or a list `studies`."""
    spec = _partial(TrialSpec.model_json_schema(ref_template="#/$defs/{model}"))
    defs = spec.pop("$defs", {})
    defs |= {kind.__name__: _record(kind) for kind in (EvaluationGrid, ProbeGrid, Exclude, Scale)}
    # Dotted keys may stand beside sections.
    defs["base"] = spec | {"patternProperties": {r"\.": _VALUE}}
    study = _record(Study)
    return {
        "$schema": DIALECT,
        "title": "A study of odesweep",
        "anyOf": [
            study,
            {
                "type": "object",
                "required": ["studies"],
                "properties": {"studies": {"type": "array", "items": study}},
                "additionalProperties": False,
            },
        ],
        "$defs": defs,
    }


def _record(kind: type[Any]) -> dict[str, Any]:
    known = [one for one in fields(kind) if one.name not in NOT_HERE.get(kind, ())]
    needed = [
        one.name for one in known if one.default is MISSING and one.default_factory is MISSING
    ]
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": {one.name: _FIELDS[one.name] for one in known},
        "required": needed,
        "additionalProperties": False,
    }


def _partial(schema: Any) -> Any:
    """Nothing is required: an axis may give it. So a section may fit several of its choices."""
    if isinstance(schema, list):
        return [_partial(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        "anyOf" if key == "oneOf" else key: _partial(value)
        for key, value in schema.items()
        if key not in ("required", "discriminator")
    }
