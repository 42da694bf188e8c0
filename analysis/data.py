"""What a figure is made from: one plan, the accepted rows that belong to it, and what is still missing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

# Outcomes of a training run that ended without a usable net; they are counted in captions, never averaged.
COMPLETED = "completed"


@dataclass(frozen=True)
class Plan:
    """A saved plan: the full declared grid of one study at one scale.

    trials: trial_id, seed, axes, command (what makes this one trial). evaluations: trial_id, eval_id, axes. probes: trial_id, probe_id, name, axes.
    axes: text such as "solver.name=euler solver.steps=2".
    """

    name: str
    study: str
    scale: str
    scale_label: str
    overrides: str
    trials: pd.DataFrame
    evaluations: pd.DataFrame
    probes: pd.DataFrame

    def kinds(self) -> set[str]:
        """What this plan asks for: "evaluations" and "probe_<name>"."""
        return ({"evaluations"} if len(self.evaluations) else set()) | {f"probe_{name}" for name in self.probes["name"].unique()}


@dataclass(frozen=True)
class Data:
    """The accepted rows of a plan.

    runs: one row per trial that has one, with the plan's `axes`. evaluations: one row per planned evaluation that has one, with the columns of its
    training run as `train_solver`, `train_steps`, `seed`, `train_accuracy`, `data_name`, `data_dimension`. load_probe: name -> rows of that probe.
    """

    plan: Plan
    results: str
    runs: pd.DataFrame
    evaluations: pd.DataFrame
    load_probe: Callable[[str], pd.DataFrame]

    @cached_property
    def _probes(self) -> dict[str, pd.DataFrame]:
        return {}

    def probe(self, name: str) -> pd.DataFrame:
        """Rows of `probe_<name>` that this plan asks for, with the same columns of the training run as evaluations have."""
        if name not in self._probes:
            self._probes[name] = self.load_probe(name)
        return self._probes[name]

    @property
    def completed(self) -> pd.DataFrame:
        """Runs that trained to the end."""
        return self.runs.loc[self.runs["outcome"] == COMPLETED]

    def missing_evaluations(self) -> pd.DataFrame:
        """Planned evaluations of completed runs without a row: trial_id, eval_id, axes. A run that failed has none and misses none."""
        return _absent(self._due(self.plan.evaluations), self.evaluations, "eval_id")

    def missing_probe(self, name: str) -> pd.DataFrame:
        """Planned probes `name` of completed runs without rows: trial_id, probe_id, name, axes."""
        planned = self.plan.probes.loc[self.plan.probes["name"] == name]
        return _absent(self._due(planned), self.probe(name), "probe_id")

    def _due(self, planned: pd.DataFrame) -> pd.DataFrame:
        return planned.loc[planned["trial_id"].isin(self.completed["trial_id"])]

    def planned_trials(self, needs: Iterable[str]) -> pd.DataFrame:
        """The plan's trials that a figure with these `needs` ("evaluations", "probe_<name>") uses."""
        used: list[str] = []
        for kind in needs:
            if kind == "evaluations":
                used += list(self.plan.evaluations["trial_id"])
            else:
                used += list(self.plan.probes.loc[self.plan.probes["name"] == kind.removeprefix("probe_"), "trial_id"])
        return self.plan.trials.loc[self.plan.trials["trial_id"].isin(used)]

    def missing(self, needs: Iterable[str]) -> pd.DataFrame:
        """What a figure with these `needs` lacks, one row per cell: kind, trial_id, seed, axes, command, what.

        kind: "trial" or the need itself. what: axes of the evaluation or probe, empty for a trial.
        """
        planned = self.planned_trials(needs)
        absent = planned.loc[~planned["trial_id"].isin(self.runs["trial_id"])]
        parts = [absent.assign(kind="trial", what="")]
        for kind in needs:
            cells = self.missing_evaluations() if kind == "evaluations" else self.missing_probe(kind.removeprefix("probe_"))
            named = cells.filter(["trial_id", "axes"]).rename(columns={"axes": "what"}).assign(kind=kind)
            parts.append(named.merge(self.plan.trials, on="trial_id"))
        columns = ["kind", "trial_id", "seed", "axes", "command", "what"]
        return pd.concat([part.filter(columns) for part in parts], ignore_index=True)

    def failures(self, needs: Iterable[str]) -> dict[str, int]:
        """Counts of outcomes other than completed: of the runs that a figure with these `needs` uses, and of its evaluations."""
        used = self.runs.loc[self.runs["trial_id"].isin(self.planned_trials(needs)["trial_id"])]
        counts = {str(name): int(n) for name, n in used.value_counts("outcome").items() if name != COMPLETED}
        if "evaluations" in set(needs):
            for name, n in self.evaluations.value_counts("outcome").items():
                if name != COMPLETED:
                    counts[f"evaluations {name}"] = int(n)
        return counts


def _absent(planned: pd.DataFrame, present: pd.DataFrame, key: str) -> pd.DataFrame:
    have = pd.MultiIndex.from_frame(present.filter(["trial_id", key]))
    return planned.loc[~pd.MultiIndex.from_frame(planned.filter(["trial_id", key])).isin(have)]
