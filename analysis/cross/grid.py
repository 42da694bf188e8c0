"""The cross grid's axes as figures print them, and what captions say where no interval is drawn."""

import math
from typing import Any, cast

import numpy as np
import pandas as pd

from analysis.drawing.caption import half_widths, standard_notes
from analysis.rows.cells import MISSING
from analysis.rows.data import COMPLETED
from odecore.config.backbone import STACKS, Stack

STUDY = "cross/norm_solver_depth"
NORM, SOLVER, DEPTH = "axis.norm", "axis.solver", "axis.model.backbone"
SOLVERS = {
    "euler2": "Euler, 2 steps",
    "euler8": "Euler, 8 steps",
    "euler32": "Euler, 32 steps",
    "rk4_4": "RK4, 4 steps",
    "dopri5": "Dopri5, tolerance 1e-3",
}
SHORT_SOLVERS = {
    "euler2": "Euler 2",
    "euler8": "Euler 8",
    "euler32": "Euler 32",
    "rk4_4": "RK4 4",
    "dopri5": "Dopri5",
}


def layers(backbone: str) -> int:
    """Layers with weights in the backbone's field: 4 of cnn4, 18 of unet18."""
    return len(STACKS[cast("Stack", backbone)])


def depth_label(backbone: str) -> str:
    """The number of layers; a U-Net is marked."""
    return f"{layers(backbone)}{' U' if backbone.startswith('unet') else ''}"


# What charts print for the values and the columns of the grid.
LABELS = SHORT_SOLVERS | {stack: depth_label(stack) for stack in STACKS}
TITLES = {DEPTH: "layers", NORM: "normalization", "mean": "test accuracy"}


def panels_of(rows: pd.DataFrame) -> list[str]:
    """The panels in the order of the numbers."""
    return list(dict.fromkeys(rows["panel"]))


def shape(count: int) -> tuple[int, int]:
    """Rows and columns for this many panels: one row up to three, two above."""
    down = 1 if count <= 3 else 2
    return down, math.ceil(count / down)


def panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """Rows and columns for the panels of the numbers."""
    return shape(len(panels_of(numbers)))


# What captions about other solvers than that of the training say.
TA_BN = (
    "TA-BN trained with fixed steps has statistics at the times of these steps alone. Elsewhere "
    "they are still mean 0 and variance 1, so that its loss under a finer solver is in part that "
    "of its statistics, not of the dynamics."
)
# For figures without bars: how wide the intervals are that the CSV has.
NOTES = standard_notes(spread=half_widths)
AXES = ("norm", "solver", "model.backbone")


def some(which: Any) -> bool:
    """Whether a column of truth values has a true one."""
    return bool(np.asarray(which, dtype=bool).any())


def worst(outcomes: pd.Series) -> str:
    """The outcome of several runs that belong together.

    missing if one is missing, completed if all are, otherwise the first failure.
    """
    found = [str(one) for one in outcomes]
    return (
        MISSING if MISSING in found else next((one for one in found if one != COMPLETED), COMPLETED)
    )
