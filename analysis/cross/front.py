"""The Pareto front of the cross grid as a table: cells that no cheaper cell reaches.

Each cell is under its training solver.
"""

import pandas as pd

from analysis.cells import interval
from analysis.cross import grid, pareto
from analysis.cross.grid import DEPTH, NORM, SOLVER
from analysis.data import Data
from analysis.style import NORM_LABELS

NAME = "cross/front"
STUDY = grid.STUDY
NEEDS = pareto.NEEDS[:1]
CAPTION = (
    "Pareto front of test accuracy against NFE of one forward pass, each net under its training "
    "solver: cells that no cheaper cell reaches. The front picks the best of many means, so noise "
    "makes it optimistic."
)


def table(data: Data) -> pd.DataFrame:
    """The front's cells, cheapest first."""
    numbers = pareto.as_trained(data)
    return numbers.loc[numbers["front"]].sort_values("nfe_per_batch", ignore_index=True)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, the widths of intervals, scale and what is missing."""
    return grid.caption(CAPTION, data, NEEDS, numbers)


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One line per cell."""
    return pd.DataFrame(
        {
            "NFE": [f"{value:.4g}" for value in numbers["nfe_per_batch"]],
            "normalization": [NORM_LABELS.get(name, name) for name in numbers[NORM]],
            "training solver": [grid.SOLVERS.get(name, name) for name in numbers[SOLVER]],
            "layers": [grid.depth_label(name) for name in numbers[DEPTH]],
            "accuracy ± 95 % interval (n)": [interval(row) for row in numbers.to_dict("records")],
        }
    )
