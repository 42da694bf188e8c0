"""From a results folder to `Data`: which plan, its accepted rows, joined by id. Never knows how a grid is made, only what was planned."""

from pathlib import Path
from typing import Any

import pandas as pd

import sweeps.store as store
from analysis.data import Data, Plan
from analysis.errors import ReportError

# Of several scales of a study the first of these that exists is read, unless a plan is named.
SCALES = ("paper", "small", "smoke")

# Columns of the training run that evaluations and probes carry along, and what they are called there.
TRAINED = {
    "solver_name": "train_solver",
    "solver_steps": "train_steps",
    "accuracy_train": "train_accuracy",
    "seed": "seed",
    "data_name": "data_name",
    "data_dimension": "data_dimension",
}


def load(results: Path | str, study: str, plan: str | None = None) -> Data:
    """Rows of `study`'s plan, or of the one that `plan` names: `study@scale`, `study@scale+hash` or just a study.

    Raises ReportError when there is no such folder or plan, and the store's own one-line errors when it cannot be read.
    """
    folder = store.Results(results)
    if not folder.path.is_dir():
        raise ReportError(f"no results folder {results}; give the one that odesweep run wrote to with --results")
    chosen = _read_plan(folder, _choose_plan(folder, str(results), study, plan))
    runs = _runs(folder, chosen)
    return Data(
        plan=chosen,
        results=str(results),
        runs=runs,
        evaluations=_derived(store.accepted_evaluations(folder).to_pandas(), chosen.evaluations, "eval_id", runs),
        load_probe=lambda name: _derived(store.accepted_probes(folder, name).to_pandas(), _probes(chosen, name), "probe_id", runs),
    )


def _choose_plan(folder: store.Results, results: str, study: str, plan: str | None) -> str:
    wanted = plan or study
    names = store.list_plans(folder)
    if wanted in names:
        return wanted
    scales = {name.partition("@")[2]: name for name in names if name.partition("@")[0] == wanted}
    for scale in SCALES:
        if scale in scales:
            return scales[scale]
    if len(scales) == 1:
        return next(iter(scales.values()))
    if scales:
        raise ReportError(f"several plans of {wanted} in {results}; name one with --plan: {', '.join(scales.values())}")
    made_by = f"odesweep plan {wanted.partition('@')[0]} --save --results {results}"
    others = f"; plans here, for --plan: {', '.join(names)}" if names else ""
    raise ReportError(f"no plan of {wanted} in {results}; make it with: {made_by}{others}")


def _read_plan(folder: store.Results, name: str) -> Plan:
    saved = store.read_plan(folder, name)
    rows = saved.rows()
    about = saved.metadata
    return Plan(
        name=name,
        study=about["study"],
        scale=about["scale"],
        scale_label=about["scale_label"],
        overrides=about["overrides"],
        trials=_frame([row | {"axes": _text(row["axes"])} for row in rows], "trial_id", "seed", "axes", "command"),
        evaluations=_frame(_items(rows, "evaluations", "eval_id"), "trial_id", "eval_id", "axes"),
        probes=_frame(_items(rows, "probes", "probe_id", "name"), "trial_id", "probe_id", "axes", "name"),
    )


def _items(rows: list[dict[str, Any]], kind: str, *keys: str) -> list[dict[str, Any]]:
    return [
        {"trial_id": row["trial_id"], **{key: item[key] for key in keys}, "axes": _text(item["axes"])} for row in rows for item in row[kind] or ()
    ]


def _frame(rows: list[dict[str, Any]], *columns: str) -> pd.DataFrame:
    """A frame with these columns even without rows; what two figures share is planned once."""
    return pd.DataFrame(rows, columns=list(columns)).drop_duplicates(list(columns[:2]), ignore_index=True)


def _text(axes: dict[str, str] | None) -> str:
    return " ".join(f"{key}={value}" for key, value in (axes or {}).items())


def _runs(folder: store.Results, plan: Plan) -> pd.DataFrame:
    # Touching the nested column costs far more than all others together, and no figure of a plan needs it yet.
    columns = [name for name in store.SCHEMAS["runs"].names if name != "epochs"]
    rows = store.accepted_runs(folder, columns).to_pandas()
    return rows.merge(plan.trials.filter(["trial_id", "axes"]), on="trial_id")


def _probes(plan: Plan, name: str) -> pd.DataFrame:
    return plan.probes.loc[plan.probes["name"] == name]


def _derived(rows: pd.DataFrame, planned: pd.DataFrame, key: str, runs: pd.DataFrame) -> pd.DataFrame:
    """Of `rows` those that the plan asks for, with the columns TRAINED of their training run."""
    trained = runs.filter(["trial_id", *TRAINED]).rename(columns=TRAINED)
    return rows.merge(planned.filter(["trial_id", key, "axes"]), on=["trial_id", key]).merge(trained, on="trial_id")
