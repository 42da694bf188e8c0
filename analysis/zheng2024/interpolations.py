"""How TA-BN's interpolations are drawn, and their curves, final accuracies and times.

For Figures 7 and 10.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.cells import cells, planned_rows
from analysis.curves import over_epochs
from analysis.data import Data
from analysis.style import sequential_colours

STUDY = "zheng2024/interpolation"
AXIS = "axis.model.norm.interpolation"
BACKBONE = "axis.model.backbone"
BY = ["axis.data", BACKBONE, AXIS]
LABELS = {
    "linear": "linear",
    "cubic_spline": "cubic spline",
    "kernel": "kernel",
    "gaussian_process": "Gaussian process",
}
COLOURS = dict(zip(LABELS, sequential_colours(len(LABELS)), strict=True))
STYLES = dict(zip(LABELS, ("-", (0, (5, 1)), (0, (1, 1)), (0, (5, 1, 1, 1))), strict=True))


def look(name: str) -> dict[str, Any]:
    """Colour, style and label of one interpolation.

    All are TA-BN, so their colours are none of the norms'.
    """
    return {"color": COLOURS[name], "linestyle": STYLES[name], "label": LABELS[name]}


def look_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """`look` of a group of curves."""
    return look(group[AXIS])


def curves(data: Data) -> pd.DataFrame:
    """Test accuracy by epoch for each data set, backbone and interpolation."""
    return over_epochs(data, BY)


def timed(data: Data) -> pd.DataFrame:
    """Planned runs with `seconds_per_step`.

    NaN if others shared the machine or the run was resumed.
    """
    rows = planned_rows(data, "runs", "train_seconds", "outcome_iteration", "timing_valid")
    valid = [one is True or one == 1 for one in rows["timing_valid"]]
    return rows.assign(
        seconds_per_step=(
            rows["train_seconds"].astype(float) / rows["outcome_iteration"].astype(float)
        ).where(valid)
    )


def times(data: Data) -> pd.DataFrame:
    """`cells` of the seconds of training per step."""
    return cells(timed(data), BY, "seconds_per_step")


def finals(data: Data) -> pd.DataFrame:
    """The last epoch's accuracy of every completed run, as `mean` with n = 1 and its seed."""
    rows = data.completed.filter([*BY, "seed", "accuracy_test"]).dropna(subset=["accuracy_test"])
    return (
        rows.rename(columns={"accuracy_test": "mean"})
        .assign(n=1)
        .sort_values([*BY, "seed"], ignore_index=True)
    )
