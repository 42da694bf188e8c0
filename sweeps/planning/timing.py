"""Short trainings that measure what a study's steps cost on a device: those of `odesweep probe`."""

from dataclasses import replace
from typing import Any

from sweeps.planning.cost import cost_class
from sweeps.planning.operation_count import iterations, samples
from sweeps.spec import TrialSpec, cell_id, parse, trial_id
from sweeps.study.grid import PlannedTrial
from sweeps.study.overrides import Selection

STEPS = 20
# Parts of so many steps, each followed by scores; the first part warms up.
PART = 5
# So many batches are scored after each part.
SCORED_BATCHES = 4


def timed(selection: Selection) -> Selection:
    """A short training for each net, solver and batch of the selected trials; without evaluations.

    Nothing of it counts as a result.
    """
    short: dict[tuple[str, str], PlannedTrial] = {}
    for trial in selection.selected:
        key = cost_class(trial.spec.model_dump(mode="json"))
        if key not in short and iterations(trial.spec):
            spec = _short(trial.spec)
            short[key] = PlannedTrial(spec, trial_id(spec), cell_id(spec), trial.axes, (), ())
    trials = list(short.values())
    study = replace(selection.study, keep_weights="none")
    return replace(selection, study=study, declared=trials, selected=trials)


def _short(spec: TrialSpec) -> TrialSpec:
    values: dict[str, Any] = spec.model_dump(mode="json")
    scored = min(samples(spec, "test"), SCORED_BATCHES * spec.train.batch_size)
    for name in ("test_limit", "test_size"):
        if name in values["data"]:
            values["data"][name] = scored
    for also in values["train"]["also_test"]:
        also["limit"] = min(scored, also["limit"] or scored)
    values["train"] |= {"iterations": STEPS, "epochs": None, "record_every": PART, "schedule": None}
    return parse(values)
