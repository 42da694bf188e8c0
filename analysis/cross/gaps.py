"""The solver gap of a net.

It is the accuracy under the reference solver minus that under its training solver, on the same
images, both in float64.
"""

import pandas as pd

from analysis.cross.grid import DEPTH, NORM, SOLVER
from analysis.rows.cells import MISSING, STATISTICS, cells, difference, planned_rows
from analysis.rows.data import COMPLETED, KEY, Data
from analysis.rows.stats import summarise

NEEDS = ("evaluations:reference", "evaluations:as_trained")
UNRESOLVED = "unresolved"
GAP, SIZE = "gap", "gap_size"


def rows(data: Data) -> pd.DataFrame:
    """One row per planned net.

    Columns: study, trial_id, seed, axis.*, outcome, gap (negative: worse under the reference) and
    gap_size, its absolute value. outcome: completed; unresolved if the net trained but one of its
    two solves reached its limit on NFE or its smallest step, which is not a gap of 0; diverged if a
    solve was not finite; the run's own outcome if the run failed; missing.
    """
    reference, trained = (planned_rows(data, need, "accuracy") for need in NEEDS)
    pairs = difference(reference, trained, "accuracy").rename(columns={"accuracy": GAP})
    runs = planned_rows(data, "runs").rename(columns={"outcome": "of_run"})
    found = pairs.merge(runs, on=[name for name in pairs.columns if name in runs])
    trained_well = found["of_run"] == COMPLETED
    outcome = (
        found["outcome"]
        .where(~(trained_well & (found["outcome"] == "solver_failed")), UNRESOLVED)
        .where(trained_well, found["of_run"])
    )
    gap = found[GAP].where(outcome == COMPLETED)
    columns = [
        *KEY,
        "seed",
        *(name for name in found.columns if name.startswith("axis.")),
        "outcome",
        GAP,
        SIZE,
    ]
    return found.assign(outcome=outcome, **{GAP: gap, SIZE: gap.abs()}).filter(columns)


def by_cell(nets: pd.DataFrame) -> pd.DataFrame:
    """Cells by training solver, normalization and depth, see `cells`.

    Unresolved nets do not count as failed. done: nets with a gap.
    """
    by = [SOLVER, NORM, DEPTH]
    found = cells(nets, by, GAP).merge(_count(nets, by, UNRESOLVED), on=by)
    return found.assign(failed=found["failed"] - found["unresolved"], done=found["n"])


def over_depths(nets: pd.DataFrame) -> pd.DataFrame:
    """Per normalization and training solver.

    The mean over the depths of each seed, then over seeds.

    planned, failed, ... and done count nets.
    """
    by = [NORM, SOLVER]
    done = nets.loc[nets["outcome"] == COMPLETED]
    # Several depths of a seed count once, with their mean: see `summarise`.
    numbers = nets.filter(by).drop_duplicates().merge(summarise(done, by, GAP), on=by, how="left")
    for name, outcomes in {
        "planned": None,
        "done": COMPLETED,
        UNRESOLVED: UNRESOLVED,
        "missing": MISSING,
    }.items():
        numbers = numbers.merge(_count(nets, by, outcomes, name), on=by)
    failed = numbers["planned"] - numbers["done"] - numbers[UNRESOLVED] - numbers["missing"]
    return numbers.assign(failed=failed, n=numbers["n"].fillna(0).astype(int)).astype(
        dict.fromkeys(STATISTICS[1:], float)
    )


def _count(
    nets: pd.DataFrame, by: list[str], outcome: str | None, name: str = UNRESOLVED
) -> pd.DataFrame:
    counted = nets.assign(
        **{name: 1 if outcome is None else (nets["outcome"] == outcome).astype(int)}
    )
    return pd.DataFrame(counted.groupby(by, sort=False)[name].sum()).reset_index()


def nothing(nets: pd.DataFrame) -> bool:
    """Whether there is neither a gap nor a failure to show."""
    return bool((nets["outcome"] == MISSING).all())
