"""A figure's numbers as a Vega-Lite chart, for the report's page.

A `VegaChart` says which column is which channel. The chart shows the same numbers as the printed
figure: means with intervals, published values, and everything else about a point when it is asked.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from analysis.drawing.shared import shared_limits
from analysis.drawing.style import NORM_COLOURS, NORM_LABELS, SOLVER_LABELS

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
Mark = Literal["line", "path", "point", "heat", "bar", "tile"]
# So many significant digits reach the page: more than a pixel shows, far fewer than a float has.
DIGITS = 6
# Beyond these a picture is worth more than a chart: rows, and panels beside each other.
MOST_ROWS = 5000
# A path keeps about so many of its points.
PATH_POINTS = 120
PANELS_ACROSS = 3
# An axis with at most so many letters has room for level ones in a narrow panel.
LEVEL_LETTERS = 16
# Pixels beyond the ends of a logarithmic axis; whole powers of ten would leave a third empty.
LOG_PADDING = 14
INTERVAL = ("low", "high")
# Shown when the mouse is over a point, if the numbers have them.
TOLD = ("mean", "low", "high", "n", "seeds", "published", "failed", "missing", "planned", "outcome")


@dataclass(frozen=True, kw_only=True)
class VegaChart:
    """Columns of a figure's numbers as channels.

    mark: line with points, path in the plane (ordered by `order`), points, heat map of `colour`,
    bars, or tiles coloured by a name. x, y, colour, shape, panel, row: columns; shape is that of
    points or the dashes of lines, panel and row are small multiples. log_x, log_y: axes that start
    logarithmic. where: only rows with these values. apart: columns that separate lines of one
    colour. colours: of the values of `colour`. titles: of columns, where the name is not enough.
    labels: what axes and panels print for a value, where its name is not for people.
    """

    mark: Mark = "line"
    x: str
    y: str = "mean"
    colour: str = ""
    shape: str = ""
    panel: str = ""
    row: str = ""
    order: str = ""
    apart: tuple[str, ...] = ()
    log_x: bool = False
    log_y: bool = False
    where: Mapping[str, Any] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The columns that it needs."""
        channels = (self.x, self.y, self.colour, self.shape, self.panel, self.row, self.order)
        return list(dict.fromkeys(name for name in (*channels, *self.apart) if name))


def field_name(column: str) -> str:
    """A column's name without the signs that mean something to Vega."""
    return re.sub(r"\W", "_", column)


def title(column: str) -> str:
    """A column's name for people: "model.ode_norm" of "axis.model.ode_norm"."""
    return column.removeprefix("axis.").replace("_", " ")


def shown_rows(chart: VegaChart, numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows of the numbers that the chart shows."""
    if any(name not in numbers for name in chart.columns):
        return numbers.iloc[:0]
    rows = numbers
    for column, wanted in chart.where.items():
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        rows = rows.loc[rows[column].isin(values)]
    rows = rows.assign(**{name: _as_numbers(rows.loc[:, name]) for name in (chart.x, chart.y)})
    there = [chart.x, chart.y, *([chart.colour] if chart.mark == "heat" else [])]
    rows = rows.dropna(subset=there)
    return _thinned(chart, rows) if chart.mark == "path" and len(rows) > MOST_ROWS // 4 else rows


def _as_numbers(values: pd.Series) -> pd.Series:
    """Numbers among empty texts as numbers, other values as they are."""
    numbers = pd.Series(pd.to_numeric(values.replace("", None), errors="coerce"))
    return values if numbers.isna().sum() > (values.isna() | (values == "")).sum() else numbers


def _thinned(chart: VegaChart, rows: pd.DataFrame) -> pd.DataFrame:
    """Every k-th point of each path, and its last."""
    by = [name for name in (chart.colour, chart.panel, chart.row, *chart.apart) if name]
    groups = rows.groupby(by, sort=False, dropna=False)
    sizes: Any = groups[chart.x].transform("size")
    every = (sizes // PATH_POINTS).clip(lower=1)
    return rows.loc[(groups.cumcount() % every == 0) | (groups.cumcount(ascending=False) == 0)]


def specification(chart: VegaChart, numbers: pd.DataFrame) -> dict[str, Any] | None:
    """The chart as a Vega-Lite specification with its data; None if it would show nothing.

    It has no size and no colours of the page: the page's script adds them.
    """
    rows = shown_rows(chart, numbers)
    if rows.empty or len(rows) > MOST_ROWS:
        return None
    told = [name for name in TOLD if name in rows and name not in chart.columns]
    columns = [*chart.columns, *told]
    if "low" in columns and all(rows["low"].isna()):
        columns = [name for name in columns if name not in INTERVAL]
    values = [
        {field_name(name): shown_value(row[name]) for name in columns}
        for row in rows.to_dict("records")
    ]
    layers = _layers(chart, rows, columns)
    body: dict[str, Any] = {"layer": layers} if len(layers) > 1 else layers[0]
    spec: dict[str, Any] = {"$schema": SCHEMA, "data": {"values": values}}
    if not chart.panel and not chart.row:
        return spec | body
    panels = list(dict.fromkeys(rows.loc[:, chart.panel])) if chart.panel else [""]
    if chart.row:
        facet: dict[str, Any] = {"row": _facet(chart, rows, chart.row)}
        if chart.panel:
            facet["column"] = _facet(chart, rows, chart.panel)
        return spec | {"facet": facet, "spec": body}
    across = min(len(panels), PANELS_ACROSS)
    spec |= {"facet": _facet(chart, rows, chart.panel), "columns": across, "spec": body}
    columns_of = rows.groupby(chart.panel, sort=False)[chart.x].agg(frozenset)
    if chart.mark == "heat" and len(set(columns_of)) > 1:
        # Panels with other columns need no room for these.
        spec["resolve"] = {"scale": {"x": "independent"}}
    return spec


def shown_value(value: Any) -> Any:
    """A value as the chart shows it: labels of norms and solvers, six digits, None for NaN."""
    if isinstance(value, str):
        return NORM_LABELS.get(value, SOLVER_LABELS.get(value, value))
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return float(f"{value:.{DIGITS}g}")
    return value if isinstance(value, int | bool) else str(value)


def _title(chart: VegaChart, column: str) -> str:
    return chart.titles.get(column, title(column))


def _facet(chart: VegaChart, rows: pd.DataFrame, column: str) -> dict[str, Any]:
    return {
        "field": field_name(column),
        "type": "nominal",
        "title": chart.titles.get(column),
        "sort": _sort(rows, column),
        **({"header": {"labelExpr": _label(chart)}} if chart.labels else {}),
    }


def _label(chart: VegaChart) -> str:
    """The expression for what an axis or a panel prints."""
    return f"{json.dumps(dict(chart.labels))}[datum.value] || datum.value"


def in_order(values: list[Any]) -> list[Any]:
    """Norms as everywhere, names such as cnn4 by their number, others as they come."""
    if all(value in NORM_COLOURS for value in values):
        return [value for value in NORM_COLOURS if value in values]
    found = {value: re.fullmatch(r"([a-z]+)(\d+)", str(value)) for value in values}
    numbered = {value: (part[1], int(part[2])) for value, part in found.items() if part}
    return sorted(values, key=numbered.__getitem__) if len(numbered) == len(found) else values


def _sort(rows: pd.DataFrame, column: str) -> list[Any]:
    return [
        shown_value(value) for value in in_order(list(dict.fromkeys(rows.loc[:, column].dropna())))
    ]


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _position(chart: VegaChart, rows: pd.DataFrame, column: str, log: bool) -> dict[str, Any]:
    channel: dict[str, Any] = {"field": field_name(column), "title": _title(chart, column)}
    named = chart.mark in ("heat", "tile") or not _is_number(rows.loc[:, column])
    if named:
        if chart.labels:
            printed = [chart.labels.get(name, name) for name in _sort(rows, column)]
            short = sum(map(len, map(str, printed))) <= LEVEL_LETTERS
            level = {"labelAngle": 0} if short else {}
            channel["axis"] = {"labelExpr": _label(chart), **level}
        return channel | {"type": "nominal", "sort": _sort(rows, column)}
    scale: dict[str, Any] = {"zero": chart.mark == "bar", "nice": True}
    if log and (rows.loc[:, column] > 0).all():
        scale = {"type": "log", "nice": False, "padding": LOG_PADDING}
    return channel | {"type": "quantitative", "scale": scale}


def _colour(chart: VegaChart, rows: pd.DataFrame) -> dict[str, Any]:
    if not chart.colour:
        return {}
    channel = {"field": field_name(chart.colour), "title": _title(chart, chart.colour)}
    values = in_order(list(dict.fromkeys(rows.loc[:, chart.colour].dropna())))
    if chart.mark == "heat":
        # As in print: constant values get a scale from 0 on.
        limits = shared_limits(rows.assign(mean=rows.loc[:, chart.colour]))
        scale = {"scheme": "viridis", "domain": [shown_value(end) for end in limits]}
        return {"color": channel | {"type": "quantitative", "scale": scale}}
    colours = chart.colours or NORM_COLOURS
    if all(value in colours for value in values):
        scale = {
            "domain": [shown_value(value) for value in values],
            "range": [colours[value] for value in values],
        }
        return {"color": channel | {"type": "nominal", "sort": None, "scale": scale}}
    if _is_number(rows.loc[:, chart.colour]):
        return {"color": channel | {"type": "ordinal", "scale": {"scheme": "viridis"}}}
    return {"color": channel | {"type": "nominal", "sort": None}}


def _tooltip(chart: VegaChart, rows: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "field": field_name(name),
            "title": _title(chart, name),
            "type": "quantitative" if _is_number(rows.loc[:, name]) else "nominal",
            **({"format": ".4~g"} if pd.api.types.is_float_dtype(rows.loc[:, name]) else {}),
        }
        for name in columns
    ]


def _layers(chart: VegaChart, rows: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    """Interval, mark, published values; the parameter that zooms belongs to one layer only."""
    x = _position(chart, rows, chart.x, chart.log_x)
    y = _position(chart, rows, chart.y, chart.log_y)
    shared = {"x": x, **_colour(chart, rows)}
    tooltip = {"tooltip": _tooltip(chart, rows, columns)}
    apart = {"detail": [{"field": field_name(name)} for name in chart.apart]} if chart.apart else {}
    if chart.mark in ("heat", "tile"):
        return _cells(chart, rows, {"x": x, "y": y, **_colour(chart, rows), **tooltip})
    if chart.mark == "bar":
        return [{"mark": "bar", "encoding": {**shared, "y": y, **tooltip}}]
    layers: list[dict[str, Any]] = []
    if all(name in columns for name in INTERVAL):
        ends = {"y": y | {"field": "low"}, "y2": {"field": "high"}}
        kind = {"type": "rule", "opacity": 0.45}
        if chart.mark == "line" and rows.loc[:, chart.x].nunique() > 12:
            kind = {"type": "area", "opacity": 0.15}
        layers.append({"name": "interval", "mark": kind, "encoding": shared | ends | apart})
    mark: dict[str, Any] = {
        "line": {"type": "line", "point": {"size": 32}, "strokeWidth": 1.6},
        "path": {"type": "line", "strokeWidth": 1.2},
        "point": {"type": "point", "filled": True, "size": 42},
    }[chart.mark]
    encoding = {**shared, "y": y, **tooltip, **apart}
    if chart.order:
        encoding["order"] = {"field": field_name(chart.order), "type": "quantitative"}
    if chart.shape:
        channel = {"field": field_name(chart.shape), "title": _title(chart, chart.shape)}
        look = "strokeDash" if chart.mark == "line" else "shape"
        encoding[look] = channel | {"type": "nominal", "sort": None}
    wide = [name for name, axis in (("x", x), ("y", y)) if axis["type"] == "quantitative"]
    zoom = {
        "name": "zoom",
        "select": {"type": "interval", "encodings": wide},
        "bind": "scales",
    }
    layers.append({"name": "values", "mark": mark, "params": [zoom], "encoding": encoding})
    if "published" in columns and rows.loc[:, "published"].notna().any():
        diamond = {"type": "point", "shape": "diamond", "filled": False, "size": 70}
        at = {"x": x, "y": y | {"field": "published"}, **tooltip}
        layers.append({"name": "published", "mark": diamond, "encoding": at})
    return layers


def _cells(chart: VegaChart, rows: pd.DataFrame, encoding: dict[str, Any]) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = [{"name": "values", "mark": "rect", "encoding": encoding}]
    if chart.mark == "heat":
        middle = (rows.loc[:, chart.colour].min() + rows.loc[:, chart.colour].max()) / 2
        text = {"field": field_name(chart.colour), "type": "quantitative"}
        text["format"] = _digits(float(rows.loc[:, chart.colour].abs().max()))
        dark = f"datum['{field_name(chart.colour)}'] > {middle:g}"
        ink = {"condition": {"test": dark, "value": "black"}, "value": "white"}
        where = {name: encoding[name] for name in ("x", "y")}
        layers.append({"name": "text", "mark": {"type": "text", "fontSize": 10}, "encoding": where})
        layers[1]["encoding"] = where | {"text": text, "color": ink}
    return layers


def _digits(largest: float) -> str:
    """A format that keeps the numbers of cells short: thousandths do for those of size 1."""
    if largest < 0.05:
        return ".2~g"
    if largest < 10:
        return ".3~f"
    return ".3~g" if largest < 1000 else ".3~s"
