"""What is done so far, kept up to date at low cost.

Only new files are read, and of those only the columns that identify rows. They stay Arrow tables;
Python objects are made only when somebody asks for them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sweeps.store.accept import (
    RUN_COLUMNS,
    accept_all,
    counting,
    deciding_columns,
    final_runs,
    owner_columns,
    unchanged,
)
from sweeps.store.arrow_compute import pc
from sweeps.store.folders import Results
from sweeps.store.generations import NONE
from sweeps.store.read import blocks, empty, once_each, read_new, smallest, table_files
from sweeps.store.retractions import Retractions, read_retractions
from sweeps.store.schema import DERIVED, KEYS, PROBES, SCHEMAS, TABLES
from sweeps.store.to_python import uncollected, values


class Attempt(NamedTuple):
    """One row of `runs`, in short. weights_sha256, weights_kept and fingerprint may be None."""

    trial_id: str
    attempt_id: str
    outcome: str
    finished_at: datetime
    weights_sha256: str | None
    fingerprint: str | None
    weights_kept: bool | None = None


# What follows from the rows, and is made when somebody asks for it.
_FOLLOWS = ("accepted_runs", "accepted", "attempts", "done_evaluations", "done_probes")
_COLUMNS = {table: deciding_columns(table) for table in TABLES} | {
    "runs": [*RUN_COLUMNS, "fingerprint", "weights_kept", "started_at", "attempts"]
}


class StoreView:
    """Accepted runs, evaluations and probes as of the last `refresh`.

    A row once seen stays, even if files are merged meanwhile. retractions: as of the last refresh.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.retractions = Retractions()
        self._generation = NONE
        # The rows of the generation's files, of which there may be millions, as `_shortest` leaves
        # them, and all others that were ever seen, each once.
        self._held: dict[str, dict[Path, pa.Table]] = {table: {} for table in TABLES}
        self._new = {table: empty(SCHEMAS[table], _COLUMNS[table]) for table in TABLES}
        self._left_out: frozenset[str] = frozenset()
        self._seen: dict[str, set[Path]] = {table: set() for table in TABLES}
        self.refresh()

    def refresh(self) -> bool:
        """Read what was published since the last call; True if there was anything.

        Raises InfrastructureError as `read_table` does.
        """
        retractions = read_retractions(self.results)
        if retractions.attempt_ids != self._left_out:
            self._left_out = retractions.attempt_ids
            for table in DERIVED:
                self._forget(table, ())
        news, generation = unchanged(
            self.results, lambda: [self._read_new(table) for table in TABLES]
        )
        if not any(news) and retractions == self.retractions and generation == self._generation:
            return False
        self.retractions, self._generation = retractions, generation
        for table in TABLES:
            self._forget(table, generation.paths(self.results, table))
        for name in _FOLLOWS:
            self.__dict__.pop(name, None)
        return True

    def unread(self) -> list[Path]:
        """Files of runs that the last `refresh` could not read, or that are newer than it.

        A trial that seems to have no row may have one there.
        """
        return [
            path for path in table_files(self.results, "runs")[0] if path not in self._seen["runs"]
        ]

    @cached_property
    def accepted_runs(self) -> pa.Table:
        """The accepted row of each trial, in no order."""
        held = list(self._held["runs"].values())
        return accept_all(held, self._new["runs"], self._generation, self.retractions.attempt_ids)

    @cached_property
    def accepted(self) -> dict[str, Attempt]:
        """trial_id -> its accepted attempt."""
        with uncollected():
            return {attempt.trial_id: attempt for attempt in _attempts(self.accepted_runs)}

    @cached_property
    def attempts(self) -> dict[str, list[Attempt]]:
        """trial_id -> all its rows, oldest first."""
        with uncollected():
            return _by_trial(once_each("runs", [self._new["runs"], *self._held["runs"].values()]))

    @cached_property
    def done_evaluations(self) -> set[tuple[str, str, str]]:
        """(trial_id, weights_sha256, eval_id) of accepted weights."""
        return self._done("evaluations")

    @cached_property
    def done_probes(self) -> set[tuple[str, str, str]]:
        """(trial_id, weights_sha256, probe_id) of accepted weights."""
        return {key for table in PROBES for key in self._done(table)}

    def done(self, table: str) -> Iterator[tuple[pa.Table, pa.Array]]:
        """Evaluations or probes of accepted weights, and their trials' rows in `accepted_runs`.

        One may come several times.
        """
        new = final_runs(self._new[table], self.retractions.attempt_ids)
        for rows in (new, *self._held[table].values()):
            if len(rows):
                counts, of_trial = counting(table, rows, self.accepted_runs)
                if not pc.all(counts).as_py():
                    rows, of_trial = rows.filter(counts), of_trial.filter(counts.combine_chunks())
                yield rows, of_trial

    def attempts_of(self, trials: pa.ChunkedArray) -> dict[str, list[Attempt]]:
        """trial_id -> all its rows, oldest first, of those of these trials that have any."""
        pieces = [
            rows.filter(pc.is_in(rows["trial_id"], value_set=trials))
            for rows in (self._new["runs"], *self._held["runs"].values())
        ]
        return _by_trial(once_each("runs", pieces))

    def _done(self, table: str) -> set[tuple[str, str, str]]:
        weights = self.accepted_runs["weights_sha256"].combine_chunks()
        found: set[tuple[str, str, str]] = set()
        with uncollected():
            for rows, of_trial in self.done(table):
                items = rows[KEYS[table][-1]].cast(pa.string())
                columns = (rows["trial_id"], weights.take(of_trial), items)
                found.update(zip(*map(values, columns), strict=True))
        return found

    def _read_new(self, table: str) -> bool:
        # Unreadable files are not remembered: on a network file system their content may only be
        # late.
        pieces = read_new(
            self.results,
            table,
            _COLUMNS[table],
            skip=self._seen[table],
            shorten=lambda rows: self._shortest(table, rows),
        )
        self._seen[table].update(pieces)
        new = [self._new[table]]
        for path, rows in pieces.items():
            if path.parent == self.results.generations(table):
                self._held[table][path] = rows
            else:
                new.append(blocks(table, rows))
        if len(new) > 1:
            self._new[table] = smallest(pa.concat_tables(new), KEYS[table], ("finished_at",))
        return bool(pieces)

    def _shortest(self, table: str, rows: pa.Table) -> pa.Table:
        """What is kept of a generation's rows."""
        if table == "runs":
            return rows
        rows = final_runs(blocks(table, rows), self._left_out)
        columns = {name: rows[name] for name in owner_columns(table)}
        # A study has few different ones.
        item = KEYS[table][-1]
        return pa.table(columns | {item: rows[item].dictionary_encode()})

    def _forget(self, table: str, paths: Collection[Path]) -> None:
        """Forget the rows of all files of a generation but these."""
        for path in self._held[table].keys() - set(paths):
            del self._held[table][path]
            self._seen[table].discard(path)


def _by_trial(runs: pa.Table) -> dict[str, list[Attempt]]:
    order = [("finished_at", "ascending"), ("attempt_id", "ascending")]
    by_trial: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in _attempts(runs.sort_by(order)):
        by_trial[attempt.trial_id].append(attempt)
    return dict(by_trial)


def _attempts(runs: pa.Table) -> list[Attempt]:
    return [
        Attempt(*row) for row in zip(*(values(runs[name]) for name in Attempt._fields), strict=True)
    ]
