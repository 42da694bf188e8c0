"""The Pareto front of the cross grid as a table: cells that no cheaper cell reaches.

Each cell is under its training solver.
"""

import pandas as pd

from analysis.cross import grid, pareto
from analysis.cross.grid import DEPTH, NORM, SOLVER
from analysis.drawing.figure import Table
from analysis.drawing.style import NORM_LABELS
from analysis.rows.cells import interval
from analysis.rows.data import Data

TEXT = (
    "Pareto front of test accuracy against evaluations of the field in one forward pass, each "
    "net under its training solver: cells that no cheaper cell reaches. Picked as best of many "
    "means, so optimistic by their noise."
)


def table(data: Data) -> pd.DataFrame:
    """The front's cells, cheapest first."""
    numbers = pareto.as_trained(data)
    return numbers.loc[numbers["front"]].sort_values("nfe_per_batch", ignore_index=True)


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


TABLE = Table(
    name="cross/front",
    study=grid.STUDY,
    needs=pareto.NEEDS[:1],
    axes=grid.AXES,
    notes=grid.NOTES,
    numbers=table,
    text=TEXT,
    readable=readable,
)
