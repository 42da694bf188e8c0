"""What is done so far, kept up to date at low cost.

Only new files are read, and of those only the columns that identify rows.
"""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sweeps.store.accept import (
    RUN_COLUMNS,
    accept_derived,
    accept_runs,
    deciding_columns,
    standing_runs,
    unchanged,
)
from sweeps.store.folders import Results
from sweeps.store.generations import NONE
from sweeps.store.read import empty, read_new, smallest, table_files
from sweeps.store.retractions import Retractions, read_retractions
from sweeps.store.schema import KEYS, SCHEMAS, TABLES
from sweeps.store.to_python import values


class Attempt(NamedTuple):
    """One row of `runs`, in short. weights_sha256, weights_kept and fingerprint may be None."""

    trial_id: str
    attempt_id: str
    outcome: str
    finished_at: datetime
    weights_sha256: str | None
    fingerprint: str | None
    weights_kept: bool | None = None


_COLUMNS = {table: deciding_columns(table) for table in TABLES} | {
    "runs": [*RUN_COLUMNS, "fingerprint", "weights_kept"]
}


class StoreView:
    """Accepted runs, evaluations and probes as of the last `refresh`.

    A row once seen stays, even if files are merged meanwhile. accepted: trial_id -> its accepted
    attempt. attempts: trial_id -> all its rows, oldest first. done_evaluations and done_probes:
    (trial_id, weights_sha256, eval_id or probe_id) of accepted weights. retractions: as of the last
    refresh.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.accepted: dict[str, Attempt] = {}
        self.attempts: dict[str, list[Attempt]] = {}
        self.done_evaluations: set[tuple[str, str, str]] = set()
        self.done_probes: set[tuple[str, str, str]] = set()
        self.retractions = Retractions()
        self._rows = {table: empty(SCHEMAS[table], _COLUMNS[table]) for table in TABLES}
        self._generation = NONE
        self._held: dict[Path, pa.Table] = {}
        self._seen: dict[str, set[Path]] = {table: set() for table in TABLES}
        self.refresh()

    def refresh(self) -> bool:
        """Read what was published since the last call; True if there was anything.

        Raises InfrastructureError as `read_table` does.
        """
        news, generation = unchanged(
            self.results, lambda: [self._read_new(table) for table in TABLES]
        )
        retractions = read_retractions(self.results)
        if not any(news) and retractions == self.retractions and generation == self._generation:
            return False
        self.retractions, self._generation = retractions, generation
        paths = generation.paths(self.results, "runs")
        self._held = {path: self._held[path] for path in paths if path in self._held}
        self._decide()
        return True

    def unread(self) -> list[Path]:
        """Files of runs that the last `refresh` could not read, or that are newer than it.

        A trial that seems to have no row may have one there.
        """
        return [
            path for path in table_files(self.results, "runs")[0] if path not in self._seen["runs"]
        ]

    def _read_new(self, table: str) -> bool:
        # Unreadable files are not remembered: on a network file system their content may only be
        # late.
        pieces = read_new(self.results, table, _COLUMNS[table], skip=self._seen[table])
        if pieces:
            self._seen[table].update(pieces)
            if table == "runs":
                self._held |= {path: piece.select(RUN_COLUMNS) for path, piece in pieces.items()}
            rows = pa.concat_tables(
                [self._rows[table], *(_short(table, piece) for piece in pieces.values())]
            )
            self._rows[table] = smallest(rows, KEYS[table], ("finished_at",))
        return bool(pieces)

    def _decide(self) -> None:
        runs = self._rows["runs"]
        standing = standing_runs(self._generation, list(self._held.values()))
        accepted = accept_runs(runs, self.retractions.attempt_ids, standing)
        by_trial: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in _attempts(
            runs.sort_by([("finished_at", "ascending"), ("attempt_id", "ascending")])
        ):
            by_trial[attempt.trial_id].append(attempt)
        self.attempts = dict(by_trial)
        chosen = zip(values(accepted["trial_id"]), values(accepted["attempt_id"]), strict=True)
        self.accepted = {
            trial: next(known for known in by_trial[trial] if known.attempt_id == attempt)
            for trial, attempt in chosen
        }
        self.done_evaluations = self._done("evaluations", accepted)
        self.done_probes = {
            key
            for table in TABLES
            if table.startswith("probe_")
            for key in self._done(table, accepted)
        }

    def _done(self, table: str, accepted: pa.Table) -> set[tuple[str, str, str]]:
        rows = accept_derived(table, self._rows[table], accepted, self.retractions.attempt_ids)
        names = ("trial_id", "weights_sha256", KEYS[table][-1])
        return set(zip(*(values(rows[name]) for name in names), strict=True))


def _short(table: str, rows: pa.Table) -> pa.Table:
    """The short form of a table's rows. For a probe's block one row is enough here."""
    return (
        rows.group_by(rows.column_names, use_threads=False).aggregate([])
        if table.startswith("probe_")
        else rows
    )


def _attempts(runs: pa.Table) -> list[Attempt]:
    return [
        Attempt(*row) for row in zip(*(values(runs[name]) for name in Attempt._fields), strict=True)
    ]
