"""Two tables for spreadsheets: runs.csv with one line per run, curves.csv with one per point."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.export.runs import ExportedRun
from sweeps.store import label


def write(runs: Sequence[ExportedRun], folder: Path) -> None:
    """Write runs.csv and curves.csv. Raises OSError."""
    _table(
        folder / "runs.csv",
        (
            {"trial_id": one.trial_id}
            | {f"axis.{axis}": label(value) for axis, value in one.axes.items()}
            | {"outcome": one.outcome, "outcome_detail": one.detail}
            | one.metrics
            | one.provenance
            | {f"spec.{key}": label(value) for key, value in one.settings.items()}
            for one in runs
        ),
    )
    _table(
        folder / "curves.csv",
        ({"trial_id": one.trial_id, "name": one.name} | p for one in runs for p in one.curve),
    )


def _table(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
