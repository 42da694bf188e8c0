"""The accepted runs of a plan, as every other tool can take them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sweeps.inspection.facts import METRICS, PROVENANCE, TIME, dotted, tested_under
from sweeps.inspection.whole import whole
from sweeps.store import Results, accepted_evaluations, accepted_runs, axis_words

_COLUMNS = ["trial_id", "spec", "outcome", "outcome_detail", "started_at", "finished_at", "epochs"]
# Of a point of the curve, what is its place and no number to draw.
_PLACES = ("iteration", "epoch")


@dataclass(frozen=True)
class ExportedRun:
    """An accepted run, failed ones too.

    name: its axes and seed in words. axes: with the seed. settings: dotted key of the spec ->
    value. metrics: final numbers, and `accuracy under <test>` of each evaluation. provenance: code,
    versions, machine. curve: one dict per recorded point, with iteration and epoch; numbers may be
    NaN or infinite.
    """

    trial_id: str
    name: str
    axes: dict[str, Any]
    settings: dict[str, Any]
    outcome: str
    detail: str | None
    metrics: dict[str, float]
    provenance: dict[str, Any]
    started_at: datetime
    finished_at: datetime
    curve: list[dict[str, Any]]

    def points(self) -> list[tuple[int, dict[str, float]]]:
        """Iteration and numbers of each recorded point, without those that are missing."""
        return [
            (
                point["iteration"],
                {
                    name: value
                    for name, value in point.items()
                    if name not in _PLACES and value is not None
                },
            )
            for point in self.curve
        ]


def runs_of(results: Results, plan: str, target: str | None = None) -> list[ExportedRun]:
    """The accepted runs of a saved plan, in its order.

    target: what was asked for; a study has also what was added to its plan (`whole`). Raises the
    errors of `read_plan`.
    """
    columns = [*_COLUMNS, *METRICS, *TIME, *PROVENANCE]
    rows = {row["trial_id"]: row for row in accepted_runs(results, columns).to_pylist()}
    tests: dict[str, dict[str, float]] = {}
    for one in accepted_evaluations(results).to_pylist():
        if one["accuracy"] is not None and math.isfinite(one["accuracy"]):
            named = tests.setdefault(one["trial_id"], {})
            named[f"accuracy under {tested_under(one)}"] = one["accuracy"]
    return [
        _run(rows[trial["trial_id"]], trial, tests.get(trial["trial_id"], {}))
        for trial in whole(results, target or plan, plan, rows.keys()).trials
        if trial["trial_id"] in rows
    ]


def _run(row: Mapping[str, Any], trial: Mapping[str, Any], tests: dict[str, float]) -> ExportedRun:
    axes = {**trial["axes"], "seed": trial["seed"]}
    numbers = {
        name: row[name]
        for name in (*METRICS, *TIME)
        if row[name] is not None and name != "timing_valid"
    }
    return ExportedRun(
        row["trial_id"],
        " ".join(axis_words(axes)),
        axes,
        dotted(json.loads(row["spec"])),
        row["outcome"],
        row["outcome_detail"],
        numbers | tests,
        {name: row[name] for name in (*PROVENANCE, "timing_valid") if row[name] is not None},
        row["started_at"],
        row["finished_at"],
        row["epochs"] or [],
    )
