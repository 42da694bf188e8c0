"""ENorm 2019, control: largest bias-gradient norm by epoch.

With c = 1.2, c = 1 and without ENorm, one panel per depth.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.drawing.curves import draw_curves, summarise_at
from analysis.drawing.figure import Figure, one_column_each
from analysis.drawing.legend import failed_handle, handle, legend_below
from analysis.drawing.style import FULL_INCHES, NORM_COLOURS, Axes
from analysis.drawing.vega import VegaChart
from analysis.enorm2019.controls import CONTROL, CONTROLS, LAYERS, METHOD, REPORT, beside
from analysis.rows.cells import STATISTICS, one_per_seed
from analysis.rows.data import COMPLETED, Data
from analysis.rows.frames import stack

# A gradient that vanished to zero cannot be shown on a logarithmic axis.
FLOOR = 1e-10
BY = ["net", LAYERS]
NETS: dict[str, dict[str, Any]] = {
    "Baseline, bias": {"color": NORM_COLOURS["none"], "label": "baseline"},
    "ENorm, bias": {"color": NORM_COLOURS["enorm"], "label": "ENorm, c = 1.2"},
    "c = 1, bias": {
        "color": NORM_COLOURS["enorm"],
        "linestyle": (0, (4, 1.5)),
        "label": "ENorm, c = 1",
    },
}
TEXT = (
    "ENorm 2019, control (no figure of the report): norm of the largest gradient of one layer's "
    "bias in each epoch, of nets with p intermediary layers with bias on CIFAR-10. Geometric "
    "means over seeds with the interval of the logarithm. Runs that ended in NaN are drawn one by "
    "one up to the last epoch that they finished, with a cross there, or at the bottom left if "
    f"they finished none. Norms below {FLOOR:g} are drawn at {FLOOR:g}."
)


def table(data: Data) -> pd.DataFrame:
    """net, p, epoch with n, mean, low, high (of the logarithm, as norms).

    Rows line = "failed": one run, its norms as `mean`.
    """
    runs, epochs = (_named(rows) for rows in (data.runs, data.epochs))
    one_per_seed(runs, BY)
    epochs = epochs.dropna(subset=["bias_gradient_norm_max"])
    epochs = epochs.assign(
        value=np.log10(epochs["bias_gradient_norm_max"].astype(float).clip(lower=FLOOR))
    )
    means = summarise_at(
        epochs.loc[epochs["run.outcome"] == COMPLETED], BY, "epoch", "value"
    ).assign(line="mean", carried=False)
    failed = [
        _failed(run, epochs.loc[epochs["trial_id"] == run["trial_id"]])
        for run in runs.loc[runs["outcome"] != COMPLETED].to_dict("records")
    ]
    columns = [*BY, "line", "seed", "epoch", *STATISTICS, "carried"]
    numbers = stack((means, *failed), columns)
    return numbers.assign(**{name: 10 ** numbers[name].astype(float) for name in STATISTICS[1:]})


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(net=rows[METHOD].where(rows[CONTROL] == "", rows[CONTROL]))
    return rows.loc[rows["net"].isin(list(NETS))]


def _failed(run: Mapping[Any, Any], own: pd.DataFrame) -> pd.DataFrame:
    """The run's epochs and the last one again, marked as carried, where its cross is drawn."""
    own = own.sort_values("epoch").filter(["epoch", "value"]).rename(columns={"value": "mean"})
    last = own.tail(1) if len(own) else pd.DataFrame({"epoch": [0], "mean": [float("nan")]})
    rows = pd.concat([own.assign(carried=False), last.assign(carried=True)], ignore_index=True)
    return rows.assign(**{name: run[name] for name in (*BY, "seed")}, line="failed", n=1)


def _used(data: Data) -> Data:
    """The nets of NETS."""
    return beside(data, "Baseline, bias").where(
        {"method": ("", "ENorm, bias", "Baseline, bias"), "control": ("", "c = 1, bias")}
    )


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One panel per depth, one line per kind of net."""
    from matplotlib.ticker import MaxNLocator

    ends = numbers.loc[:, ["mean", "minimum", "maximum"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    # Whole decades, so that every panel has labelled ticks.
    low, high = (
        (10 ** np.floor(np.log10(ends.min())), 10 ** np.ceil(np.log10(ends.max()) + 0.1))
        if len(ends)
        else (0.1, 1.0)
    )
    depths = sorted(set(numbers[LAYERS]), key=int)
    for place, (ax, depth) in enumerate(zip(axes, depths, strict=True)):
        ax.set(
            yscale="log",
            ylim=(low, high),
            xlim=(0, 1.02 * float(max(numbers["epoch"]))),
            title=f"p = {depth}",
            xlabel="epoch",
        )
        draw_curves(
            ax,
            numbers.loc[numbers[LAYERS] == depth],
            ["net"],
            lambda group: dict(NETS[group["net"]]),
        )
        ax.tick_params(which="both", labelleft=not place)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes[0].set_ylabel("largest bias-gradient norm")
    present = [handle(**NETS[net]) for net in NETS if net in set(numbers["net"])]
    failed = [failed_handle()] if "failed" in set(numbers["line"]) else []
    for mark in failed:
        mark.set_label("ended in NaN")
    legend_below(axes[0], [*present, *failed], 5, handlelength=2.4)


FIGURE = Figure(
    name="enorm2019/bias_gradients",
    study=(CONTROLS, REPORT),
    needs=("epochs",),
    used=_used,
    numbers=table,
    text=TEXT,
    draw=draw,
    panels=one_column_each(LAYERS),
    size_inches=(FULL_INCHES, 2.2),
    chart=VegaChart(
        x="epoch",
        colour="net",
        panel=LAYERS,
        log_y=True,
        where={"line": "mean"},
        titles={"mean": "largest norm of a bias gradient", LAYERS: "intermediary layers"},
    ),
)
