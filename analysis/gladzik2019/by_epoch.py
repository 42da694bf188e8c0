"""Gladzik 2019, Figures 5.1 to 5.9.

Accuracy by epoch, on the training images as the thesis plots it, and beside it on the test set.
"""

from collections.abc import Sequence

import pandas as pd

from analysis import published
from analysis.drawing.curves import draw_curves, over_epochs
from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_below, published_handle
from analysis.drawing.shared import draw_published, panel_title
from analysis.drawing.style import FULL_INCHES, Axes
from analysis.drawing.vega import VegaChart
from analysis.gladzik2019 import nets
from analysis.gladzik2019.nets import (
    D1,
    D2,
    D3,
    D4,
    D5,
    D6,
    D7,
    D7_ADAM,
    D8,
    Name,
    line_style,
    planned,
)
from analysis.rows.data import AXIS, Data
from analysis.rows.frames import in_order, stack

TITLES = {"train_images": "training images, as in the thesis", "test": "test images"}
TEXT = (
    "Gladzik 2019, {figure}. Accuracy by epoch: (a) on the training images under the test "
    "transform, which the thesis plots as validation; (b) on the test set, which it does not show. "
    "{more} Dashed line after a cross: a run that failed. The text of the thesis has no values of "
    "these curves."
)
COLUMNS = [
    "panel",
    "net",
    "line",
    "seed",
    "epoch",
    "n",
    "mean",
    "low",
    "high",
    "minimum",
    "maximum",
    "carried",
]


def table(data: Data, name: Name) -> pd.DataFrame:
    """Accuracy in percent by panel (train_images, test), net and epoch.

    Means over completed runs, and each failed run; see `over_epochs`.
    """
    parts = []
    for study in dict.fromkeys(data.trials["study"]):
        own = data.where({"study": study})
        by = [
            column
            for column in own.trials.columns
            if column.startswith(AXIS) and set(own.trials[column]) != {""}
        ]
        for panel, numbers in (
            ("train_images", _on_training_images(own, by)),
            ("test", over_epochs(own, by)),
        ):
            axes = numbers.rename(columns={column: column.removeprefix(AXIS) for column in by})
            named = [
                name(str(study), row)
                for row in axes.filter([column.removeprefix(AXIS) for column in by]).to_dict(
                    "records"
                )
            ]
            parts.append(numbers.assign(panel=panel, net=named).loc[[net != "" for net in named]])
    # Nets in the plan's order. Rows come in the order of trial ids.
    order = dict.fromkeys(planned(data, name)["net"])
    numbers = in_order(stack(parts, COLUMNS), "net", order).sort_values(
        "panel", ascending=True, kind="stable", ignore_index=True
    )
    percent = {
        column: 100 * numbers[column].astype(float)
        for column in ("mean", "low", "high", "minimum", "maximum")
    }
    return numbers.assign(**percent)


def _on_training_images(data: Data, by: Sequence[str]) -> pd.DataFrame:
    """Like `over_epochs`, for a series.

    An epoch is an iteration divided by the iterations of one epoch.
    """
    last = data.epochs.sort_values("iteration").drop_duplicates("trial_id", keep="last")
    batches = last.assign(
        batches=last["iteration"].astype(float) / last["epoch"].astype(float)
    ).filter(["trial_id", "batches"])
    rows = data.with_run(data.series("accuracy.train_images"), "outcome").merge(
        batches, on="trial_id"
    )
    epoch = (rows["iteration"] / rows["batches"]).round(6)
    rows = rows.assign(epoch=epoch).sort_values(["trial_id", "epoch"])
    return over_epochs(data, by, "accuracy", rows=rows.rename(columns={"value": "accuracy"}))


def draw(numbers: pd.DataFrame, axes: Sequence[Axes], known: str = "") -> None:
    """(a) training images, (b) test images; one line per net.

    known: entry of published.toml with a value that the text gives for the end.
    """
    for index, (ax, panel) in enumerate(zip(axes, TITLES, strict=True)):
        rows = numbers.loc[numbers["panel"] == panel]
        draw_curves(ax, rows, ["net"], lambda group: line_style(group["net"]))
        panel_title(ax, index, TITLES[panel])
        ax.set_xlabel("epoch")
    handles = [handle(**line_style(net)) for net in dict.fromkeys(numbers["net"])]
    if known:
        about = published.values("gladzik2019", known)
        about = about.loc[about["quantity"] == "accuracy_train_images", "value"]
        draw_published(axes[0], [numbers["epoch"].max()], [100 * float(about.iloc[0])])
        handles.append(published_handle("about, thesis (text)"))
    axes[0].set_ylabel("accuracy [%]")
    legend_below(axes[0], handles, 4)


def _figure(
    number: int,
    study: str | tuple[str, ...],
    naming: Name,
    what: str,
    *axes: str,
    more: str = "",
    known: str = "",
) -> Figure:
    return Figure(
        name=f"gladzik2019/figure5_{number}",
        study=study,
        needs=("epochs", "probe_series"),
        axes=axes,
        numbers=lambda data: table(data, naming),
        text=TEXT.format(figure=f"Figure 5.{number}, {what}", more=more),
        draw=lambda numbers, axes: draw(numbers, axes, known),
        panels=(1, 2),
        size_inches=(FULL_INCHES, 2.6),
        chart=VegaChart(x="epoch", colour="net", panel="panel", where={"line": "mean"}),
    )


FIGURES = (
    _figure(1, D1, nets.by_gradient, "MNIST", "gradient", known="d1"),
    _figure(2, D2, nets.by_gradient, "QMNIST", "gradient", known="d2"),
    _figure(3, D3, nets.by_net, "Fashion-MNIST", "net"),
    _figure(4, (D3, D4), nets.by_blocks, "Fashion-MNIST, one and two ODE blocks"),
    _figure(
        5,
        D3,
        nets.by_smallest_net,
        "Fashion-MNIST, the smallest residual net against the ODENet trained by the adjoint",
        "net",
    ),
    _figure(6, D5, nets.by_net, "CIFAR-10", "net"),
    _figure(
        7,
        D6,
        nets.by_tolerance,
        "CIFAR-10, tighter tolerances with Adam",
        "solver.tolerance",
    ),
    _figure(
        8,
        (D7, D7_ADAM),
        nets.by_optimizer,
        "CIFAR-100",
        more="Adam with learning rate 0.1 is the thesis'; Adam 1e-3 is ours, with a learning rate "
        "that trains.",
    ),
    _figure(
        9,
        D8,
        nets.by_optimizer,
        "CIFAR-100, 200 epochs",
        "gradient",
        more="The thesis does not say which two nets it means; Adam with learning rate 0.1 is used "
        "here.",
    ),
)
