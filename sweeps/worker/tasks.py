"""The work of one trial within a shard, and its form in a submission file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from odecore.config import Evaluation, ProbeConfig, TrialSpec
from sweeps.spec import PROBES, flatten
from sweeps.store import axis_words

if TYPE_CHECKING:
    from sweeps.planning.plan import Entry


@dataclass(frozen=True)
class Task:
    """Train `spec` (unless its weights exist: train is False), then evaluate and probe.

    axes: `axis=value` for each axis of its study and the seed; empty where a submission of an older
    version does not say. label: a short name for people. first: whether it comes before others.
    """

    trial_id: str
    spec: TrialSpec
    train: bool
    evaluations: tuple[Evaluation, ...]
    probes: tuple[ProbeConfig, ...]
    predicted_seconds: float
    axes: tuple[str, ...] = ()
    label: str = ""
    weights_sha256: str | None = None
    first: bool = False

    @classmethod
    def from_entry(cls, entry: "Entry") -> "Task":
        """What a plan's entry leaves to do."""
        evaluations = tuple(missing.evaluation for missing in entry.missing_evaluations)
        probes = tuple(missing.probe for missing in entry.missing_probes)
        return cls(
            entry.trial.trial_id,
            entry.trial.spec,
            entry.state == "pending",
            evaluations,
            probes,
            entry.seconds,
            (*axis_words(entry.trial.axes), f"seed={entry.trial.spec.seed}"),
            first=entry.first,
        )

    def only_evaluating(
        self,
        evaluations: tuple[Evaluation, ...],
        probes: tuple[ProbeConfig, ...],
        weights_sha256: str | None,
    ) -> "Task | None":
        """What is left once the training is accepted; None if nothing is."""
        if not evaluations and not probes:
            return None
        return replace(
            self,
            train=False,
            evaluations=evaluations,
            probes=probes,
            weights_sha256=weights_sha256,
            predicted_seconds=0.0,
        )

    def to_row(self, shard: int, index: int) -> dict[str, Any]:
        """As a row of a submission file."""
        return {
            "task": index,
            "shard": shard,
            "trial_id": self.trial_id,
            "spec": self.spec.model_dump_json(),
            "train": self.train,
            "evaluations": [evaluation.model_dump_json() for evaluation in self.evaluations],
            "probes": [probe.model_dump_json() for probe in self.probes],
            "predicted_seconds": self.predicted_seconds,
            "axes": list(self.axes),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Task":
        """From a row of a submission file."""
        return cls(
            row["trial_id"],
            TrialSpec.model_validate_json(row["spec"]),
            row["train"],
            tuple(Evaluation.model_validate_json(text) for text in row["evaluations"]),
            tuple(PROBES.validate_python(json.loads(text)) for text in row["probes"]),
            row["predicted_seconds"],
            tuple(row["axes"] or ()),
        )


def labelled(tasks: Sequence[Task]) -> list[Task]:
    """The tasks with labels for people: the axes that tell them apart, "norm=ta_bn seed=0".

    Without axes: the values of the spec that do.
    """
    if not all(task.axes for task in tasks):
        return _labelled_by_spec(tasks)
    shared = set.intersection(*(set(task.axes) for task in tasks)) if len(tasks) > 1 else set()
    return [
        replace(task, label=" ".join(word for word in task.axes if word not in shared))
        for task in tasks
    ]


def _labelled_by_spec(tasks: Sequence[Task]) -> list[Task]:
    """A value that follows from those before it is left out, as of all fields of a section."""
    flat = [flatten(task.spec) for task in tasks]
    names: list[str] = []
    groups: list[tuple[str, ...]] = [()] * len(flat)
    for name in dict.fromkeys(name for values in flat for name in values):
        finer = [
            (*group, str(values.get(name))) for group, values in zip(groups, flat, strict=True)
        ]
        if len(set(finer)) > len(set(groups)):
            names.append(name)
            groups = finer
    return [
        replace(
            task,
            label=" ".join(
                f"{name}={values[name]}" for name in names if values.get(name) is not None
            )
            or task.trial_id[:12],
        )
        for task, values in zip(tasks, flat, strict=True)
    ]
