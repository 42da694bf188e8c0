"""Pictures of any study as figures: with numbers, caption and drawing, as those of the papers."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from analysis.caption import STANDARD_NOTES, Notes, half_widths, standard_notes
from analysis.data import COMPLETED, Data
from analysis.figure import Figure
from analysis.plot import draw, rows
from analysis.plot.chart import STUDY, Chart
from analysis.plot.look import CHARACTER, across, look, panels_of, shape, size
from analysis.plot.names import FAILED, TIMES
from analysis.plot.words import axis_label, labels, metric_label
from analysis.running.coverage import COLOURS

if TYPE_CHECKING:
    pass

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

    Its numbers, caption and drawing are of these data, whichever are handed to it.
    """
    numbers = rows.numbers(data, chart)
    style = look(data, chart, numbers)
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
        study=_study(data),
        numbers=lambda _: numbers,
        text="{text}",
        fields=lambda _data, _numbers: {"text": _text(data, chart, numbers, only)},
        notes=_notes(chart),
        needs=_needs(chart.table),
        used=lambda _: data,
        draw=drawing,
        panels=layout,
        size_inches=_size(chart, numbers, layout),
    )


def outcomes_figure(data: Data, axes: list[str], name: str) -> Figure:
    """How the planned trials of each value of each axis ended."""
    numbers = rows.outcomes(data, axes)
    keys = panels_of(numbers, ["axis"]) if len(numbers) else [()]
    layout = shape(keys, most=3) if len(numbers) else (1, 1)
    tallest = int(numbers.drop_duplicates(["axis", "value"]).groupby("axis").size().max() or 1)
    colours = {name: OUTCOME_COLOURS[name] for name in ORDER}
    return Figure(
        name=name,
        study=_study(data),
        numbers=lambda _: numbers,
        text="{text}",
        fields=lambda _data, _numbers: {
            "text": f"{_title(data)} How the planned trials ended, by each axis. Counts of trials, "
            "no averages. Diverged and solver failed are results; the others that did not complete "
            "have no result yet."
        },
        notes=lambda shown, needs, _: [
            STANDARD_NOTES(shown, needs, pd.DataFrame({"n": [1]}))[1],
            *STANDARD_NOTES(shown, needs, pd.DataFrame({"n": [1]}))[3:],
        ],
        used=lambda _: data,
        draw=partial(draw.draw_outcomes, colours=colours, columns=layout[1]),
        panels=layout,
        size_inches=size(layout[1], 0.95 + 0.16 * tallest),
    )


def costs_figure(data: Data, chart: Chart, name: str) -> Figure:
    """The metric against what it costs. chart: gives the metric, and the axes of its cells."""
    numbers = rows.costs(data, chart.by, chart.y)
    style = look(data, chart, numbers)
    layout = (1, max(1, len(set(numbers["cost"]))))
    undisturbed = int(rows.timed(data).sum())
    return Figure(
        name=name,
        study=_study(data),
        numbers=lambda _: numbers,
        text="{text}",
        fields=lambda _data, _numbers: {
            "text": f"{_title(data)} {_first(metric_label(chart.y))} against the cost of a run. "
            f"One dot per cell ({_names(chart.by)}){_coloured(chart)}. {_times(data, undisturbed)}"
        },
        used=lambda _: data,
        draw=partial(draw.draw_costs, chart=chart, style=style, columns=layout[1]),
        panels=layout,
        size_inches=size(layout[1], 2.2),
    )


def _layout(chart: Chart, numbers: pd.DataFrame) -> tuple[int, int]:
    if not len(numbers):
        return (1, 1)
    keys = panels_of(numbers, chart.cols)
    if chart.kind == "heat":
        tiles = numbers[chart.x].nunique(dropna=False)
        return shape(keys, most=max(1, min(5, int(5.6 / (0.34 * tiles + 0.2)))))
    words = labels(numbers[chart.x]) if chart.kind != "curve" else {}
    crowded = len(words) > 8 and across(numbers[chart.x]).places
    return shape(keys, most=3 if crowded else 6)


def _size(chart: Chart, numbers: pd.DataFrame, layout: tuple[int, int]) -> tuple[float, float]:
    rows_of_panels, columns = layout
    if chart.kind == "heat":
        down = numbers[chart.hue].nunique(dropna=False) if len(numbers) else 1
        return size(2, max(1.8, 0.23 * down + 0.85))
    words = labels(numbers[chart.x]).values() if chart.kind != "curve" and len(numbers) else []
    letters = sum(len(word) + 1.5 for word in words)
    width, height = size(columns, {1: 2.3, 2: 2.1, 3: 1.8}.get(columns, 1.45), wide=letters > 50)
    # Turned labels need height, and so does the legend.
    turned = letters * CHARACTER > width / columns - 0.5
    height += CHARACTER * max(map(len, words), default=0) / 1.6 if turned else 0
    return width, max(1.0, min(height + 0.4 / rows_of_panels, PAGE_INCHES / rows_of_panels))


def _notes(chart: Chart) -> Notes:
    if chart.kind == "heat":
        return standard_notes(spread=half_widths)
    if chart.kind == "box":
        return standard_notes(spread=partial(_runs_per_box, chart))
    if chart.y == FAILED:
        return standard_notes(spread=_share_text)
    return STANDARD_NOTES


def _runs_per_box(chart: Chart, numbers: pd.DataFrame) -> str:
    counts = numbers.groupby(chart.by, dropna=False).size()
    smallest, largest = int(counts.min()), int(counts.max())
    n = f"n = {smallest}" if smallest == largest else f"n = {smallest} to {largest}"
    return f"{n} runs per box, no interval."


def _share_text(numbers: pd.DataFrame) -> str:
    counts = numbers.loc[numbers["n"] > 0, "n"]
    smallest, largest = int(counts.min()), int(counts.max())
    n = f"n = {smallest}" if smallest == largest else f"n = {smallest} to {largest}"
    return f"Share and 95 % Clopper-Pearson interval, {n} runs per point."


def _text(data: Data, chart: Chart, numbers: pd.DataFrame, only: Sequence[str]) -> str:
    first = _first(metric_label(chart.y))
    if chart.kind == "heat":
        parts = [f"{first} by {axis_label(str(chart.hue))} and {axis_label(chart.x)}."]
    elif chart.x == STUDY:
        parts = [f"{first}{_coloured(chart)}."]
    else:
        parts = [f"{first} against {axis_label(chart.x)}{_coloured(chart)}."]
    if chart.cols:
        parts.append(f"Panels: {_names(chart.cols)}.")
    if chart.kind == "box":
        pooled = [name for name in numbers if name.startswith("axis.") and name not in chart.by]
        varied = [name for name in pooled if numbers[name].nunique(dropna=False) > 1]
        over = _names([*varied, "seed"])
        parts.append(
            "Boxes: median and quartiles of single runs; whiskers: furthest run within 1.5 times "
            f"the quartiles' distance; dots: runs. A box holds the runs of all {over}."
        )
    elif chart.kind == "curve" and (numbers["line"] == "failed").any():
        parts.append("Runs that failed are single lines, dashed from a cross on.")
    elif chart.kind in ("line", "point") and ((numbers["n"] == 0) & (numbers["failed"] > 0)).any():
        parts.append("Crosses at the lower edge: every run failed.")
    if chart.table == "runs" and chart.y in TIMES:
        parts.append(_times(data, int(rows.timed(data).sum())))
    if only:
        parts.append(f"Only {' and '.join(only)}.")
    return " ".join([_title(data), *parts])


def _coloured(chart: Chart) -> str:
    return "" if chart.hue in (None, chart.x) else f"; colour: {axis_label(str(chart.hue))}"


def _names(columns: Sequence[str]) -> str:
    names = [axis_label(name) for name in columns]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _times(data: Data, undisturbed: int) -> str:
    return (
        f"Times: only of runs that had the machine to themselves ({undisturbed} of "
        f"{len(data.runs)})."
    )


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _title(data: Data) -> str:
    plan = data.plans[0]
    return f"{(plan.title or plan.study).rstrip('.')}."


def _study(data: Data) -> str:
    return data.plans[0].study


def _needs(table: str) -> tuple[str, ...]:
    return {"probe_series": ("epochs", "probe_series")}.get(table, (table,))
