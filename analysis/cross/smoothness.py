"""The (S, n)-criterion of Gusak 2020 on the cross grid.

Which normalizations make nets trained with Euler keep their accuracy under more powerful solvers?
"""

import pandas as pd

from analysis.cross import grid
from analysis.cross.grid import DEPTH, NORM, SOLVER, worst
from analysis.drawing.figure import Table
from analysis.drawing.style import NORM_LABELS
from analysis.rows.cells import cells, planned_rows
from analysis.rows.data import COMPLETED, KEY, Data
from odecore.config.solver_methods import FIXED_STEP

NEEDS = ("evaluations:test_grid",)
# Gusak 2020 gives no tolerance. With this drop, its Figure 1 gives the paper's own verdicts.
MAX_DROP = 0.03
# The table shows these. The CSV has every normalization.
SHOWN = ("ta_bn", "layer", "group")
STAGES = {name: FIXED_STEP[name].stages for name in ("euler", "rk4")}
TEXT = (
    "(S, n)-criterion (Gusak 2020, section 3.2): nets trained with n0 Euler steps, tested with "
    "Euler and classical RK4 at n > n0 evaluations. Drop: accuracy at n0 minus the lowest of "
    "these, per net. Smooth: drop at most {drop:g} (the paper gives no tolerance), by the whole "
    "interval; unclear where it straddles; by the mean where n < 3. Higher: the paper's literal "
    "criterion, every solver with n > n0 gives a higher accuracy, on average. At a useless "
    "accuracy smooth means nothing, so the accuracy at n0 stands in front. The CSV has all "
    "normalizations. "
    f"{grid.TA_BN}"
)


def drops(data: Data) -> pd.DataFrame:
    """One row per net trained with Euler.

    Columns: study, trial_id, seed, axis.*, n0, outcome, own (accuracy at n0) and drop (largest loss
    at n > n0). If one of these evaluations of a net is missing or failed, the net has that outcome
    and no drop.
    """
    rows = planned_rows(data, NEEDS[0], "accuracy")
    trained = (
        data.runs.loc[data.runs["solver_name"] == "euler"]
        .filter([SOLVER, "solver_steps"])
        .drop_duplicates()
    )
    rows = rows.loc[rows["test.solver"].isin(list(STAGES))].merge(trained, on=SOLVER)
    spent = rows["test.solver_steps"].astype(float) * rows["test.solver"].map(STAGES).astype(float)
    n0, accuracy = rows["solver_steps"].astype(float), rows["accuracy"].astype(float)
    own = (rows["test.solver"] == "euler") & (spent == n0)
    rows = rows.assign(n0=n0, own=accuracy.where(own), stronger=accuracy.where(spent > n0)).loc[
        own | (spent > n0)
    ]
    by = [*KEY, "seed", *(name for name in rows.columns if name.startswith("axis.")), "n0"]
    groups = rows.groupby(by, sort=False)
    found = pd.DataFrame(
        {
            "own": groups["own"].max(),
            "lowest": groups["stronger"].min(),
            "outcome": groups["outcome"].agg(worst),
        }
    ).reset_index()
    done = (found["outcome"] == COMPLETED) & found["own"].notna() & found["lowest"].notna()
    return found.assign(
        drop=(found["own"] - found["lowest"]).where(done),
        outcome=found["outcome"].where(done | (found["outcome"] != COMPLETED), "missing"),
    ).drop(columns="lowest")


def table(data: Data) -> pd.DataFrame:
    """Cells by normalization, training solver and depth.

    Columns: n0, drop as mean with interval, own: mean accuracy at n0, smooth, higher.
    """
    nets = drops(data)
    if not grid.some(nets["outcome"] == COMPLETED):
        return pd.DataFrame()
    by = [NORM, SOLVER, "n0", DEPTH]
    own = nets.loc[nets["outcome"] == COMPLETED].groupby(by, sort=False)["own"].mean().reset_index()
    numbers = cells(nets, by, "drop").merge(own, on=by, how="left")
    verdicts = [verdict(row["mean"], row["low"], row["high"]) for row in numbers.to_dict("records")]
    return numbers.assign(smooth=verdicts, higher=numbers["mean"] < 0)


def verdict(mean: float, low: float, high: float) -> str:
    """Smooth, not smooth or unclear by the interval; by the mean if there is none."""
    if mean != mean:
        return ""
    if low != low:
        low = high = mean
    limit = MAX_DROP + 1e-9  # a drop of exactly .03 is smooth, whatever its last bit
    return "smooth" if high <= limit else "not smooth" if low > limit else "unclear"


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per normalization and n0, one column per depth."""
    norms = [name for name in SHOWN if name in set(numbers[NORM])]
    shown = []
    for norm in norms:
        for n0, rows in numbers.loc[numbers[NORM] == norm].groupby("n0"):
            columns = {
                f"{grid.depth_label(row[DEPTH])} layers": _words(row)
                for row in rows.to_dict("records")
            }
            shown.append({"normalization": NORM_LABELS[norm], "n0": f"{n0:.0f}"} | columns)
    return pd.DataFrame(shown).fillna("-").astype(str)


def _words(row: dict[str, float]) -> str:
    notes = [f"{row['failed']:.0f} failed"] if row["failed"] else []
    if not row["n"]:
        return ", ".join(notes) or "-"
    longer = max(row["high"] - row["mean"], row["mean"] - row["low"])
    half = "" if row["low"] != row["low"] else f" ± {longer:.3f}"
    verdicts = [str(row["smooth"]), *(["higher"] if row["higher"] else [])]
    count = ", ".join([f"{row['n']:.0f}", *notes])
    return f"{row['own']:.3f}, drop {row['mean']:.3f}{half} ({count}): {', '.join(verdicts)}"


TABLE = Table(
    name="cross/smoothness",
    study=grid.STUDY,
    needs=NEEDS,
    axes=grid.AXES,
    fields=lambda *_: {"drop": MAX_DROP},
    notes=grid.NOTES,
    numbers=table,
    text=TEXT,
    readable=readable,
)
