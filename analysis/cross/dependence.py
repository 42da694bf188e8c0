"""Solver dependence against normalization.

Gaps, and shares of nets that depend on their solver, over all depths of the cross grid.
"""

import pandas as pd

from analysis.cross import gaps, grid
from analysis.cross.grid import NORM, SOLVER
from analysis.drawing.figure import Table
from analysis.drawing.style import NORM_LABELS
from analysis.rows.cells import interval
from analysis.rows.data import COMPLETED, Data
from analysis.rows.stats import clopper_pearson

# Ott 2021, step adaptation: a net depends on its solver if the accuracy under a more accurate one
# differs by more than this.
THRESHOLD = 0.1
TEXT = (
    "Solver dependence against normalization, over all depths. Gap: accuracy under the reference "
    "solution minus accuracy under the training solver, mean over depths. Dependent: nets whose "
    "gap is above {threshold:g} in size (Ott 2021, step adaptation), of those that have a gap, "
    "with the Clopper-Pearson interval, as if nets were independent. Unresolved nets reached the "
    "reference's cap or smallest step; they have no gap and count in neither. "
    f"{grid.TA_BN}"
)


def table(data: Data) -> pd.DataFrame:
    """Per normalization and training solver: gap over depths with its interval, and counts of nets.

    Counts: planned, done, dependent, unresolved, failed, missing.
    """
    nets = gaps.rows(data)
    if gaps.nothing(nets):
        return pd.DataFrame()
    by = [NORM, SOLVER]
    dependent = nets.assign(
        dependent=(nets["outcome"] == COMPLETED) & (nets[gaps.SIZE] > THRESHOLD)
    )
    counted = pd.DataFrame(dependent.groupby(by, sort=False)["dependent"].sum()).reset_index()
    numbers = gaps.over_depths(nets).merge(counted, on=by)
    rows = numbers.to_dict("records")
    ends = [clopper_pearson(int(row["dependent"]), int(row["done"])) for row in rows]
    share = numbers["dependent"] / numbers["done"].where(numbers["done"] > 0)
    return numbers.assign(
        share=share, share_low=[low for low, _ in ends], share_high=[high for _, high in ends]
    )


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One line per normalization and training solver."""
    return pd.DataFrame(
        {
            "normalization": [NORM_LABELS.get(name, name) for name in numbers[NORM]],
            "training solver": [grid.SOLVERS.get(name, name) for name in numbers[SOLVER]],
            "gap ± 95 % interval (n seeds)": [
                interval(row | {"failed": 0}) for row in numbers.to_dict("records")
            ],
            "dependent nets": [_share(row) for row in numbers.to_dict("records")],
            "unresolved": numbers["unresolved"].astype(str),
            "failed": numbers["failed"].astype(str),
        }
    )


def _share(row: dict[str, float]) -> str:
    if not row["done"]:
        return "-"
    interval = f"[{row['share_low']:.2f}, {row['share_high']:.2f}]"
    return f"{row['dependent']:.0f} of {row['done']:.0f} {interval}"


TABLE = Table(
    name="cross/dependence",
    study=grid.STUDY,
    needs=gaps.NEEDS,
    axes=grid.AXES,
    fields=lambda *_: {"threshold": THRESHOLD},
    notes=grid.NOTES,
    numbers=table,
    text=TEXT,
    readable=readable,
)
