"""Zheng 2024, Figures 5, 8 and 9: curves by epoch of the four norms.

Mini-batch statistics are also tested in batches of two. One figure has both forms of the nets.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.drawing.curves import draw_curves, over_epochs
from analysis.drawing.figure import Figure, one_column_each, two_in_a_row
from analysis.drawing.legend import legend_below, norm_style
from analysis.drawing.shared import each_panel, no_rows, panel_title
from analysis.drawing.style import FULL_INCHES, NORM_COLOURS, NORM_LABELS, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.data import Data
from analysis.rows.frames import tuples
from analysis.zheng2024 import published_ends
from analysis.zheng2024.nets import draw_final, layers_text, line_handles, marks
from analysis.zheng2024.trials import VARIANT, also_tested

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
    nets = dict(tuples(data.runs, "axis.data", "model_backbone"))
    return rows.assign(backbone=[nets[name] for name in rows["axis.data"]], end=rows["epoch"].max())


def line_style(group: Mapping[str, Any]) -> dict[str, Any]:
    """A norm's colour; test batches of two are dotted."""
    if group["test_batch"] == OWN:
        return norm_style(group["axis.norm"])
    return {
        "color": NORM_COLOURS["mini_batch"],
        "linestyle": (0, (1, 1)),
        "label": f"{NORM_LABELS['mini_batch']}, test batches of 2",
    }


def line_styles(numbers: pd.DataFrame) -> list[dict[str, Any]]:
    """The styles of all lines there, for the legend."""
    there = set(tuples(numbers, *LINE))
    return [line_style(dict(zip(LINE, line, strict=True))) for line in LINES if line in there]


def _legend(
    axes: Sequence[Axes], numbers: pd.DataFrame, columns: int = 4, *, published: bool = True
) -> None:
    handles = [*line_handles(line_styles(numbers)), *marks(numbers, published)]
    legend_below(axes[0], handles, columns)


def draw(ax: Axes, numbers: pd.DataFrame, data_set: str) -> None:
    """One panel: the curves on one data set, and the published final accuracies."""
    rows = numbers.loc[numbers["axis.data"] == data_set]
    draw_curves(ax, rows, LINE, line_style)
    ax.set_xlabel("epoch")


def draw_published(ax: Axes, numbers: pd.DataFrame, data_set: str) -> None:
    """The published final accuracies of the norms that are drawn."""
    values = {
        norm: value
        for (name, norm), value in published_ends.by_data().items()
        if name == data_set and norm in set(numbers["axis.norm"])
    }
    draw_final(
        ax, [(NORM_COLOURS[norm], value) for norm, value in values.items()], numbers["end"].iloc[0]
    )


def _nets(_data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    nets = numbers["backbone"].dropna().unique()
    return {"nets": " and ".join(layers_text(str(one)) for one in nets)}


def draw_figure5(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Accuracy, one panel for each data set."""
    present = [name for name in OTHERS if name in set(numbers["axis.data"])]
    for index, name, ax in each_panel(axes, present):
        draw(ax, numbers, name)
        draw_published(ax, numbers, name)
        panel_title(ax, index, name)
    axes[0].set_ylabel("test accuracy")
    _legend(axes, numbers)


def _sets(numbers: pd.DataFrame) -> list[str]:
    return [name for name in ("CIFAR-10", *OTHERS) if name in set(numbers["axis.data"])]


def both_variants(data: Data) -> pd.DataFrame:
    """The rows of `curves` of the accuracy, for each form in the column `axis.variant`."""
    forms = data.order("variant") if VARIANT in data.trials else []
    parts = [
        curves(data.where({"variant": form}), "accuracy").assign(**{VARIANT: form})
        for form in forms
        if len(data.where({"variant": form}).runs)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _forms(numbers: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(numbers[VARIANT]))


def draw_both_variants(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """A row of panels for each form, a column for each data set."""
    panels = [(form, name) for form in _forms(numbers) for name in _sets(numbers)]
    for index, ((form, name), ax) in enumerate(zip(panels, axes, strict=True)):
        rows = numbers.loc[numbers[VARIANT] == form]
        panel_title(ax, index, name)
        if name == panels[0][1]:
            ax.set_ylabel(f"{form}: test accuracy")
        if name not in set(rows["axis.data"]):
            no_rows(ax)
            continue
        draw(ax, rows, name)
        draw_published(ax, rows, name)
    _legend(axes, numbers)


def draw_losses(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Loss on a logarithmic axis, one panel for each data set."""
    # Such an axis cannot show an interval that reaches zero: its lower end is the smallest single
    # value.
    low = numbers["low"].where((numbers["low"] > 0) | numbers["low"].isna(), numbers["minimum"])
    for index, name, ax in each_panel(axes, _sets(numbers)):
        draw(ax, numbers.assign(low=low), name)
        ax.set_yscale("log")
        panel_title(ax, index, name)
        ax.set_ylabel("test loss")
    _legend(axes, numbers, 6, published=False)


OTHERS = ("SVHN", "CIFAR-100", "Tiny-ImageNet")


def _chart(what: str, *, row: str = "", log_y: bool = False) -> VegaChart:
    return VegaChart(
        x="epoch",
        colour="axis.norm",
        panel="axis.data",
        row=row,
        apart=("test_batch",),
        log_y=log_y,
        where={"line": "mean"},
        titles={"mean": what},
    )


FIGURES = (
    Figure(
        name="zheng2024/curves",
        study=STUDY,
        needs=NEEDS,
        axes=("data", "norm", "variant"),
        used=lambda data: data.with_variants,
        numbers=both_variants,
        text=(
            "Zheng 2024, Figures 3 (left) and 5, as printed and as released, a row each. Test "
            "accuracy after each epoch, {nets}; mini-batch statistics also on the first 1,000 "
            "images (or all there are) in test batches of two. Each run that failed is dashed at "
            "its last value from where it failed; a cross on the axis: failed before its first "
            "score. Diamonds, the same in both rows: published final values (Table 1, 18 layers), "
            "filled like their line."
        ),
        fields=_nets,
        draw=draw_both_variants,
        panels=lambda numbers: (len(_forms(numbers)), len(_sets(numbers))),
        chart=_chart("test accuracy", row=VARIANT),
        size_inches=(FULL_INCHES, 2.2),
    ),
    Figure(
        name="zheng2024/figure5",
        study=STUDY,
        needs=NEEDS,
        axes=("data", "norm"),
        used=lambda data: data.where({"data": OTHERS}),
        numbers=lambda data: curves(data, "accuracy"),
        text=(
            "Zheng 2024, Figure 5. Test accuracy after each epoch, {nets}; mini-batch statistics "
            "also on the first 1,000 images (or all there are) in test batches of two. Each run "
            "that failed is dashed at its last value from where it failed; a cross on the axis: "
            "failed before its first score. Diamonds: published final values (Table 1, 18 "
            "layers), filled like their line; without norm on Tiny-ImageNet the paper reports a "
            "failure in the first epoch."
        ),
        fields=_nets,
        draw=draw_figure5,
        panels=one_column_each("axis.data"),
        chart=_chart("test accuracy"),
        size_inches=(FULL_INCHES, 2.5),
    ),
    Figure(
        name="zheng2024/figure8_9",
        study=STUDY,
        needs=NEEDS,
        axes=("data", "norm"),
        numbers=lambda data: curves(data, "loss"),
        text=(
            "Zheng 2024, Figures 8 and 9. Test loss (cross-entropy, logarithmic axis) after each "
            "epoch, {nets}; mini-batch statistics also on the first 1,000 images (or all there "
            "are) in test batches of two. Each run that failed is dashed at its last value from "
            "where it failed; a cross on the axis: failed before its first score."
        ),
        fields=_nets,
        draw=draw_losses,
        panels=lambda numbers: two_in_a_row(len(_sets(numbers))),
        chart=_chart("test loss", log_y=True),
        size_inches=(FULL_INCHES, 2.2),
    ),
)
