"""Every combination that a study uses trains one step.

It goes forward and backward, is tested, and is interrupted in the middle of an epoch.
"""

import json

import pytest
from one_step import check, shrunk

from odecore.config import TrialSpec
from sweeps.studies import find, studies
from sweeps.study.overrides import select

STUDIES = [study.name for study in studies().values() if not study.testing]


def combinations(name: str) -> dict[str, TrialSpec]:
    """One spec for each distinct model, norms, solver, gradient and recipe of a study.

    At paper scale, by its axes.
    """
    found: dict[str, TrialSpec] = {}
    seen: set[str] = set()
    for trial in select(find(name)).declared:
        spec = shrunk(trial.spec).model_copy(update={"seed": 0})
        # Steps beyond a few run the same code for longer.
        if getattr(spec.solver, "steps", 0) > 8:
            continue
        values = spec.model_dump(mode="json")
        values["train"]["optimizer"].pop("lr")
        key = json.dumps(values, sort_keys=True)
        if key not in seen:
            seen.add(key)
            found[" ".join(f"{axis}={value}" for axis, value in trial.axes.items())] = spec
    return found


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("study", STUDIES)
def test_every_combination_of_a_study(study: str) -> None:
    failed = {}
    for cell, spec in combinations(study).items():
        try:
            check(spec)
        except Exception as error:
            failed[cell] = f"{type(error).__name__}: {error}"
    assert not failed
