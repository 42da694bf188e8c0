"""Rows of every table for the store's tests.

All columns filled by type, what matters given by name.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweeps.store import SCHEMAS

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def _filler(kind: pa.DataType) -> Any:
    if pa.types.is_string(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return True
    if pa.types.is_timestamp(kind):
        return EPOCH
    if pa.types.is_integer(kind):
        return 3
    if pa.types.is_floating(kind):
        return 0.25
    if pa.types.is_list(kind):
        return [{field.name: _filler(field.type) for field in kind.value_type}] * 2
    raise TypeError(kind)


def make(table: str, **given: Any) -> dict[str, Any]:
    row = {field.name: _filler(field.type) for field in SCHEMAS[table]}
    if "outcome" in row:
        row["outcome"] = "completed"
    assert given.keys() <= row.keys()
    return row | given


def run(trial: str, attempt: str, seconds: float = 0.0, **given: Any) -> dict[str, Any]:
    return make(
        "runs",
        trial_id=trial,
        attempt_id=attempt,
        finished_at=at(seconds),
        weights_sha256=f"weights-{attempt}",
        **given,
    )


def evaluation(
    trial: str, attempt: str, evaluation_id: str, seconds: float = 0.0, **given: Any
) -> dict[str, Any]:
    given = {"weights_sha256": f"weights-{attempt}"} | given
    return make(
        "evaluations",
        trial_id=trial,
        attempt_id=attempt,
        eval_id=evaluation_id,
        finished_at=at(seconds),
        **given,
    )


def trajectory(
    trial: str, attempt: str, seconds: float = 0.0, points: int = 3, **given: Any
) -> list[dict[str, Any]]:
    given = {"weights_sha256": f"weights-{attempt}", "probe_id": "probe"} | given
    block = make(
        "probe_trajectory", trial_id=trial, attempt_id=attempt, finished_at=at(seconds), **given
    )
    return [
        block | {"point": point, "step": step, "x1": float(seconds)}
        for point in range(points)
        for step in range(2)
    ]
