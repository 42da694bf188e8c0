"""The pictures of a study that nobody described: curves, each axis, a map, outcomes, cost."""

from collections.abc import Iterator, Sequence

from analysis.drawing.figure import Figure
from analysis.errors import ReportError
from analysis.plot.chart import (
    STUDY,
    Chart,
    Wish,
    chart,
    colour_axis,
    default_metric,
    left_over,
    planned,
)
from analysis.plot.figures import costs_figure, figure, outcomes_figure
from analysis.plot.names import Names
from analysis.rows.data import AXIS, KEY, Data

# A figure, or its name and why it is left out.
Picture = Figure | tuple[str, str]


def page(data: Data, name: str, only: Sequence[str] = ()) -> Iterator[Picture]:
    """Each picture of the study in turn. only: what `--where` chose, for the captions."""
    names = Names(data)
    rows = planned(data, names, "runs", [])
    axes = left_over(rows, names, [])
    metric = default_metric(data, "runs")
    for picture, wish in _wishes(data, metric, axes):
        try:
            yield figure(data, chart(data, wish), f"{name}/{picture}", only)
        except ReportError as reason:
            yield f"{name}/{picture}", str(reason)
    yield outcomes_figure(data, axes, f"{name}/outcomes")
    if metric in names.metrics["runs"]:
        hue = colour_axis(rows, axes)
        cell = Chart(kind="cost", y=metric, table="runs", x=hue or STUDY, hue=hue, cols=tuple(axes))
        yield costs_figure(data, cell, f"{name}/cost")


def _wishes(data: Data, metric: str, axes: Sequence[str]) -> Iterator[tuple[str, Wish]]:
    """The name of each picture, and what it shows."""
    words = [axis.removeprefix(AXIS) for axis in axes]
    yield "curves", Wish(y=metric, kind="curve")
    for word in words:
        yield f"by_{word}", Wish(y=metric, x=word)
    if not words:
        yield "value", Wish(y=metric)
    if len(words) > 1:
        yield "map", Wish(y=metric, kind="heat")
    # Trials that are tested in more than one way.
    if data.tests.duplicated(KEY).any():
        yield "tests", Wish(y="accuracy")
