"""Zheng 2024, Figure 7: test accuracy by epoch of TA-BN with four interpolations.

Also their final accuracies and times.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.drawing.curves import draw_curves, over_epochs
from analysis.drawing.figure import Figure
from analysis.drawing.legend import legend_below
from analysis.drawing.style import COLUMN_INCHES, Axes, sequential_colours
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import alone, cells, planned_rows
from analysis.rows.data import Data
from analysis.zheng2024.nets import layers_text, line_handles, marks

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

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
STYLES = dict(zip(LABELS, ("-", (0, (5, 1)), (0, (1, 1)), (0, (5, 1, 1, 1))), strict=True))


def colours() -> dict[str, tuple[float, float, float]]:
    """Interpolation -> its colour. All are TA-BN, so these are not the colours of norms."""
    return dict(zip(LABELS, sequential_colours(len(LABELS)), strict=True))


def line_style(name: str) -> dict[str, Any]:
    """Colour, style and label of one interpolation."""
    return {"color": colours()[name], "linestyle": STYLES[name], "label": LABELS[name]}


def style_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """`line_style` of a group of curves."""
    return line_style(group[AXIS])


def curves(data: Data) -> pd.DataFrame:
    """Test accuracy by epoch for each data set, backbone and interpolation."""
    return over_epochs(data, BY)


def timed(data: Data) -> pd.DataFrame:
    """Planned runs with `seconds_per_step`.

    NaN if others shared the machine or the run was resumed.
    """
    rows = planned_rows(data, "runs", "train_seconds", "outcome_iteration", "timing_valid")
    return rows.assign(
        seconds_per_step=(
            rows["train_seconds"].astype(float) / rows["outcome_iteration"].astype(float)
        ).where(alone(rows))
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


def handles(numbers: pd.DataFrame) -> "list[Line2D]":
    """The legend's entries for the interpolations that are drawn, and for failed runs."""
    present = [line_style(name) for name in LABELS if name in set(numbers[AXIS])]
    return [*line_handles(present), *marks(numbers, published=False)]


def draw_figure7(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One line per interpolation."""
    draw_curves(axes[0], numbers, [AXIS], style_of)
    axes[0].set(xlabel="epoch", ylabel="test accuracy on CIFAR-10")
    legend_below(axes[0], handles(numbers), 4)


FIGURE7 = Figure(
    name="zheng2024/figure7",
    study=STUDY,
    needs=("epochs",),
    axes=("data", "model.backbone", "model.norm.interpolation"),
    used=lambda data: data.where({"data": "CIFAR-10"}),
    numbers=curves,
    text=(
        "Zheng 2024, Figure 7. Test accuracy on CIFAR-10 after each epoch of nets of {nets} with "
        "TA-BN, by how it interpolates between its grid's times. The colours tell interpolations "
        "apart, not norms."
    ),
    fields=lambda _, numbers: {"nets": " and ".join(map(layers_text, numbers[BACKBONE].unique()))},
    draw=draw_figure7,
    size_inches=(COLUMN_INCHES, 2.6),
    chart=VegaChart(
        x="epoch",
        colour="axis.model.norm.interpolation",
        panel="axis.model.backbone",
        where={"line": "mean"},
        titles={"mean": "test accuracy", "axis.model.norm.interpolation": "interpolation"},
    ),
)
