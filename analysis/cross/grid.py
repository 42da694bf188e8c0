"""The axes of the cross grid as figures print them.

Also what their captions say if no interval is drawn.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from analysis.caption import failures_text, missing_text, scale_text
from analysis.cells import MISSING
from analysis.data import COMPLETED, Data
from analysis.stats import MIN_N_INTERVAL
from analysis.style import NORM_LABELS

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
DEPTH_TITLE = "layers (U: U-Net, others convolutional)"


def layers(backbone: str) -> int:
    """Layers with weights in the backbone's field: 4 of cnn4, 18 of unet18."""
    return int("".join(letter for letter in backbone if letter.isdigit()) or 0)


def depth_label(backbone: str) -> str:
    """The number of layers; a U-Net is marked."""
    return f"{layers(backbone)}{' U' if backbone.startswith('unet') else ''}"


def panels_of(rows: pd.DataFrame, column: str = "panel") -> list[str]:
    """The panels in the order of the numbers."""
    return list(dict.fromkeys(rows[column]))


def shape(count: int) -> tuple[int, int]:
    """Rows and columns for this many panels: one row up to three, two above."""
    down = 1 if count <= 3 else 2
    return down, math.ceil(count / down)


def caption(text: str, data: Data, needs: Iterable[str], numbers: pd.DataFrame) -> str:
    """Like `analysis.caption.compose`, for figures without bars.

    It says how wide the intervals in the CSV are. numbers: n, low, high.
    """
    needs = tuple(needs)
    parts = [
        " ".join(text.split()),
        intervals(numbers),
        scale_text(data),
        failures_text(data, needs),
        missing_text(data, needs),
    ]
    return " ".join(part for part in parts if part)


def intervals(numbers: pd.DataFrame) -> str:
    """The n of each number and the half-widths of the 95 % intervals."""
    n = numbers.loc[numbers["n"] > 0, "n"]
    if not len(n):
        return "No numbers yet: n = 0, no interval."
    smallest, largest = int(n.min()), int(n.max())
    seeds = f"n = {smallest}" if smallest == largest else f"n = {smallest} to {largest}"
    half = ((numbers["high"] - numbers["low"]) / 2).loc[numbers["n"] >= MIN_N_INTERVAL].dropna()
    if not len(half):
        return f"Mean over seeds, {seeds} per number: no interval below n = {MIN_N_INTERVAL}."
    return (
        f"Mean over seeds, {seeds} per number; half-width of the 95 % Student t interval over "
        f"seeds: median {half.median():.2g}, "
        f"at most {half.max():.2g} (the CSV has each)."
    )


def some(which: Any) -> bool:
    """Whether a column of truth values has a true one."""
    return bool(np.asarray(which, dtype=bool).any())


def norm_label(name: str) -> str:
    """The normalization as figures print it."""
    return NORM_LABELS.get(name) or name


def worst(outcomes: pd.Series) -> str:
    """The outcome of several runs that belong together.

    missing if one is missing, completed if all are, otherwise the first failure.
    """
    found = [str(one) for one in outcomes]
    return (
        MISSING if MISSING in found else next((one for one in found if one != COMPLETED), COMPLETED)
    )
