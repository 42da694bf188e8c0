"""The (S, n)-criterion in numbers.

How much a net's accuracy falls, or rises, under solvers that are more powerful than that of its
training.
"""

import pandas as pd

from analysis.rows.cells import MISSING, planned_rows
from analysis.rows.data import AXIS, COMPLETED, KEY, Data
from odecore.config.solver_methods import FIXED_STEP

STUDY = "gusak2020/figure1"
NEEDS = ("runs", "evaluations:figure1")
AXES = ("model.stem_norm", "model.ode_norm", "solver.steps")
STEM, NORM, STEPS = (AXIS + axis for axis in AXES)
# The paper measures the power of a solver by its NFE, steps times stages.
STAGES = {name: FIXED_STEP[name].stages for name in ("euler", "midpoint", "rk4")}
# The paper gives no tolerance. This one gives its verdicts from the values read off its Figure 1.
TOLERANCE = 0.03
# Of ten classes with equally many images: the accuracy of a net whose state is no longer finite.
CHANCE = 0.1


def tested(data: Data) -> pd.DataFrame:
    """One row per planned evaluation with its accuracy, outcome and `nfe_per_solve`."""
    rows = planned_rows(data, NEEDS[1], "accuracy")
    stages = rows.loc[:, "test.solver"].map(STAGES)
    return rows.assign(nfe_per_solve=rows["test.solver_steps"] * stages)


def per_net(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per trained net.

    Columns: seed, axis.*, outcome, accuracy under (Euler, n0), drop = accuracy - min a(S, n), gain
    = max a(S, n) - accuracy. S: all solvers, with an NFE of n > n0 (Gusak 2020, section 3.2). rows:
    as returned by `tested`. A test whose state is not finite counts as chance level, a net that
    lacks one of these tests as missing. drop and gain are NaN if no test has n > n0.
    """
    trained = rows[STEPS]
    own = rows.loc[(rows["test.solver"] == "euler") & (rows["nfe_per_solve"] == trained)]
    own = own.filter(
        [
            *KEY,
            "seed",
            *(name for name in rows.columns if name.startswith(AXIS)),
            "outcome",
            "accuracy",
        ]
    )
    stronger = rows.loc[rows["nfe_per_solve"] > trained]
    score = stronger["accuracy"].astype(float).where(stronger["outcome"] == COMPLETED, CHANCE)
    stronger = stronger.assign(score=score, lacking=stronger["outcome"] == MISSING)
    ends = pd.DataFrame(
        stronger.groupby(KEY).agg(
            least=("score", "min"), most=("score", "max"), lacking=("lacking", "any")
        )
    ).reset_index()
    nets = own.merge(ends, on=KEY, how="left")
    lacks = nets["lacking"].eq(True) & (nets["outcome"] == COMPLETED)
    accuracy = nets["accuracy"].astype(float)
    columns = {
        "accuracy": accuracy,
        "drop": accuracy - nets["least"].astype(float),
        "gain": nets["most"].astype(float) - accuracy,
    }
    return nets.assign(outcome=nets["outcome"].mask(lacks, MISSING), **columns).drop(
        columns=["least", "most", "lacking"]
    )
