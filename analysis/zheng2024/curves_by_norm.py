"""Curves by epoch of the four norms, and of mini-batch statistics in test batches of two.

For Figures 3 left, 5, 8 and 9.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.curves import draw_curves, over_epochs
from analysis.data import Data
from analysis.legend import norm_look
from analysis.style import NORM_COLOURS, NORM_LABELS
from analysis.zheng2024 import known
from analysis.zheng2024.nets import draw_final, layers_text
from analysis.zheng2024.parts import also_tested

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STUDY = "zheng2024/curves"
NEEDS = ("epochs", "probe_series:figure3")
TWO, OWN = "2", "as in training"
BY = ["axis.data", "axis.norm"]
LINE = ["axis.norm", "test_batch"]
LINES = [("ta_bn", OWN), ("mini_batch", OWN), ("mini_batch", TWO), ("batch", OWN), ("none", OWN)]


def curves(data: Data, score: str) -> pd.DataFrame:
    """Rows of `over_epochs` for each data set, norm and test_batch.

    test_batch: "as in training", or "2" for mini-batch. score: "accuracy" or "loss".
    """
    own = over_epochs(data, BY, f"{score}_test").assign(test_batch=OWN)
    two = also_tested(data, f"{score}.batch_of_2", BY).assign(test_batch=TWO)
    rows = pd.concat([own, two], ignore_index=True) if len(two) else own
    nets = dict(
        data.runs.filter(["axis.data", "model_backbone"]).itertuples(index=False, name=None)
    )
    return rows.assign(backbone=[nets[name] for name in rows["axis.data"]], end=rows["epoch"].max())


def look(group: Mapping[str, Any]) -> dict[str, Any]:
    """A norm's colour; test batches of two are dotted."""
    if group["test_batch"] == OWN:
        return norm_look(group["axis.norm"])
    return {
        "color": NORM_COLOURS["mini_batch"],
        "linestyle": (0, (1, 1)),
        "label": f"{NORM_LABELS['mini_batch']}, test batches of 2",
    }


def looks(numbers: pd.DataFrame) -> list[dict[str, Any]]:
    """The looks of all lines that are drawn, for the legend."""
    there = set(numbers.filter(LINE).itertuples(index=False, name=None))
    return [look(dict(zip(LINE, line, strict=True))) for line in LINES if line in there]


def draw(ax: "Axes", numbers: pd.DataFrame, data_set: str) -> None:
    """One panel: the curves on one data set, and the published final accuracies."""
    rows = numbers.loc[numbers["axis.data"] == data_set]
    draw_curves(ax, rows, LINE, look)
    ax.set_xlabel("epoch")


def draw_published(ax: "Axes", numbers: pd.DataFrame, data_set: str) -> None:
    """The published final accuracies of the norms that are drawn."""
    values = {
        norm: value
        for (name, norm), value in known.by_data().items()
        if name == data_set and norm in set(numbers["axis.norm"])
    }
    draw_final(
        ax, [(NORM_COLOURS[norm], value) for norm, value in values.items()], numbers["end"].iloc[0]
    )


def nets_text(numbers: pd.DataFrame) -> str:
    """Which backbone was trained, for captions."""
    return " and ".join(layers_text(str(one)) for one in numbers["backbone"].dropna().unique())
