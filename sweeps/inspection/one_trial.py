"""Everything known of one trial, as sections of names and values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweeps.inspection.explain import Explanation, explain
from sweeps.inspection.facts import METRICS, OUTCOME, PROVENANCE, TIME, Facts, facts, tested_under
from sweeps.inspection.status import Watch
from sweeps.store import label


@dataclass(frozen=True)
class Page:
    """heading: lines. sections: title -> name -> value."""

    heading: list[str]
    sections: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def page(watch: Watch, trial_id: str) -> Page:
    """The page of one trial. Raises the errors of `read_table`."""
    known, state = facts(watch, [trial_id])[trial_id], explain(watch, trial_id)
    row = known.row
    return Page(
        state.lines()[: 2 + 2 * len(state.plans)],
        {
            "outcome": _columns(row, OUTCOME) | _last_line(row),
            "metrics": _columns(row, METRICS),
            "accuracy under": {tested_under(one): _tested(one) for one in known.evaluations},
            "time": _columns(row, ("started_at", "finished_at", *TIME)),
            "spec": {key: label(value) for key, value in known.spec.items()},
            "provenance": _columns(row, PROVENANCE),
            "attempts": _attempts(state),
            "files": _files(watch, known),
        },
    )


def _columns(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names if row and row[name] is not None}


def _last_line(row: Mapping[str, Any]) -> dict[str, str]:
    lines = (row.get("traceback") or "").strip().splitlines()
    return {"error": lines[-1]} if lines else {}


def _tested(one: Mapping[str, Any]) -> str:
    numbers = [
        f"{name} {one[name]:.6g}" for name in ("loss", "nfe_per_batch") if one[name] is not None
    ]
    accuracy = "-" if one["accuracy"] is None else f"{one['accuracy']:.6g}"
    failed = [] if one["outcome"] == "completed" else [one["outcome"]]
    return "  ".join([accuracy, *numbers, *failed])


def _attempts(state: Explanation) -> dict[str, str]:
    found = {
        f"started {one['started_at']}": f"by {one['worker']}: {one['words']}"
        for one in state.attempts
    }
    return found | {
        f"row {row['attempt_id'][:8]}": f"{row['finished_at']}, {row['outcome']} "
        f"({row['standing']})"
        for row in state.rows
    }


def _files(watch: Watch, known: Facts) -> dict[str, str]:
    """Weights, checkpoints, logs and the submission, as far as they are known to exist."""
    results, row = watch.results, known.row
    found: dict[str, Path] = {}
    if row.get("weights_sha256"):
        name = f"{known.trial_id}-{row['weights_sha256'][:16]}.safetensors"
        found["weights"] = results.weights / name
    found["checkpoints"] = results.checkpoints / known.trial_id
    logs = {
        event["log"].rpartition("/")[2]: event["log_offset"]
        for event in watch.events
        if event["event"] == "started" and event.get("log") and event["trial_id"] == known.trial_id
    }
    found |= {f"log, from byte {offset}": results.logs / log for log, offset in logs.items()}
    if row.get("submission_id"):
        found["submission"] = results.submissions / f"{row['submission_id']}.parquet"
    return {
        name: str(path) if path.exists() else f"{path} (not there)"
        for name, path in found.items()
        if path.exists() or name == "weights"
    }
