"""Retractions: `retry` withdraws an accepted row, or lets a trial that was given up start again.

Files are only added.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from sweeps.store.clock import shared_time
from sweeps.store.files import list_files, one_line, publish_bytes, read_bytes
from sweeps.store.folders import Results
from sweeps.store.warn import warn_once


@dataclass(frozen=True)
class Retractions:
    """All retractions of a results folder together.

    restarted_at: trial -> epoch seconds from which its deaths are counted again.
    """

    attempt_ids: frozenset[str] = frozenset()
    restarted_at: dict[str, float] = field(default_factory=dict)


def write_retraction(
    results: Results,
    *,
    attempt_ids: Iterable[str],
    trial_ids: Iterable[str],
    reason: str,
    command: str,
) -> Path:
    """Publish one retraction.

    attempt_ids: rows that are no longer accepted. trial_ids: trials whose deaths are counted from
    now on. Raises InfrastructureError if it cannot be written.
    """
    results.create()
    path = results.retractions / f"{uuid4().hex}.json"
    record = {
        "attempt_ids": sorted(attempt_ids),
        "trial_ids": sorted(trial_ids),
        "reason": reason,
        "command": command,
        "at": shared_time(results.events),
    }
    with one_line(f"cannot write {path}", "nothing was withdrawn"):
        publish_bytes(path, json.dumps(record, indent=1).encode())
    return path


def read_retractions(results: Results) -> Retractions:
    """Every retraction. A file that cannot be read is skipped with a warning."""
    attempt_ids: set[str] = set()
    restarted_at: dict[str, float] = {}
    with one_line(f"cannot read {results.retractions}", "check permissions and the disk"):
        paths = [results.retractions / name for name in list_files(results.retractions, ".json")]
    for path in paths:
        try:
            record = json.loads(read_bytes(path))
            attempts, trials, at = (
                [str(identity) for identity in record["attempt_ids"]],
                [str(identity) for identity in record["trial_ids"]],
                float(record["at"]),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            warn_once(str(path), f"skipped {path}: not a retraction ({type(error).__name__})")
            continue
        attempt_ids.update(attempts)
        for trial in trials:
            restarted_at[trial] = max(at, restarted_at.get(trial, at))
    return Retractions(frozenset(attempt_ids), restarted_at)
