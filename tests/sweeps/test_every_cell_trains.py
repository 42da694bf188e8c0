"""Every combination that a study uses trains one step forward and backward, is tested, and survives a cut in the middle of an epoch."""

import json

import pytest
from one_step import check, shrunk

from odecore.config import TrialSpec
from sweeps.overrides import select
from sweeps.studies import studies


def combinations() -> dict[str, TrialSpec]:
    """One spec for each distinct model, norms, solver, gradient and recipe of all studies at paper scale, named by its study and axes."""
    found: dict[str, TrialSpec] = {}
    seen: set[str] = set()
    for study in studies().values():
        if study.testing:
            continue
        for trial in select(study).declared:
            spec = shrunk(trial.spec).model_copy(update={"seed": 0})
            # Steps beyond a few run the same code for longer.
            if getattr(spec.solver, "steps", 0) > 8:
                continue
            values = spec.model_dump(mode="json")
            values["train"]["optimizer"].pop("lr")
            key = json.dumps(values, sort_keys=True)
            if key not in seen:
                seen.add(key)
                found[f"{study.name} {' '.join(f'{axis}={value}' for axis, value in trial.axes.items())}"] = spec
    return found


COMBINATIONS = combinations()


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", COMBINATIONS)
def test_it_trains_and_survives_a_cut(name: str) -> None:
    check(COMBINATIONS[name])
