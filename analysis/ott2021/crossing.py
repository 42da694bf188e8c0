"""Ott 2021, conclusion and supplement A: how many trajectories cross.

Of a coarsely and of a finely trained net.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.drawing.figure import Table, by_row
from analysis.ott2021 import dependence, two_nets
from analysis.ott2021.dependence import SUCCESS
from analysis.ott2021.intersections import crossing_fractions
from analysis.rows.data import Data

TEXT = (
    "Ott 2021, conclusion. Fraction of pairs of test points whose trajectories intersect at least "
    "once (Sphere2). Trajectories are poly-lines through the states after each Euler step, as in "
    "training. Solutions of an autonomous ODE cannot intersect. The paper prints no numbers. "
    "{selection}"
)
PAIRS = ("different class", "same class")


def fractions(data: Data) -> pd.DataFrame:
    """One row per net and kind of pairs.

    Solver_steps, seed, successful, pairs, points, fraction.
    """
    rows = two_nets.probe(data, "trajectory")
    rows = rows.loc[
        (rows["solver_name"] == two_nets.SOLVER) & (rows["test_solver"] == two_nets.SOLVER)
    ]
    rows = rows.loc[rows["test_solver_steps"] == rows["solver_steps"]].sort_values(
        ["trial_id", "point", "step"]
    )
    found = []
    for _, own in rows.groupby("trial_id", sort=False):
        first = own.iloc[0]
        points, steps = own["point"].nunique(), int(first["solver_steps"])
        paths = own.filter(["x1", "x2"]).to_numpy(np.float64).reshape(points, steps + 1, 2)
        labels = own["label"].to_numpy(np.int64)[:: steps + 1]
        about = {
            "solver_steps": steps,
            "seed": first["seed"],
            "successful": bool(first["train_accuracy"] > SUCCESS["spheres"]),
            "points": points,
        }
        found += [
            about | {"pairs": kind, "fraction": value}
            for kind, value in zip(PAIRS, crossing_fractions(paths, labels), strict=True)
        ]
    return pd.DataFrame(
        found, columns=["solver_steps", "seed", "successful", "points", "pairs", "fraction"]
    )


def table(data: Data) -> pd.DataFrame:
    """n, mean, low, high, minimum, maximum of the fraction.

    Per training steps, kind of pairs and selection of seeds.
    """
    return dependence.both_selections(
        fractions(data), ["solver_steps", "points", "pairs"], "fraction"
    )


def _words(row: dict[Any, Any]) -> dict[str, str]:
    return {
        "Euler steps K": f"{row['solver_steps']}",
        "pairs of": row["pairs"],
        "test points": f"{row['points']}",
        "fraction that cross": f"{row['mean']:.4f}",
        "95 % interval": f"[{row['low']:.4f}, {row['high']:.4f}]" if row["n"] >= 3 else "-",
        "n": f"{row['n']}",
    }


TABLE = Table(
    name="ott2021/crossing",
    study="ott2021/sphere2-fixed",
    needs=("probe_trajectory:figure1",),
    numbers=table,
    text=TEXT,
    fields=lambda data, numbers: {
        "selection": dependence.selection_text(
            data, two_nets.SOLVER, sorted({int(steps) for steps in numbers["solver_steps"]})
        )
    },
    notes=dependence.NOTES,
    readable=lambda numbers: by_row(_words)(dependence.drawn(numbers)),
)
