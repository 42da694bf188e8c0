"""Zheng 2024, Figure 10: linear against kernel interpolation on CIFAR-100.

By epoch and over seeds, and the time of a step.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.drawing.caption import standard_notes
from analysis.drawing.curves import draw_curves
from analysis.drawing.figure import Figure, two_in_a_row
from analysis.drawing.legend import legend_below
from analysis.drawing.shared import draw_bars, each_panel, panel_title
from analysis.drawing.style import FULL_INCHES, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.data import Data
from analysis.rows.frames import tuples
from analysis.zheng2024 import interpolations
from analysis.zheng2024.interpolations import AXIS, BACKBONE
from analysis.zheng2024.nets import LAYERS

TEXT = (
    "Zheng 2024, Figure 10. {what}. {curves}Boxes: test accuracy after the last epoch, quartiles "
    "over seeds, whiskers to the farthest seeds, every seed a dot. Bars: seconds of training per "
    "step, of runs alone on their machine and never resumed only; a dash where there is none. "
    "The colours tell interpolations apart, not norms."
)
CURVES = {"a": "cnn6", "c": "unet18"}
ORDER = "abcd"


def table(data: Data) -> pd.DataFrame:
    """Panels a, c: curves by epoch. Panel b: one row per seed.

    Panel d: seconds per step with n, mean, low, high, failed and missing.
    """
    if not len(data.runs):
        return pd.DataFrame()
    curves = interpolations.curves(data)
    curves = curves.loc[curves["axis.data"] == "CIFAR-100"]
    parts = [
        curves.loc[curves[BACKBONE] == backbone].assign(panel=panel)
        for panel, backbone in CURVES.items()
    ]
    parts += [
        interpolations.finals(data).assign(panel="b"),
        interpolations.times(data).assign(panel="d"),
    ]
    numbers = pd.concat([part for part in parts if len(part)], ignore_index=True)
    # A scale without CIFAR-100 has no lines.
    return numbers.reindex(columns=list(dict.fromkeys([*numbers.columns, "line"]))).sort_values(
        "panel", kind="stable", ignore_index=True
    )


def _there(numbers: pd.DataFrame) -> list[str]:
    return [panel for panel in ORDER if panel in set(numbers["panel"])]


def _fields(_data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    drawn = [LAYERS[backbone] for panel, backbone in CURVES.items() if panel in _there(numbers)]
    nets = f"nets of {' and '.join(map(str, drawn))} layers. "
    sets = {
        "CIFAR-100": "linear and kernel interpolation on CIFAR-100",
        "CIFAR-10": "all four interpolations on CIFAR-10",
    }
    what = [text for name, text in sets.items() if name in set(numbers["axis.data"])]
    return {
        "curves": f"Curves: test accuracy after each epoch, {nets}" if drawn else "",
        "what": f"TA-BN with {' and '.join(what)}",
    }


def _means(numbers: pd.DataFrame) -> pd.Series:
    return numbers.loc[(numbers["panel"] == "d") | (numbers["line"] == "mean")].loc[:, "n"]


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Curves of both depths, boxes, bars."""
    for index, panel, ax in each_panel(axes, _there(numbers)):
        rows = numbers.loc[numbers["panel"] == panel]
        if panel in CURVES:
            draw_curves(ax, rows, [AXIS], interpolations.style_of)
            ax.set_xlabel("epoch")
            ax.set_ylabel("test accuracy")
            panel_title(ax, index, f"CIFAR-100, {LAYERS[CURVES[panel]]} layers")
        elif panel == "b":
            _draw_boxes(ax, rows)
            panel_title(ax, index, "over seeds")
        else:
            draw_bars(
                ax,
                rows.assign(place=_places(rows)),
                "place",
                AXIS,
                colours=interpolations.colours(),
                labels=interpolations.LABELS,
            )
            ax.set_ylabel("seconds per training step")
            panel_title(ax, index, "time")
    legend_below(axes[0], interpolations.handles(numbers), 6)


def _places(rows: pd.DataFrame) -> list[str]:
    return [
        f"{data}\n{LAYERS[backbone]} layers"
        for data, backbone in tuples(rows, "axis.data", BACKBONE)
    ]


def _draw_boxes(ax: Axes, rows: pd.DataFrame) -> None:
    places = {place: index for index, place in enumerate(dict.fromkeys(_places(rows)))}
    rows = rows.assign(place=[places[place] for place in _places(rows)])
    for place, group in rows.groupby("place"):
        names = [name for name in interpolations.LABELS if name in set(group[AXIS])]
        for index, name in enumerate(names):
            values = group.loc[group[AXIS] == name, "mean"].to_numpy(float)
            at = float(str(place)) + (index - (len(names) - 1) / 2) * 0.8 / len(names)
            colour = interpolations.colours()[name]
            line = {"color": colour, "linewidth": 0.8}
            ax.boxplot(
                [values],
                positions=[at],
                widths=0.6 / len(names),
                whis=(0, 100),
                showfliers=False,
                medianprops=line,
                boxprops=line,
                whiskerprops=line,
                capprops=line,
                manage_ticks=False,
            )
            ax.plot([at] * len(values), values, ".", color=colour, markersize=3)
    ax.set_xticks(list(places.values()), list(places))
    ax.set_ylabel("test accuracy")


FIGURE = Figure(
    name="zheng2024/figure10",
    study=interpolations.STUDY,
    needs=("epochs",),
    axes=("data", "model.backbone", "model.norm.interpolation"),
    numbers=table,
    text=TEXT,
    fields=_fields,
    notes=standard_notes(_means),
    draw=draw,
    panels=lambda numbers: two_in_a_row(len(_there(numbers))),
    size_inches=(FULL_INCHES, 2.2),
    chart=VegaChart(
        mark="point",
        x="axis.model.norm.interpolation",
        panel="axis.data",
        row="axis.model.backbone",
        where={"panel": "b"},
        titles={"mean": "test accuracy", "axis.model.norm.interpolation": "interpolation"},
    ),
)
