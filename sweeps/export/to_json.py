"""One file, runs.json: a list of runs with settings, numbers and curves."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sweeps.export.runs import ExportedRun


def write(runs: Sequence[ExportedRun], folder: Path) -> None:
    """Write runs.json. Raises OSError. JSON has no NaN or infinity: they become null."""
    text = json.dumps([_plain(asdict(one)) for one in runs], indent=1, allow_nan=False)
    (folder / "runs.json").write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
