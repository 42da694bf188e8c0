"""Captions of pictures of any study."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from analysis.drawing.caption import STANDARD_NOTES, Notes, count_text, half_widths, standard_notes
from analysis.plot.chart import STUDY, Chart
from analysis.plot.names import FAILED, TIMES, Names
from analysis.plot.words import axis_label, metric_label
from analysis.rows.cells import alone
from analysis.rows.data import AXIS, Data


def text_of(data: Data, chart: Chart, numbers: pd.DataFrame, only: Sequence[str]) -> str:
    """What the picture shows, and how. only: what `--where` chose."""
    first = sentence(metric_label(chart.y))
    if chart.kind == "heat":
        parts = [f"{first} by {axis_label(str(chart.hue))} and {axis_label(chart.x)}."]
    elif chart.x == STUDY:
        parts = [f"{first}{coloured(chart)}."]
    else:
        parts = [f"{first} against {axis_label(chart.x)}{coloured(chart)}."]
    if chart.cols:
        parts.append(f"Panels: {listed(chart.cols)}.")
    if chart.kind == "box":
        pooled = [name for name in Names(data).axes if name in numbers and name not in chart.by]
        varied = [name for name in pooled if len(set(numbers[name])) > 1]
        seeds = [] if f"{AXIS}seed" in chart.by else ["seed"]
        parts.append(
            "Boxes: median and quartiles of single runs; whiskers: furthest run within 1.5 times "
            "the quartiles' distance; dots: runs. A box holds the runs of every "
            f"{listed([*varied, *seeds])}."
        )
    elif chart.kind == "curve":
        if "failed" in set(numbers["line"]):
            parts.append("Runs that failed are single lines, dashed from a cross on.")
    elif len(numbers.query("n == 0 and failed > 0")) and chart.kind != "heat":
        parts.append("Crosses at the lower edge: every run failed.")
    if chart.table == "runs" and chart.y in TIMES:
        parts.append(times_text(data))
    if only:
        parts.append(f"Only {' and '.join(only)}.")
    return " ".join([title_of(data), *parts])


def notes_of(chart: Chart) -> Notes:
    """What the caption says of n and intervals, beside scale, failed and missing runs."""
    if chart.y == FAILED:
        return standard_notes(spread=_share_text)
    if chart.kind == "heat":
        return standard_notes(spread=half_widths)
    if chart.kind == "box":
        return standard_notes(spread=partial(_box_text, chart))
    return STANDARD_NOTES


def _box_text(chart: Chart, numbers: pd.DataFrame) -> str:
    counts = pd.Series([len(box) for _, box in numbers.groupby(chart.by, dropna=False)])
    return f"{sentence(count_text(counts))} per box, no interval."


def _share_text(numbers: pd.DataFrame) -> str:
    n = count_text(pd.Series(numbers.loc[numbers["n"] > 0, "n"]))
    return f"Share and 95 % Clopper-Pearson interval, {n} runs per number."


def title_of(data: Data) -> str:
    """The study's title as a sentence."""
    plan = data.plans[0]
    return f"{(plan.title or plan.study).rstrip('.')}."


def coloured(chart: Chart) -> str:
    """`; colour: norm` if the colour says more than the horizontal axis."""
    return f"; colour: {axis_label(str(chart.hue))}" if chart.explains_colour else ""


def listed(columns: Sequence[str]) -> str:
    """`a, b and c`."""
    names = [axis_label(name) for name in columns]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def times_text(data: Data) -> str:
    """How many runs have valid times."""
    valid = sum(alone(data.runs))
    return f"Times: only of runs that had the machine to themselves ({valid} of {len(data.runs)})."


def sentence(text: str) -> str:
    """The text with a capital letter, but for symbols."""
    return text if text.startswith("n =") else text[:1].upper() + text[1:]
