"""What is left to do: the difference between a grid and what is accepted."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from sweeps.device import Device, here
from sweeps.errors import UserError
from sweeps.keep_weights import Keep
from sweeps.limits import Limits
from sweeps.planning.cost import Costs
from sweeps.planning.forecast import Forecast, forecast
from sweeps.planning.missing import Done, reachable, undone
from sweeps.spec import TrialSpec, canonical, parse
from sweeps.study.derived import PlannedEvaluation, PlannedProbe
from sweeps.study.grid import PlannedTrial
from sweeps.study.overrides import Selection, matches

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from sweeps.store import Results

State = Literal["done", "pending", "in_flight"]
# What `plan` needs to know about accepted runs.
ROW_COLUMNS = (
    "trial_id",
    "cell_id",
    "spec",
    "outcome",
    "weights_sha256",
    "weights_kept",
    "train_seconds",
    "evaluate_seconds",
    "nfe_forward",
    "device",
    "cpu_threads",
    "numerics",
    "code_hash",
)


@dataclass(frozen=True)
class Entry:
    """One selected trial and what is left to do for it.

    outcome: of its accepted row. seconds: of one slot, for what is left. source: of them, see
    `sweeps.planning.cost.SOURCES`. out_of_reach: how many evaluations and probes need weights that
    were not kept. first: whether it comes before others.
    """

    trial: PlannedTrial
    state: State
    outcome: str | None
    missing_evaluations: tuple[PlannedEvaluation, ...]
    missing_probes: tuple[PlannedProbe, ...]
    seconds: float
    source: str
    out_of_reach: int = 0
    first: bool = False

    @property
    def submits(self) -> bool:
        """Whether anything would be submitted for it.

        Training, or evaluations and probes of saved weights.
        """
        return self.state == "pending" or (
            self.state == "done" and bool(self.missing_evaluations or self.missing_probes)
        )


@dataclass(frozen=True, repr=False)
class Plan:
    """The selected trials with their states.

    stale: accepted trial -> the selected one that differs from it only in revisions of components.
    code_hashes: code hash -> accepted rows of the selection with it.
    """

    selection: Selection
    entries: tuple[Entry, ...]
    stale: dict[str, str]
    code_hashes: dict[str, int]

    def of(self, state: State) -> list[Entry]:
        """Entries in that state."""
        return [entry for entry in self.entries if entry.state == state]

    @property
    def out_of_reach(self) -> tuple[int, int]:
        """Evaluations and probes that need weights that were not kept, and of how many nets."""
        lost = [entry.out_of_reach for entry in self.entries if entry.out_of_reach]
        return sum(lost), len(lost)

    def with_first(self, texts: Sequence[str]) -> "Plan":
        """The same plan, in which the trials that match all of `texts` come before the others.

        texts: such as "seed=0". Raises UserError if no selected trial matches.
        """
        matching = matches(self.selection, texts) if texts else set()
        entries = [replace(one, first=one.trial.trial_id in matching) for one in self.entries]
        return replace(self, entries=tuple(sorted(entries, key=lambda one: not one.first)))

    @property
    def seconds(self) -> float:
        """Predicted for everything that would be submitted, of one slot."""
        return sum(entry.seconds for entry in self.entries if entry.submits)

    def trials(self) -> "pd.DataFrame":
        """One row per selected trial: its ids, axes, seed, state, outcome and what is missing."""
        import pandas as pd

        from sweeps.store.frames import one_type

        rows = [
            {
                "trial_id": entry.trial.trial_id,
                "cell_id": entry.trial.cell_id,
                **{f"axis.{axis}": value for axis, value in entry.trial.axes.items()},
                "seed": entry.trial.spec.seed,
                "state": entry.state,
                "outcome": entry.outcome,
                "missing_evaluations": len(entry.missing_evaluations),
                "missing_probes": len(entry.missing_probes),
                "predicted_core_seconds": entry.seconds,
            }
            for entry in self.entries
        ]
        return one_type(pd.DataFrame(rows))

    def __repr__(self) -> str:
        counts = Counter(entry.state for entry in self.entries)
        words = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in counts.items())
        return f"<Plan {self.selection.plan_name}: {words}>"

    def _repr_html_(self) -> str:
        from sweeps.interface.progress import progress_html

        counts = {
            "done": len(self.of("done")),
            "running": len(self.of("in_flight")),
            "pending": len(self.of("pending")),
        }
        study = self.selection.study
        minutes = f"left: about {self.seconds / 60:.1f} core-minutes"
        return progress_html(
            f"{self.selection.plan_name}: {study.title}", counts, [study.question, minutes]
        )


def plan(
    selection: Selection,
    accepted: Sequence[Mapping[str, Any]] = (),
    done_evaluations: Done = frozenset(),
    done_probes: Done = frozenset(),
    in_flight: Collection[str] = frozenset(),
    costs: Costs | None = None,
) -> Plan:
    """What is left of `selection`.

    accepted: the accepted runs, of any study, with ROW_COLUMNS. done_evaluations, done_probes: see
    `undone`. in_flight: trials that somebody works on. costs: None for those of `accepted`.
    """
    rows = {row["trial_id"]: row for row in accepted}
    costs = costs or Costs.from_rows(accepted)
    entries: list[Entry] = []
    for trial in selection.selected:
        row = rows.get(trial.trial_id)
        outcome = row["outcome"] if row else None
        trial_id = trial.trial_id
        weights = row["weights_sha256"] if row else None
        evaluations_of = {item.eval_id: item for item in trial.evaluations}
        probes_of = {item.probe_id: item for item in trial.probes}
        evaluations = undone(trial_id, weights, evaluations_of, done_evaluations)
        probes = undone(trial_id, weights, probes_of, done_probes)
        lost = 0
        if row and not reachable(weights, row["weights_kept"]):
            lost = len(evaluations) + len(probes) if weights else 0
            evaluations, probes = (), ()
        state: State = "done" if row else "in_flight" if trial.trial_id in in_flight else "pending"
        seconds = 0.0 if row else costs.train_seconds(trial.spec, trial.cell_id)
        seconds += sum(
            costs.evaluation_seconds(trial.spec, trial.cell_id, item.evaluation)
            for item in evaluations
        )
        source = costs.source(trial.spec, trial.cell_id)
        entries.append(Entry(trial, state, outcome, evaluations, probes, seconds, source, lost))
    hashes = Counter(
        rows[trial.trial_id]["code_hash"] or "unknown"
        for trial in selection.selected
        if trial.trial_id in rows
    )
    return Plan(selection, tuple(entries), stale(selection.selected, accepted), dict(hashes))


def stale(trials: Sequence[PlannedTrial], accepted: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Accepted trial_id -> planned trial_id of the same spec, if only revisions differ."""
    if not accepted:
        return {}
    planned = {_text(trial.spec): trial.trial_id for trial in trials}
    ids = {trial.trial_id for trial in trials}
    likely = {_glance(trial.spec.model_dump(mode="json")) for trial in trials}
    outdated: dict[str, str] = {}
    for row in accepted:
        if row["trial_id"] in ids:
            continue
        values = json.loads(row["spec"])
        # Most rows of other studies end here, long before a full parse.
        if _glance(values) not in likely:
            continue
        try:
            text = _text(parse(values))
        except UserError:
            continue  # written by code whose specs had other fields: a different trial
        if text in planned:
            outdated[row["trial_id"]] = planned[text]
    return outdated


def _text(spec: TrialSpec) -> str:
    return json.dumps(canonical(spec), sort_keys=True)


def _glance(values: Mapping[str, Any]) -> tuple[Any, ...]:
    solver, train = values["solver"] or {}, values["train"]
    return (
        values["seed"],
        values["data"]["name"],
        values["model"]["name"],
        solver.get("name"),
        solver.get("steps"),
        train["iterations"],
        train["epochs"],
    )


def rows(selection: Selection, costs: Costs) -> list[dict[str, Any]]:
    """The full declared grid as rows of a plan file."""
    return [
        {
            "trial_id": trial.trial_id,
            "cell_id": trial.cell_id,
            "axes": trial.axes,
            "seed": trial.spec.seed,
            "predicted_seconds": costs.train_seconds(trial.spec, trial.cell_id)
            + sum(
                costs.evaluation_seconds(trial.spec, trial.cell_id, planned.evaluation)
                for planned in trial.evaluations
            ),
            "evaluations": [
                {"eval_id": planned.eval_id, **planned.axes} for planned in trial.evaluations
            ],
            "probes": [
                {"probe_id": planned.probe_id, "name": planned.probe.name, **planned.axes}
                for planned in trial.probes
            ],
        }
        for trial in selection.declared
    ]


def save(
    results: "Results", selection: Selection, costs: Costs, reference: str | None = None
) -> "Path":
    """Write the full declared grid as the selection's plan file.

    reference: the study as the command line takes it, if not its name. Raises InfrastructureError
    if it cannot be written.
    """
    from sweeps.store import PlanInfo, write_plan

    study = selection.study
    info = PlanInfo(
        name=selection.plan_name,
        study=study.name,
        reference=reference or study.name,
        scale=selection.scale,
        scale_label=study.scales[selection.scale].label,
        overrides=selection.overrides,
        title=study.title,
        question=study.question,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return write_plan(results, info, rows(selection, costs))


def forecast_of(selection: Selection, costs: Costs, keep: Keep | None = None) -> Forecast:
    """What all selected trials leave on disk. keep: None for what the study says."""
    trials = selection.selected
    seconds = [costs.train_seconds(trial.spec, trial.cell_id) for trial in trials]
    return forecast(
        trials, keep or selection.study.keep_weights, seconds, Limits.from_environment()
    )


def current_plan(
    results: "Results",
    selection: Selection,
    in_flight: Collection[str] = frozenset(),
    device: Device | None = None,
) -> tuple[Plan, Costs]:
    """`plan` with the content of the results folder. A folder that does not exist is empty.

    device: for which cost is predicted, None for this machine's. Raises InfrastructureError if the
    folder cannot be read.
    """
    from sweeps.store import StoreView, accepted_runs

    accepted = accepted_runs(results, ROW_COLUMNS).to_pylist()
    timings = [
        row
        for folder in results.timed()
        for row in accepted_runs(folder, (*ROW_COLUMNS, "epochs")).to_pylist()
    ]
    costs = Costs.from_rows(accepted, timings, device or here())
    view = StoreView(results)
    done = view.done_evaluations, view.done_probes
    return plan(selection, accepted, *done, in_flight, costs), costs
