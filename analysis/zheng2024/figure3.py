"""Zheng 2024, Figure 3: test accuracy by epoch of each norm.

With one noisy image in each test batch; statistics of the first layer over time.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.drawing.curves import draw_curves, over_epochs
from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_below, norm_style
from analysis.drawing.shared import band, no_rows, panel_title
from analysis.drawing.style import FULL_INCHES, NORM_COLOURS, NORM_LABELS, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.data import COMPLETED, Data
from analysis.rows.stats import summarise
from analysis.zheng2024 import curves_by_norm
from analysis.zheng2024.nets import layers_text, line_handles, marks
from analysis.zheng2024.trials import also_tested, part

TEXT = (
    "Zheng 2024, Figure 3, on CIFAR-10. (a) Test accuracy after each epoch, {left}; mini-batch "
    "statistics also on the first 1,000 images (or all there are) in test batches of two. "
    "Diamonds: published final values (Table 1, 18 layers), filled like their line. (b) The same "
    "of nets with {middle}, tested on clean images and with one image of each test batch "
    "replaced by noise. (c) Mean and variance, averaged over channels, of the first layer's "
    "output before its norm, of nets with TA-BN, linearly interpolated between the solver's "
    "evaluations."
)
TIMES = np.linspace(0, 1, 41)
CLEAN, NOISY = "clean", "noisy"
STATISTICS = {"mean": "-", "variance": (0, (4, 1.5, 1, 1.5))}


def _used(data: Data) -> Data:
    trials = data.trials
    chosen = trials["study"] == "zheng2024/noise"
    if "axis.data" in trials:
        chosen |= trials["axis.data"] == "CIFAR-10"
    return data.part(trials.loc[chosen])


def table(data: Data) -> pd.DataFrame:
    """Panels a and b: axis.norm, test_batch or noise, and epoch with n, mean, low, high.

    Failed runs are lines of their own. Panel c: statistic and t with the same columns.
    """
    parts: list[pd.DataFrame] = []
    if curves := part(data, "zheng2024/curves"):
        parts += [
            curves_by_norm.curves(curves, "accuracy").assign(panel="a"),
            layer_statistics(curves).assign(panel="c"),
        ]
    if noise := part(data, "zheng2024/noise"):
        parts.append(_noisy(noise).assign(panel="b"))
    parts = [one for one in parts if len(one)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _noisy(data: Data) -> pd.DataFrame:
    clean = over_epochs(data, ["axis.model.norm"]).assign(noise=CLEAN)
    noisy = also_tested(data, "accuracy.noisy", ["axis.model.norm"]).assign(noise=NOISY)
    rows = pd.concat([clean, noisy], ignore_index=True) if len(noisy) else clean
    return rows.assign(
        backbone=data.runs["model_backbone"].iloc[0] if len(data.runs) else ""
    ).rename(columns={"axis.model.norm": "axis.norm"})


def layer_statistics(data: Data) -> pd.DataFrame:
    """Statistic ("mean", "variance"), t and n, mean, low, high over seeds.

    Of the first layer of nets with TA-BN.
    """
    rows = data.with_run(data.probe("layer_statistics", "figure3"), "outcome")
    rows = rows.loc[(rows["layer"] == 0) & (rows["run.outcome"] == COMPLETED)].rename(
        columns={"var": "variance"}
    )
    # One value for each call of f. Steps that were rejected or share their end have some times
    # twice.
    over_channels = rows.groupby(["seed", "t"], as_index=False)[list(STATISTICS)].mean()
    parts = [
        pd.DataFrame(
            {
                "seed": seed,
                "statistic": name,
                "t": TIMES,
                "value": np.interp(TIMES, own["t"], own[name]),
            }
        )
        for seed, own in over_channels.groupby("seed")
        for name in STATISTICS
    ]
    return (
        summarise(pd.concat(parts, ignore_index=True), ["statistic", "t"], "value")
        if parts
        else pd.DataFrame()
    )


def _fields(_data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    backbones = numbers.reindex(columns=["panel", "backbone"]).dropna()
    nets = dict(backbones.itertuples(index=False, name=None))
    return {
        "left": layers_text(nets.get("a", "unet18")),
        "middle": layers_text(nets.get("b", "cnn6")),
    }


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Norms, noise, statistics."""
    numbers = numbers.reindex(
        columns=list(
            dict.fromkeys(
                [
                    *numbers.columns,
                    "line",
                    "test_batch",
                    "noise",
                    "statistic",
                    "axis.norm",
                    "axis.data",
                ]
            )
        )
    )
    left, middle, right = (numbers.loc[numbers["panel"] == panel] for panel in "abc")
    for index, (ax, title) in enumerate(
        zip(axes, ("norms", "a noisy image per test batch", "first layer, TA-BN"), strict=True)
    ):
        panel_title(ax, index, title)
    if len(left):
        curves_by_norm.draw(axes[0], left, "CIFAR-10")
        curves_by_norm.draw_published(axes[0], left, "CIFAR-10")
    else:
        no_rows(axes[0])
    draw_curves(axes[1], middle, ["axis.norm", "noise"], _noise_style) if len(middle) else no_rows(
        axes[1]
    )
    _draw_statistics(axes[2], right) if len(right) else no_rows(axes[2])
    axes[1].set_xlabel("epoch")
    axes[0].set_ylabel("test accuracy")
    noisy = line_handles(
        _noise_style({"axis.norm": norm, "noise": NOISY})
        for norm in middle.loc[middle["noise"] == NOISY, "axis.norm"].unique()
    )
    legend_below(
        axes[0],
        [*line_handles(curves_by_norm.line_styles(left)), *noisy, *marks(numbers, published=True)],
        4,
    )


def _noise_style(group: Any) -> dict[str, Any]:
    norm = group["axis.norm"]
    if group["noise"] == CLEAN:
        return norm_style(norm)
    return {
        "color": NORM_COLOURS[norm],
        "linestyle": (0, (4, 1.2, 1, 1.2)),
        "label": f"{NORM_LABELS[norm]}, noisy test batches",
    }


def _draw_statistics(ax: Axes, rows: pd.DataFrame) -> None:
    colour = NORM_COLOURS["ta_bn"]
    for name, style in STATISTICS.items():
        own = rows.loc[rows["statistic"] == name].sort_values("t")
        ax.plot(own["t"], own["mean"], color=colour, linestyle=style)
        band(ax, own, "t", colour)
    ax.legend(
        handles=[
            handle(color=colour, linestyle=style, label=name) for name, style in STATISTICS.items()
        ],
        loc="best",
    )
    ax.set_xlabel("t")
    ax.set_ylabel("over batch and space")


FIGURE = Figure(
    name="zheng2024/figure3",
    study=("zheng2024/curves", "zheng2024/noise"),
    needs=("epochs", "probe_series:figure3", "probe_layer_statistics:figure3"),
    used=_used,
    numbers=table,
    text=TEXT,
    fields=_fields,
    draw=draw,
    panels=(1, 3),
    size_inches=(FULL_INCHES, 2.6),
    chart=VegaChart(
        x="epoch",
        colour="axis.norm",
        panel="panel",
        apart=("test_batch", "noise"),
        where={"panel": ("a", "b"), "line": "mean"},
        titles={"mean": "test accuracy"},
    ),
)
