"""Accuracy against depth as the report's figures show it, with failed runs left out and counted."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.bars import draw_points
from analysis.caption import interval_text, missing_text, scale_text
from analysis.cells import MISSING, cells, planned_rows
from analysis.data import COMPLETED, Data
from analysis.ink import panel_title
from analysis.style import NORM_COLOURS, lighter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STUDY = "enorm2019/report"
METHOD, LAYERS = "axis.method", "axis.model.layers"
# What a net of NaN scores: it answers the first of ten classes with as many images each.
CHANCE = 0.1
AS_IN_REPORT, ALL_RUNS = "as in report", "all runs"
SELECTIONS = {
    AS_IN_REPORT: "runs that ended in NaN left out",
    ALL_RUNS: "runs that ended in NaN count as chance",
}
SELECTION_TEXT = (
    "(a) As in the report, which started runs anew that ended in NaN: those are left out; crosses at the foot: all did. (b) All runs: one that ended "
    f"in NaN counts as accuracy {CHANCE:g}, chance; there the mean stands without interval, with how many did."
)
LOOKS: dict[str, dict[str, Any]] = {
    "Baseline": {"color": NORM_COLOURS["none"], "marker": "o"},
    "BN": {"color": NORM_COLOURS["batch"], "marker": "s"},
    "ENorm": {"color": NORM_COLOURS["enorm"], "marker": "^"},
    "ENorm + BN": {"color": NORM_COLOURS["enorm+batch"], "marker": "D"},
}
WITHOUT_BIAS: dict[str, Any] = {"linestyle": (0, (3, 1.5)), "markersize": 2.5}


def look(method: str, beside_bias: bool = False) -> dict[str, Any]:
    """Colour, marker and line of a method; beside_bias: paler and dashed where nets with bias are the subject."""
    name = method.removesuffix(", bias")
    properties = {"markersize": 3, **LOOKS[name]}
    return (
        {**properties, **WITHOUT_BIAS, "color": lighter(properties["color"])}
        if beside_bias and name == method
        else properties
    )


def accuracies(data: Data, methods: Sequence[str]) -> pd.DataFrame:
    """selection, axis.method, axis.model.layers with n, mean, low, high, failed: once without failed runs, once with them at chance level.

    A mean over both kinds has no interval: two lumps far apart are not what Student's t is for.
    """
    rows = planned_rows(data, "runs", "accuracy_test")
    rows = rows.loc[rows[METHOD].isin(list(methods))]
    completed = cells(rows, [METHOD, LAYERS], "accuracy_test")
    if not completed.loc[:, ["n", "failed"]].to_numpy().any():
        return completed.iloc[:0]
    everyone = cells(with_failed(rows), [METHOD, LAYERS], "accuracy_test").assign(
        failed=completed["failed"]
    )
    everyone = everyone.assign(
        **{end: everyone[end].where(everyone["failed"] == 0) for end in ("low", "high")}
    )
    parts = {AS_IN_REPORT: completed, ALL_RUNS: everyone}
    numbers = pd.concat(
        [part.assign(selection=name) for name, part in parts.items()], ignore_index=True
    )
    place = {method: index for index, method in enumerate(methods)}
    numbers = numbers.sort_values(METHOD, key=lambda names: names.map(place), kind="stable")
    numbers = numbers.sort_values(
        "selection", key=lambda names: names == ALL_RUNS, kind="stable", ignore_index=True
    )
    return numbers.filter(["selection", *completed.columns])


def with_failed(rows: pd.DataFrame, value: str = "accuracy_test") -> pd.DataFrame:
    """Planned runs with the failed ones as if they had completed at chance."""
    failed = ~rows["outcome"].isin([COMPLETED, MISSING])
    return rows.assign(
        **{
            value: rows[value].astype(float).mask(failed, CHANCE),
            "outcome": rows["outcome"].mask(failed, COMPLETED),
        }
    )


def caption(text: str, data: Data, needs: Sequence[str], numbers: pd.DataFrame) -> str:
    """As `compose`, but for failed runs, which are averaged in one of the panels."""
    ended = ", ".join(f"{n} {outcome}" for outcome, n in data.failures(needs).items())
    ended = f"Ended in NaN: {ended} of {len(data.trials)} runs." if ended else ""
    return " ".join(
        part
        for part in (
            text,
            interval_text(numbers.loc[:, "n"]),
            scale_text(data),
            ended,
            missing_text(data, needs),
        )
        if part
    )


def draw_depths(
    axes: Sequence["Axes"], numbers: pd.DataFrame, looks: Mapping[str, Mapping[str, Any]]
) -> None:
    """Panel (a) as in the report, (b) all runs; looks: method -> properties of its line, in the order of drawing."""
    for index, (ax, (selection, title)) in enumerate(zip(axes, SELECTIONS.items(), strict=True)):
        for place, (method, properties) in enumerate(looks.items()):
            rows = numbers.loc[
                (numbers["selection"] == selection) & (numbers[METHOD] == method)
            ].astype({LAYERS: float})
            _draw_line(
                ax,
                rows.sort_values(LAYERS),
                dict(properties),
                aside=0.25 * (place - (len(looks) - 1) / 2),
                count=selection == ALL_RUNS,
            )
        panel_title(ax, index, title)
        ax.set(xlabel="hidden layers p", xlim=(0, 20), xticks=range(1, 20, 2))
        ax.margins(y=0.12)
    axes[0].set_ylabel("test accuracy")


def _draw_line(
    ax: "Axes", rows: pd.DataFrame, properties: dict[str, Any], aside: float, count: bool
) -> None:
    line = properties.pop("linestyle", "-")
    done = rows.loc[rows["n"] > 0]
    ax.plot(done[LAYERS], done["mean"], color=properties["color"], linestyle=line)
    draw_points(ax, done, LAYERS, **properties)
    for row in rows.loc[rows["failed"] > 0].to_dict("records"):
        if count:
            # Left of and beneath the point: the line comes from above, or runs level.
            place = {"xytext": (-2, -3), "textcoords": "offset points", "ha": "right", "va": "top"}
            ax.annotate(
                f"{row['failed']:.0f} NaN",
                (row[LAYERS], row["mean"]),
                color=properties["color"],
                fontsize=5.5,
                **place,
            )
        elif not row["n"]:
            at = {
                "transform": ax.get_xaxis_transform(),
                "linestyle": "none",
                "marker": "x",
                "clip_on": False,
            }
            ax.plot([row[LAYERS] + aside], [0.02], color=properties["color"], **at)
