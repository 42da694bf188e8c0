"""Pictures of any study as figures: with numbers, caption and drawing, as those of the papers."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from analysis.drawing.caption import missing_text, scale_text
from analysis.drawing.figure import Figure
from analysis.drawing.style import FULL_INCHES
from analysis.drawing.vega import VegaChart
from analysis.errors import ReportError
from analysis.plot import draw, rows
from analysis.plot.chart import STUDY, Chart
from analysis.plot.look import CHARACTER, look
from analysis.plot.names import TIMES, with_axes
from analysis.plot.panels import panels_of, shape, width_of
from analysis.plot.places import across
from analysis.plot.text import coloured, listed, notes_of, sentence, text_of, times_text, title_of
from analysis.plot.words import labels, metric_label
from analysis.rows.data import COMPLETED, Data
from analysis.running.coverage import COLOURS

# The height of all panels on one page.
PAGE_INCHES = 8.6
OUTCOME_COLOURS = COLOURS | {
    "crashed": "#882255",
    "out_of_memory": "#AA4499",
    "timed_out": "#DDCC77",
}
# From the one end of the bars to the other.
ORDER = (COMPLETED, "diverged", "solver_failed", "crashed", "out_of_memory", "timed_out", "missing")


def figure(data: Data, chart: Chart, name: str, only: Sequence[str] = ()) -> Figure:
    """The figure of one chart. name: `study/picture`. only: what `--where` chose, for the caption.

    Its numbers, caption and drawing are of these data, whichever are handed to it. Raises
    ReportError where runs are there, but none with the metric and the axes.
    """
    shown = with_axes(data, chart.by)
    numbers = rows.numbers(shown, chart)
    nothing = numbers.empty or ("n" in numbers and not set(numbers["n"]) - {0})
    if nothing and len(data.completed):
        of = f" together with {listed(chart.by)}" if chart.by != [STUDY] else ""
        alone = chart.table == "runs" and chart.y in TIMES and len(data.runs[chart.y].dropna())
        why = "; times count only for runs that had the machine to themselves" if alone else ""
        raise ReportError(f"no run or evaluation of {data.names} has {chart.y}{of}{why}")
    style = look(shown, chart, numbers)
    layout = _layout(chart, numbers)
    drawing = {
        "line": partial(draw.draw_points, chart=chart, style=style, columns=layout[1]),
        "point": partial(draw.draw_points, chart=chart, style=style, columns=layout[1]),
        "curve": partial(draw.draw_curves_of, chart=chart, style=style, columns=layout[1]),
        "box": partial(draw.draw_boxes, chart=chart, style=style, columns=layout[1]),
        "heat": partial(draw.draw_heat, chart=chart, columns=layout[1]),
    }[chart.kind]
    return Figure(
        name=name,
        study=data.plans[0].study,
        numbers=lambda _: numbers,
        text="{text}",
        fields=lambda _data, _numbers: {"text": text_of(data, chart, numbers, only)},
        notes=notes_of(chart),
        needs=("epochs", chart.table) if chart.table == "probe_series" else (chart.table,),
        used=lambda _: data,
        draw=drawing,
        panels=layout,
        chart=interactive(chart, numbers),
        size_inches=_size(chart, numbers, layout),
    )


def interactive(chart: Chart, numbers: pd.DataFrame) -> VegaChart:
    """The same picture for the report's page, with the first two axes of panels as panels."""
    panel, row, *more = [*chart.cols, "", ""]
    titles = {"mean": metric_label(chart.y)}
    if chart.kind == "heat":
        return VegaChart(
            mark="heat",
            x=chart.x,
            y=chart.hue or STUDY,
            colour="mean",
            panel=panel,
            row=row,
            titles=titles,
        )
    lines = chart.kind in ("line", "curve")
    return VegaChart(
        mark="line" if lines else "point",
        x=chart.x,
        y="mean" if "mean" in numbers else "value",
        colour=chart.hue or "",
        panel=panel,
        row=row,
        apart=tuple(axis for axis in more if axis),
        where={"line": "mean"} if "line" in numbers else {},
        titles=titles,
    )


def outcomes_figure(data: Data, axes: list[str], name: str) -> Figure:
    """How the planned trials of each value of each axis ended."""
    numbers = rows.outcomes(data, axes)
    keys = panels_of(numbers, ["axis"]) if len(numbers) else [()]
    layout = shape(keys, most=3) if len(numbers) else (1, 1)
    tallest = max((_count(bars, "value") for _, bars in numbers.groupby("axis")), default=1)
    colours = {name: OUTCOME_COLOURS[name] for name in ORDER}
    return Figure(
        name=name,
        study=data.plans[0].study,
        numbers=lambda _: numbers,
        text="{text}",
        fields=lambda _data, _numbers: {
            "text": f"{title_of(data)} How the planned trials ended, by each axis. Counts of "
            "trials, no averages. Diverged and solver failed are results; the others that did not "
            "complete have no result yet."
        },
        notes=lambda shown, needs, _: [scale_text(shown), missing_text(shown, needs)],
        used=lambda _: data,
        draw=partial(draw.draw_outcomes, colours=colours, columns=layout[1]),
        panels=layout,
        chart=VegaChart(
            mark="bar", x="trials", y="value", colour="outcome", row="axis", colours=colours
        ),
        size_inches=(width_of(layout[1]), 0.95 + 0.16 * tallest),
    )


def costs_figure(data: Data, chart: Chart, name: str) -> Figure:
    """The metric against what it costs. chart: gives the metric, and the axes of its cells."""
    numbers = rows.costs(data, chart.by, chart.y)
    style = look(data, chart, numbers)
    layout = (1, max(1, len(set(numbers["cost"]))))
    return Figure(
        name=name,
        study=data.plans[0].study,
        numbers=lambda _: numbers,
        text="{text}",
        fields=lambda _data, _numbers: {
            "text": f"{title_of(data)} {sentence(metric_label(chart.y))} against the cost of a "
            f"run. One dot per cell ({listed(chart.by)}){coloured(chart)}. {times_text(data)}"
        },
        used=lambda _: data,
        draw=partial(draw.draw_costs, chart=chart, style=style, columns=layout[1]),
        panels=layout,
        chart=VegaChart(
            mark="point",
            x="amount",
            colour=chart.hue or "",
            panel="cost",
            apart=chart.cols,
            log_x=True,
            titles={"mean": metric_label(chart.y)},
        ),
        size_inches=(width_of(layout[1]), 2.2),
    )


def _layout(chart: Chart, numbers: pd.DataFrame) -> tuple[int, int]:
    if not len(numbers):
        return (1, 1)
    keys = panels_of(numbers, chart.cols)
    if chart.kind == "heat":
        wide = 0.34 * _count(numbers, chart.x) + 0.2
        return shape(keys, most=max(1, min(5, int(5.6 / wide))))
    words = labels(numbers[chart.x]) if chart.kind != "curve" else {}
    crowded = len(words) > 8 and across(numbers[chart.x]).places
    return shape(keys, most=3 if crowded else 6)


def _size(chart: Chart, numbers: pd.DataFrame, layout: tuple[int, int]) -> tuple[float, float]:
    rows_of_panels, columns = layout
    if chart.kind == "heat":
        return FULL_INCHES, max(1.8, 0.23 * _count(numbers, chart.hue) + 0.85)
    words = labels(numbers[chart.x]).values() if chart.kind != "curve" and len(numbers) else []
    letters = sum(len(word) + 1.5 for word in words)
    width = FULL_INCHES if letters > 50 else width_of(columns)
    height = {1: 2.3, 2: 2.1, 3: 1.8}.get(columns, 1.45)
    # Turned labels need height, and so does the legend.
    turned = letters * CHARACTER > width / columns - 0.5
    height += CHARACTER * max(map(len, words), default=0) / 1.6 if turned else 0
    return width, max(1.0, min(height + 0.4 / rows_of_panels, PAGE_INCHES / rows_of_panels))


def _count(numbers: pd.DataFrame, column: str | None) -> int:
    """How many values a column has."""
    return len(set(numbers[column])) if column else 1
