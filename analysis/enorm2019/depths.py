"""ENorm 2019, Figures 2 and 3.

Test accuracy against depth, with failed runs left out and counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis import published
from analysis.drawing.caption import interval_text, missing_text, scale_text, seeds
from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_below, published_handle
from analysis.drawing.shared import draw_points, draw_published, mark_at, panel_title
from analysis.drawing.style import FULL_INCHES, NORM_COLOURS, Axes, lighter
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import MISSING, cells, or_nothing, planned_rows
from analysis.rows.data import COMPLETED, Data
from analysis.rows.frames import in_order

STUDY = "enorm2019/report"
METHOD, LAYERS = "axis.method", "axis.model.layers"
# The accuracy of a net of NaN: it answers the first of ten classes, which have equally many images.
CHANCE = 0.1
AS_IN_REPORT, ALL_RUNS = "as in report", "all runs"
SELECTIONS = {
    AS_IN_REPORT: "runs that ended in NaN left out",
    ALL_RUNS: "runs that ended in NaN count as chance",
}
SELECTION_TEXT = (
    "(a) As in the report, which repeated runs that ended in NaN: those are left out. A cross at "
    "the bottom marks a cell in which every run ended in NaN. (b) All runs: one that ended in NaN "
    f"counts as accuracy {CHANCE:g}, chance level. The number of such runs is printed, and a cell "
    "that has one shows no interval."
)
STYLES: dict[str, dict[str, Any]] = {
    "Baseline": {"color": NORM_COLOURS["none"], "marker": "o"},
    "BN": {"color": NORM_COLOURS["batch"], "marker": "s"},
    "ENorm": {"color": NORM_COLOURS["enorm"], "marker": "^"},
    "ENorm + BN": {"color": NORM_COLOURS["enorm+batch"], "marker": "D"},
}
WITHOUT_BIAS: dict[str, Any] = {"linestyle": (0, (3, 1.5)), "markersize": 2.5}


def line_style(method: str, beside_bias: bool = False) -> dict[str, Any]:
    """Colour, marker and line of a method.

    beside_bias: paler and dashed, for figures about nets with bias.
    """
    name = method.removesuffix(", bias")
    properties = {"markersize": 3, **STYLES[name]}
    return (
        {**properties, **WITHOUT_BIAS, "color": lighter(properties["color"])}
        if beside_bias and name == method
        else properties
    )


def accuracies(data: Data, methods: Sequence[str]) -> pd.DataFrame:
    """selection, axis.method, axis.model.layers with n, mean, low, high, failed.

    Once without failed runs, once with them at chance level. A mean over both kinds has no
    interval: Student's t is not valid for two groups that are far apart.
    """
    rows = planned_rows(data, "runs", "accuracy_test")
    completed = or_nothing(cells(rows, [METHOD, LAYERS], "accuracy_test"))
    if not len(completed):
        return completed
    everyone = cells(with_failed(rows), [METHOD, LAYERS], "accuracy_test").assign(
        failed=completed["failed"]
    )
    everyone = everyone.assign(
        **{end: everyone[end].where(everyone["failed"] == 0) for end in ("low", "high")}
    )
    parts = {AS_IN_REPORT: completed, ALL_RUNS: everyone}
    return pd.concat(
        [in_order(part, METHOD, methods).assign(selection=name) for name, part in parts.items()],
        ignore_index=True,
    ).filter(["selection", *completed.columns])


def with_failed(rows: pd.DataFrame) -> pd.DataFrame:
    """Planned runs, in which failed ones count as completed at chance level."""
    failed = ~rows["outcome"].isin([COMPLETED, MISSING])
    return rows.assign(
        accuracy_test=rows["accuracy_test"].astype(float).mask(failed, CHANCE),
        outcome=rows["outcome"].mask(failed, COMPLETED),
    )


def notes(data: Data, needs: Sequence[str], numbers: pd.DataFrame) -> list[str]:
    """As `standard_notes`, but for failed runs, which are averaged in one of the panels."""
    ended = ", ".join(f"{n} {outcome}" for outcome, n in data.failures(needs).items())
    return [
        interval_text(seeds(numbers)),
        scale_text(data),
        f"Ended in NaN: {ended} of {len(data.trials)} runs." if ended else "",
        missing_text(data, needs),
    ]


def draw_depths(
    axes: Sequence[Axes], numbers: pd.DataFrame, styles: Mapping[str, Mapping[str, Any]]
) -> None:
    """Panel (a) as in the report, (b) all runs; styles.

    Method -> properties of its line, in the order of drawing.
    """
    for index, (ax, (selection, title)) in enumerate(zip(axes, SELECTIONS.items(), strict=True)):
        for place, (method, properties) in enumerate(styles.items()):
            rows = numbers.loc[(numbers["selection"] == selection) & (numbers[METHOD] == method)]
            _draw_line(
                ax,
                rows.sort_values(LAYERS),
                dict(properties),
                aside=0.25 * (place - (len(styles) - 1) / 2),
                count=selection == ALL_RUNS,
            )
        panel_title(ax, index, title)
        ax.set(xlabel="intermediary layers p", xlim=(0, 20), xticks=range(1, 20, 2))
        ax.margins(y=0.12)
    axes[0].set_ylabel("test accuracy")


def _draw_line(
    ax: Axes, rows: pd.DataFrame, properties: dict[str, Any], aside: float, count: bool
) -> None:
    line = properties.pop("linestyle", "-")
    done = rows.loc[rows["n"] > 0]
    ax.plot(done[LAYERS], done["mean"], color=properties["color"], linestyle=line)
    draw_points(ax, done, LAYERS, **properties)
    for row in rows.loc[rows["failed"] > 0].to_dict("records"):
        if count:
            # To the left and below the point: the line comes from above or is level.
            place = {"xytext": (-2, -3), "textcoords": "offset points", "ha": "right", "va": "top"}
            ax.annotate(
                f"{row['failed']:.0f} NaN",
                (row[LAYERS], row["mean"]),
                color=properties["color"],
                fontsize=5.5,
                **place,
            )
        elif not row["n"]:
            mark_at(ax, [row[LAYERS] + aside], 0.02, color=properties["color"], clip_on=False)


def _known(numbers: pd.DataFrame) -> pd.DataFrame:
    """What Figure 2 shows of these nets, as read off."""
    known = published.values("enorm2019", "figure2")
    return known.loc[
        known["method"].isin(list(numbers[METHOD])) & known["layers"].isin(list(numbers[LAYERS]))
    ]


def draw_figure2(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One line per method."""
    present = {name: line_style(name) for name in dict.fromkeys(numbers[METHOD])}
    draw_depths(axes, numbers, present)
    handles = [handle(label=method, **style) for method, style in present.items()]
    if len(known := _known(numbers)):
        draw_published(axes[0], known["layers"], known["value"], label="_")
        handles.append(published_handle("published, ENorm + BN"))
    legend_below(axes[0], handles, 5)


def draw_figure3(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One line per method; those without bias are drawn first."""
    present = {name: line_style(name, True) for name in dict.fromkeys(numbers[METHOD])}
    draw_depths(axes, numbers, present)
    handles = [handle(label=_bias_label(method), **style) for method, style in present.items()]
    legend_below(axes[0], handles[::-1], 4, handlelength=2.4)


def _bias_label(method: str) -> str:
    name, bias, _ = method.partition(", bias")
    return f"{name} with bias" if bias else f"{name} without"


def _figure(number: int, methods: Sequence[str], **about: Any) -> Figure:
    return Figure(
        name=f"enorm2019/figure{number}",
        study=STUDY,
        axes=("method", "model.layers"),
        used=lambda data: data.where({"method": tuple(methods)}),
        numbers=lambda data: accuracies(data, methods),
        notes=notes,
        panels=(1, 2),
        size_inches=(FULL_INCHES, 2.7),
        chart=VegaChart(
            x="axis.model.layers",
            colour="axis.method",
            panel="selection",
            titles={"mean": "test accuracy", "axis.model.layers": "intermediary layers"},
        ),
        **about,
    )


FIGURES = (
    _figure(
        2,
        tuple(STYLES),
        text=(
            "ENorm 2019, Figure 2. Test accuracy on CIFAR-10 after the last epoch of fully "
            "connected "
            f"nets without bias against the number of intermediary layers p. {SELECTION_TEXT} "
            "{sources}"
        ),
        fields=lambda _, numbers: {"sources": published.sources(_known(numbers))},
        draw=draw_figure2,
    ),
    # Without bias first, so that nets with bias are drawn on top.
    _figure(
        3,
        ("Baseline", "ENorm", "Baseline, bias", "ENorm, bias"),
        text=(
            "ENorm 2019, Figure 3. Test accuracy on CIFAR-10 after the last epoch of fully "
            "connected "
            "nets with bias (solid) against the number of intermediary layers p, and without "
            f"(dashed, pale). The report has ENorm with bias up to p = 9 only. {SELECTION_TEXT}"
        ),
        draw=draw_figure3,
    ),
)
