"""Everything known of some trials: their specs, the rows that count, their evaluations."""

import json
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from sweeps.errors import UserError
from sweeps.inspection.status import Watch
from sweeps.spec import parse
from sweeps.store import (
    SCHEMAS,
    accepted_evaluations,
    label,
    list_plans,
    list_submissions,
    read_plan,
    read_submission,
    read_table,
    spec_columns,
)

OUTCOME = ("outcome", "outcome_detail", "outcome_iteration", "outcome_epoch", "fingerprint")
TIME = (
    "train_seconds",
    "evaluate_seconds",
    "samples_per_second",
    "timing_valid",
    "peak_memory_bytes",
    "attempts",
)
PROVENANCE = (
    "code_commit",
    "code_dirty",
    "code_hash",
    "odesweep_version",
    "python_version",
    "torch_version",
    "numerics",
    "host",
    "device",
    "cpu_threads",
    "data_sha256",
    "executor",
    "weights_kept",
)
_IDS = ("trial_id", "cell_id", "attempt_id", "worker_id", "submission_id", "weights_sha256")
_MOMENTS = ("started_at", "finished_at")
# All other columns of a run that are no setting: accuracies, losses, counts.
METRICS = tuple(
    name
    for name in SCHEMAS["runs"].names
    if name not in {*spec_columns({}), *OUTCOME, *TIME, *PROVENANCE, *_IDS, *_MOMENTS}
    and name not in ("spec", "traceback", "epochs")
)
_COLUMNS = [*_IDS, "spec", "traceback", *_MOMENTS, *OUTCOME, *METRICS, *TIME, *PROVENANCE]


@dataclass(frozen=True)
class Facts:
    """One trial.

    axes: of the first saved plan that has it, with the seed. spec: dotted key -> value; empty if
    neither a row, a submission nor a plan gives it. row: the accepted one, otherwise the last one,
    without the spec's columns; empty if there is none. evaluations: of the accepted weights.
    """

    trial_id: str
    axes: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)
    evaluations: list[dict[str, Any]] = field(default_factory=list)


def facts(watch: Watch, trial_ids: Collection[str]) -> dict[str, Facts]:
    """trial_id -> what is known of it, in the order given. Raises the errors of `read_table`."""
    wanted = dict.fromkeys(trial_ids)
    rows = _rows(watch, wanted)
    specs = {trial: _spec(row["spec"]) for trial, row in rows.items()}
    axes = _axes(watch, wanted)
    specs |= _submitted(watch, wanted.keys() - specs.keys())
    specs |= _planned(watch, wanted.keys() - specs.keys())
    evaluations: dict[str, list[dict[str, Any]]] = {trial: [] for trial in wanted}
    for one in sorted(accepted_evaluations(watch.results).to_pylist(), key=test_order):
        if one["trial_id"] in evaluations:
            evaluations[one["trial_id"]].append(one)
    return {
        trial: Facts(
            trial,
            axes.get(trial, {}),
            specs.get(trial, {}),
            rows.get(trial, {}),
            evaluations[trial],
        )
        for trial in wanted
    }


def dotted(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted keys, as the command line takes them."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            flat |= dotted(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def test_order(evaluation: Mapping[str, Any]) -> tuple[str, float, float]:
    """The order of tests: by solver, then the coarsest first."""
    steps, tolerance = evaluation["test_solver_steps"], evaluation["test_solver_tolerance"]
    return evaluation["test_solver"] or "", steps or 0.0, -(tolerance or 0.0)


def tested_under(evaluation: Mapping[str, Any]) -> str:
    """The solver and the data of an evaluation, such as `euler steps=8 test`."""
    named = [evaluation["test_solver"] or "no solver"]
    for name in ("steps", "tolerance"):
        value = evaluation[f"test_solver_{name}"]
        named += [] if value is None else [f"{name}={label(value)}"]
    named += [evaluation["split"]]
    named += [f"limit={evaluation['limit']}"] if evaluation["limit"] else []
    named += [evaluation["precision"]] if evaluation["precision"] != "float32" else []
    named += [f"noise={evaluation['noise']}"] if evaluation["noise"] != "none" else []
    return " ".join(named)


def _spec(text: str) -> dict[str, Any]:
    """A stored spec, with the fields that were added since it was written."""
    values = json.loads(text)
    try:
        return dotted(parse(values).model_dump(mode="json"))
    except UserError:
        return dotted(values)  # of code whose specs had other fields


def _rows(watch: Watch, trial_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The row of each trial that counts, otherwise its last one."""
    chosen = {}
    for trial in trial_ids:
        standing = watch.view.accepted.get(trial)
        last = watch.view.attempts.get(trial, [])[-1:]
        for attempt in [standing] if standing else last:
            chosen[trial] = attempt.attempt_id
    table = read_table(watch.results, "runs", _COLUMNS, ids=list(chosen))
    return {
        row["trial_id"]: row
        for row in table.to_pylist()
        if chosen[row["trial_id"]] == row["attempt_id"]
    }


def _axes(watch: Watch, trial_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    wanted = set(trial_ids)
    for name in list_plans(watch.results):
        for row in read_plan(watch.results, name).rows():
            if row["trial_id"] in wanted:
                found.setdefault(row["trial_id"], {**row["axes"], "seed": row["seed"]})
    return found


def _submitted(watch: Watch, trial_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Specs of trials without a row, from submissions."""
    found: dict[str, dict[str, Any]] = {}
    for submission in list_submissions(watch.results) if trial_ids else ():
        for row in read_submission(watch.results, submission).rows():
            if row["trial_id"] in trial_ids:
                found[row["trial_id"]] = _spec(row["spec"])
    return found


def _planned(watch: Watch, trial_ids: Set[str]) -> dict[str, dict[str, Any]]:
    """Specs of trials that were only planned, where their studies still make the same trials."""
    from sweeps.studies import find
    from sweeps.study.overrides import select

    found: dict[str, dict[str, Any]] = {}
    for name in list_plans(watch.results) if trial_ids else ():
        plan = read_plan(watch.results, name)
        if not trial_ids & set(plan.table["trial_id"].to_pylist()):
            continue
        try:
            selection = select(find(plan.info.reference), plan.info.scale, plan.info.overrides)
        except UserError:
            continue  # the study has changed or its file has gone
        for trial in selection.declared:
            if trial.trial_id in trial_ids:
                found[trial.trial_id] = dotted(trial.spec.model_dump(mode="json"))
    return found
