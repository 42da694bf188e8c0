"""The two nets of Ott 2021, Figures 1 and 2.

The same network trained with Euler, coarsely and finely.
"""

import pandas as pd

from analysis.ott2021.dependence import SUCCESS
from analysis.rows.data import Data

SOLVER = "euler"
COARSE_STEPS = 2  # the paper's coarse net; without it the coarsest of several


def probe(data: Data, name: str) -> pd.DataFrame:
    """Rows of a probe with solver_name, solver_steps and train_accuracy of their nets."""
    carried = {
        "solver_name": "solver_name",
        "solver_steps": "solver_steps",
        "accuracy_train": "train_accuracy",
    }
    return data.with_run(data.probe(name), *carried).rename(
        columns={f"run.{column}": given for column, given in carried.items()}
    )


def solver_steps(data: Data) -> dict[str, int]:
    """Training steps of the nets "fine" and "coarse" among Euler-trained runs with trajectories.

    Empty if there are none.
    """
    rows = probe(data, "trajectory")
    steps = sorted({int(step) for step in rows.loc[rows["solver_name"] == SOLVER, "solver_steps"]})
    if not steps:
        return {}
    if len(steps) == 1:
        return {"coarse" if steps == [COARSE_STEPS] else "fine": steps[0]}
    return {"fine": steps[-1], "coarse": COARSE_STEPS if COARSE_STEPS in steps else steps[0]}


def one_seed(rows: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Probe rows of one Euler-trained net.

    Of the smallest seed that trained successfully, or the smallest of all if none did.
    """
    own = rows.loc[(rows["solver_name"] == SOLVER) & (rows["solver_steps"] == steps)]
    successful = own.loc[own["train_accuracy"] > SUCCESS["spheres"]]
    chosen = successful if len(successful) else own
    return chosen.loc[chosen["seed"] == chosen["seed"].min()]


def tested_with(rows: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Those of these probe rows that were computed with Euler and `steps` steps."""
    return rows.loc[(rows["test_solver"] == SOLVER) & (rows["test_solver_steps"] == steps)]
