"""The data of a figure: one plan or several, their accepted rows, and what is still missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import pandas as pd

from sweeps.store import PlanInfo

COMPLETED = "completed"
AXIS, TEST, RUN = "axis.", "test.", "run."
KEY = ["study", "trial_id"]
# Large columns that no figure needs beside evaluations.
_NOT_CARRIED = {"trial_id", "seed", "spec", "traceback", "study", "axes"}


class Source(Protocol):
    """Accepted rows of a results folder, of any study. Each table is read when first needed."""

    def generation(self) -> int:
        """The number of the newest generation; 0 before the first."""
        ...

    def runs(self) -> pd.DataFrame:
        """One row per trial, without the nested epochs."""
        ...

    def attempts(self) -> pd.DataFrame:
        """One row per attempt that has one, accepted or not.

        Columns: trial_id, attempt_id, outcome, outcome_detail, fingerprint, finished_at.
        """
        ...

    def epochs(self) -> pd.DataFrame:
        """One row per trial and epoch."""
        ...

    def evaluations(self) -> pd.DataFrame:
        """One row per trial and evaluation."""
        ...

    def probe(self, name: str) -> pd.DataFrame:
        """Rows of `probe_<name>`."""
        ...


@dataclass(frozen=True)
class Data:
    """The rows of some plans.

    Trial axes stand in every frame as columns `axis.<name>`, numbers as numbers, an empty text
    where a cell lacks the axis.

    trials: study, trial_id, cell_id, seed, axes (as text), predicted_seconds, added (by a seed that
    the plan lacks), axis.*. tests:
    planned evaluations, and probes: planned probes: study, trial_id, eval_id or probe_id (and
    name), axes, test.grid and test.factor (tuples of all that ask for it), test.solver,
    test.solver_steps, test.solver_tolerance (an empty text where there is none). larger: plans of
    which these rows have what they add. unplanned: studies
    that were asked for and have no plan here. whole: what this is a part of, if it is one.
    """

    plans: tuple[PlanInfo, ...]
    results: str
    trials: pd.DataFrame
    tests: pd.DataFrame
    probes: pd.DataFrame
    source: Source
    larger: tuple[PlanInfo, ...] = ()
    unplanned: tuple[str, ...] = ()
    whole: "Data | None" = None

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per planned trial that has one, with all columns of `runs` except epochs."""
        if self.whole:
            return _of_trials(self.whole.runs, self.trials)
        return self.source.runs().merge(self._about.drop(columns="seed"), on="trial_id")

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per trial and epoch recorded, including failed runs, with `run.outcome`."""
        if self.whole:
            return _of_trials(self.whole.epochs, self.trials)
        return self.with_run(self.source.epochs().merge(self._about, on="trial_id"), "outcome")

    @cached_property
    def unfinished(self) -> pd.DataFrame:
        """The last attempt of each planned trial that has rows but no accepted one.

        It crashed, ran out of memory or time, or was withdrawn.
        """
        rows = (
            self.source.attempts()
            .sort_values(["finished_at", "attempt_id"])
            .drop_duplicates("trial_id", keep="last")
        )
        return rows.loc[~rows["trial_id"].isin(self.runs["trial_id"])].merge(
            self._about, on="trial_id"
        )

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row per planned evaluation that has one.

        Its own columns, test.*, axis.*, seed, and every column of its run as `run.<column>`.
        """
        if self.whole:
            return _of_trials(self.whole.evaluations, self.tests, [*KEY, "eval_id"])
        rows = (
            self.source.evaluations()
            .merge(self.tests, on=["trial_id", "eval_id"])
            .merge(self._about.drop(columns="axes"), on=KEY)
        )
        return self.with_run(
            rows,
            *(
                name
                for name in self.runs.columns
                if name not in _NOT_CARRIED and not name.startswith(AXIS)
            ),
        )

    @cached_property
    def _probe_rows(self) -> dict[str, pd.DataFrame]:
        return {}

    def probe(self, name: str, grid: str | None = None) -> pd.DataFrame:
        """Rows of `probe_<name>` that the plan asks for, with test.*, axis.* and seed.

        Columns of the run: see `with_run`. grid: only of this one.
        """
        if name not in self._probe_rows:
            planned = self.probes.loc[self.probes["name"] == name].drop(columns="name")
            rows = self.source.probe(name).merge(planned, on=["trial_id", "probe_id"])
            self._probe_rows[name] = rows.merge(self._about.drop(columns="axes"), on=KEY)
        rows = self._probe_rows[name]
        return rows if grid is None else of_grid(rows, grid)

    def series(self, name: str) -> pd.DataFrame:
        """Numbers that the training recorded by iteration under this name, such as "steps".

        Columns iteration, value and those of a probe.
        """
        rows = self.probe("series")
        return rows.loc[rows["name"] == name]

    def evaluations_of(self, grid: str) -> pd.DataFrame:
        """Evaluations that the study's evaluation grid of this name asks for.

        test.grid is that name.
        """
        return of_grid(self.evaluations, grid)

    def with_run(self, rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
        """`rows` (with study and trial_id) with these columns of their runs, as `run.<column>`."""
        carried = self.runs.filter([*KEY, *columns]).rename(
            columns={name: RUN + name for name in columns}
        )
        return rows.merge(carried, on=KEY)

    def where(self, axes: Mapping[str, Any]) -> "Data":
        """Only trials whose axes have these values: axis -> a value or a tuple of values.

        `study` is an axis as well.
        """
        trials = self.trials
        for axis, wanted in axes.items():
            values = list(wanted) if isinstance(wanted, tuple) else [wanted]
            trials = trials.loc[trials["study" if axis == "study" else AXIS + axis].isin(values)]
        return self.part(trials)

    def part(self, trials: pd.DataFrame, tests: pd.DataFrame | None = None) -> "Data":
        """Only these of the planned trials, and of their evaluations only `tests` (None: all)."""
        tests, probes = (
            _of_trials(rows, trials)
            for rows in (self.tests if tests is None else tests, self.probes)
        )
        return replace(self, trials=trials, tests=tests, probes=probes, whole=self.whole or self)

    @property
    def with_variants(self) -> "Data":
        """The whole that this is a part of, every variant included."""
        return self.whole or self

    def printed(self) -> "Data":
        """Of plans with an axis `variant` only what is as printed in the paper.

        Other plans are unchanged.
        """
        axis = AXIS + "variant"
        if axis not in self.trials:
            return self
        trials = self.trials.loc[self.trials[axis].isin(["printed", ""])]
        return self if len(trials) == len(self.trials) else self.part(trials)

    def order(self, axis: str) -> list[Any]:
        """The values of an axis in the order of the study."""
        return [value for value in dict.fromkeys(self.trials[AXIS + axis]) if value != ""]

    @property
    def completed(self) -> pd.DataFrame:
        """Runs that trained to the end."""
        return self.runs.loc[self.runs["outcome"] == COMPLETED]

    @property
    def names(self) -> str:
        """The plans' names, for messages."""
        return ", ".join(plan.name for plan in self.plans)

    @property
    def _about(self) -> pd.DataFrame:
        return self.trials.filter(
            [*KEY, "seed", "axes", *(name for name in self.trials.columns if name.startswith(AXIS))]
        )

    def kinds(self) -> set[str]:
        """What these plans ask for, in the form of NEEDS.

        runs, epochs, evaluations, evaluations:<grid>, probe_<name>, probe_<name>:<grid>.
        """
        found = {"runs", "epochs"}
        pairs = [("evaluations", grids) for grids in self.tests["test.grid"].unique()]
        pairs += [
            (f"probe_{name}", grids)
            for name, grids in self.probes.filter(["name", "test.grid"])
            .drop_duplicates()
            .itertuples(index=False)
        ]
        return found.union(
            *({kind, *(f"{kind}:{grid}" for grid in grids)} for kind, grids in pairs)
        )

    def planned(self, need: str) -> pd.DataFrame:
        """The planned evaluations or probes of one need; for runs and epochs the trials."""
        kind, _, grid = need.partition(":")
        if kind in ("runs", "epochs"):
            return self.trials
        rows = (
            self.tests
            if kind == "evaluations"
            else self.probes.loc[self.probes["name"] == kind.removeprefix("probe_")]
        )
        return of_grid(rows, grid) if grid else rows

    def planned_trials(self, needs: Iterable[str]) -> pd.DataFrame:
        """The plans' trials that a figure with these needs uses."""
        used = pd.MultiIndex.from_frame(
            pd.concat([self.planned(need).filter(KEY) for need in needs])
        )
        return self.trials.loc[pd.MultiIndex.from_frame(self.trials.filter(KEY)).isin(used)]

    def missing(self, needs: Iterable[str]) -> pd.DataFrame:
        """What a figure with these needs lacks, one row per cell.

        Columns: kind, the columns of `trials`, and what (the axes of the evaluation or probe).
        kind: "trial" or the need. A run that failed has no evaluations and lacks none.
        """
        trials = self.planned_trials(needs)
        parts = [_absent(trials, self.runs, KEY).assign(kind="trial", what="")]
        for need in needs:
            kind = need.partition(":")[0]
            if kind in ("runs", "epochs"):
                continue
            key = [*KEY, "eval_id" if kind == "evaluations" else "probe_id"]
            present = (
                self.evaluations
                if kind == "evaluations"
                else self.probe(kind.removeprefix("probe_"))
            )
            cells = _absent(_of_trials(self.planned(need), self.completed), present, key)
            named = cells.filter([*KEY, "axes"]).rename(columns={"axes": "what"}).assign(kind=need)
            parts.append(named.merge(self.trials, on=KEY))
        return pd.concat(
            [part.filter(["kind", *self.trials.columns, "what"]) for part in parts],
            ignore_index=True,
        )

    def failures(self, needs: Iterable[str]) -> dict[str, int]:
        """Counts of outcomes other than completed.

        Of the runs that a figure with these needs uses, and of its evaluations.
        """
        counts = _failed(_of_trials(self.runs, self.planned_trials(needs)))
        for need in needs:
            if need.startswith("evaluations"):
                grid = need.partition(":")[2]
                counts |= {
                    f"evaluations {name}": n
                    for name, n in _failed(
                        self.evaluations_of(grid) if grid else self.evaluations
                    ).items()
                }
        return counts


def of_grid(rows: pd.DataFrame, grid: str) -> pd.DataFrame:
    """Planned or finished evaluations or probes of one grid.

    A row that serves several grids is then a row of this one.
    """
    belongs = [grid in names for names in rows["test.grid"]]
    return rows.loc[belongs].assign(**{"test.grid": grid})


def split(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row for each value in `column`.

    An example is `test.factor` if two factors give the same number of steps.
    """
    return rows.explode(column, ignore_index=True)


def _failed(rows: pd.DataFrame) -> dict[str, int]:
    counts = rows.drop_duplicates([name for name in ("trial_id", "eval_id") if name in rows])[
        "outcome"
    ].value_counts()
    return {str(name): int(n) for name, n in counts.items() if name != COMPLETED}


def _of_trials(rows: pd.DataFrame, trials: pd.DataFrame, key: Sequence[str] = KEY) -> pd.DataFrame:
    return rows.loc[
        pd.MultiIndex.from_frame(rows.filter(key)).isin(
            pd.MultiIndex.from_frame(trials.filter(key))
        )
    ]


def _absent(planned: pd.DataFrame, present: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    have = pd.MultiIndex.from_frame(present.filter(key))
    return planned.loc[~pd.MultiIndex.from_frame(planned.filter(key)).isin(have)]
