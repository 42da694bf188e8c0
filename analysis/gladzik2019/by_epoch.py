"""Gladzik's figures: accuracy by epoch, on the training images as the thesis plots it, and beside it on the test set."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis import published
from analysis.bars import draw_published
from analysis.caption import compose
from analysis.curves import draw_curves, over_epochs, summarise_at
from analysis.data import AXIS, COMPLETED, Data
from analysis.gladzik2019.nets import Name, look, planned
from analysis.ink import panel_title
from analysis.legend import handle, legend_below, published_handle
from analysis.style import FULL_INCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEEDS = ("epochs", "probe_series")
PANELS = (1, 2)
SIZE_INCHES = (FULL_INCHES, 2.6)
TITLES = {"train_images": "training images, as in the thesis", "test": "test images"}
CAPTION = (
    "Gladzik 2019, {figure}. Accuracy by epoch: (a) on the training images under the test transform, which the thesis plots as validation; "
    "(b) on the test set, which it does not show. {more} Dashed, from a cross on: a run that failed. The thesis' curves are not in its text."
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
    """Accuracy in percent by panel (train_images, test), net and epoch: means over completed runs, and each failed run; see `over_epochs`."""
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
            nets = [
                name(str(study), row)
                for row in axes.filter([column.removeprefix(AXIS) for column in by])
                .astype(str)
                .to_dict("records")
            ]
            parts.append(numbers.assign(panel=panel, net=nets).loc[[net != "" for net in nets]])
    there = [part.dropna(axis="columns", how="all") for part in parts if len(part)]
    if not there:
        return pd.DataFrame(columns=COLUMNS)
    numbers = pd.concat(there, ignore_index=True).reindex(columns=COLUMNS)
    # Nets in the plan's order; rows come in the order of trial ids.
    order = {net: place for place, net in enumerate(dict.fromkeys(planned(data, name)["net"]))}
    numbers = numbers.sort_values(
        ["panel", "net"],
        key=lambda column: column.map(order) if column.name == "net" else column,
        kind="stable",
    )
    numbers = numbers.reset_index(drop=True)
    percent = {
        column: 100 * numbers[column].astype(float)
        for column in ("mean", "low", "high", "minimum", "maximum")
    }
    return numbers.assign(**percent)


def _on_training_images(data: Data, by: Sequence[str]) -> pd.DataFrame:
    """As `over_epochs`, of the series: epochs are iterations over those of one epoch."""
    last = data.epochs.sort_values("iteration").drop_duplicates("trial_id", keep="last")
    batches = last.assign(
        batches=last["iteration"].astype(float) / last["epoch"].astype(float)
    ).filter(["trial_id", "batches"])
    rows = data.with_run(
        data.series("accuracy.train_images").dropna(subset=["value"]), "outcome"
    ).merge(batches, on="trial_id")
    rows = rows.assign(epoch=(rows["iteration"] / rows["batches"]).round(6)).sort_values(
        ["trial_id", "epoch"]
    )
    done = rows["run.outcome"] == COMPLETED
    parts = [summarise_at(rows.loc[done], by, "epoch", "value").assign(line="mean", carried=False)]
    end = max((float(epoch) for epoch in data.epochs["epoch"]), default=0.0)
    for _, run in rows.loc[~done].groupby("trial_id", sort=False):
        line = run.filter([*by, "seed", "epoch", "value"]).assign(line="failed", n=1, carried=False)
        # As `over_epochs` draws it: from its last value dashed to the end of the axis.
        on = pd.concat([line.iloc[-1:]] * 2).assign(
            carried=True, epoch=[line["epoch"].iloc[-1], end]
        )
        both = pd.concat([line, on])
        parts.append(
            both.assign(mean=both["value"], minimum=both["value"], maximum=both["value"]).drop(
                columns="value"
            )
        )
    return pd.concat(
        [part.dropna(axis="columns", how="all") for part in parts if len(part)] or parts[:1],
        ignore_index=True,
    )


def caption(data: Data, numbers: pd.DataFrame, figure: str, more: str = "") -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return compose(
        CAPTION.format(figure=figure, more=more),
        data,
        NEEDS,
        numbers.loc[numbers["line"] == "mean", "n"],
    )


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"], known: str = "") -> None:
    """(a) training images, (b) test images; one line per net. known: entry of published.toml with a value that the text gives for the end."""
    nets = list(dict.fromkeys(numbers["net"]))
    for index, (ax, panel) in enumerate(zip(axes, TITLES, strict=True)):
        rows = numbers.loc[numbers["panel"] == panel]
        draw_curves(ax, rows, ["net"], lambda group: look(group["net"]))
        panel_title(ax, index, TITLES[panel])
        ax.set_xlabel("epoch")
    handles = [handle(**look(net)) for net in nets]
    if known:
        about = published.values("gladzik2019", known)
        about = about.loc[about["quantity"] == "accuracy_train_images", "value"]
        draw_published(axes[0], [numbers["epoch"].max()], [100 * float(about.iloc[0])])
        handles.append(published_handle("about, thesis (text)"))
    axes[0].set_ylabel("accuracy [%]")
    legend_below(axes[0], handles, 4)
