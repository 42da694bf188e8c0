"""Charts of the figures' numbers: valid specifications that show the numbers."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import Cell, Run, World, jitter, write

from analysis.check import find, select
from analysis.drawing.figure import Figure
from analysis.drawing.style import NORM_COLOURS
from analysis.drawing.vega import VegaChart, in_order, shown_rows, specification
from analysis.make import Reader

FIGURES = [value for value in select(None, "FIGURES") if isinstance(value, Figure)]
# Of these every number is on the page, in the study they read.
COMPARED = ("cross/accuracy", "gusak2020/figure1", "enorm2019/figure2")

NUMBERS = pd.DataFrame(
    {
        "axis.norm": ["layer", "none", "layer", "none"],
        "steps": [1, 1, 2, 2],
        "mean": [0.1, 0.2, 0.3, float("nan")],
        "low": [0.0, 0.1, 0.2, float("nan")],
        "high": [0.2, 0.3, 0.4, float("nan")],
        "n": [3, 3, 3, 0],
        "published": [0.15, float("nan"), float("nan"), float("nan")],
    }
)


class Fine(World):
    def run(self, cell: Cell) -> Run | None:
        return Run(0.6 + jitter(cell.seed))


def test_every_figure_says_which_of_its_columns_are_which_channel() -> None:
    assert {figure.name for figure in FIGURES if figure.chart is None} == set()


@pytest.mark.parametrize("name", COMPARED)
def test_a_chart_shows_the_numbers_of_its_figure(tmp_path: Path, name: str) -> None:
    figure = find(name)
    assert isinstance(figure, Figure)
    assert figure.chart
    write(tmp_path, figure.studies[0], Fine())
    numbers = figure.table(Reader(tmp_path)(figure.study))
    spec = specification(figure.chart, numbers)
    assert spec
    shown = [row["mean"] for row in spec["data"]["values"]]
    assert shown == pytest.approx(shown_rows(figure.chart, numbers)["mean"].tolist())
    assert len(shown) > 3


def test_layers_colours_and_order() -> None:
    spec = specification(VegaChart(x="steps", colour="axis.norm"), NUMBERS)
    assert spec
    assert [layer["name"] for layer in spec["layer"]] == ["interval", "values", "published"]
    scale = spec["layer"][1]["encoding"]["color"]["scale"]
    assert scale == {
        "domain": ["none", "layer"],
        "range": [NORM_COLOURS["none"], NORM_COLOURS["layer"]],
    }
    # What is not a number cannot be drawn, and is no point.
    assert len(spec["data"]["values"]) == 3
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec


def test_axes_panels_and_cells_print_what_people_read() -> None:
    cells = NUMBERS.dropna(subset=["mean"]).assign(
        net=["cnn4", "cnn4", "unet18"], at=["a", "a", "b"]
    )
    labels = {"cnn4": "4", "a": "first"}
    chart = VegaChart(mark="heat", x="net", y="axis.norm", colour="mean", panel="at", labels=labels)

    def spec_of(numbers: pd.DataFrame) -> dict[str, Any]:
        spec = specification(chart, numbers)
        assert spec
        return spec

    spec = spec_of(cells)
    printed = spec["spec"]["layer"][0]["encoding"]["x"]["axis"]["labelExpr"]
    assert printed == spec["facet"]["header"]["labelExpr"]
    assert printed == '{"cnn4": "4", "a": "first"}[datum.value] || datum.value'
    # A point keeps the names of its runs.
    assert {row["net"] for row in spec["data"]["values"]} == {"cnn4", "unet18"}
    # Panels with other columns do not keep room for each other's.
    assert spec["resolve"] == {"scale": {"x": "independent"}}
    assert "resolve" not in spec_of(cells.assign(at="a"))
    formats = [
        spec_of(cells.assign(mean=cells["mean"] * factor))["spec"]["layer"][1]["encoding"]["text"][
            "format"
        ]
        for factor in (0.1, 1, 100, 10_000)
    ]
    assert formats == [".2~g", ".3~f", ".3~g", ".3~s"]


def test_nothing_to_show_is_no_chart() -> None:
    assert specification(VegaChart(x="steps", where={"steps": 7}), NUMBERS) is None


def test_an_axis_starts_logarithmic_only_if_its_numbers_allow() -> None:
    def kind(numbers: pd.DataFrame) -> str | None:
        spec = specification(VegaChart(x="steps", log_x=True), numbers)
        assert spec
        return spec["layer"][1]["encoding"]["x"]["scale"].get("type")

    assert kind(NUMBERS) == "log"
    assert kind(NUMBERS.assign(steps=NUMBERS["steps"] - 1)) is None


def test_names_are_in_their_natural_order() -> None:
    assert in_order(["cnn12", "unet18", "cnn4"]) == ["cnn4", "cnn12", "unet18"]
    assert in_order(["layer", "none"]) == ["none", "layer"]
    assert in_order(["b", "a"]) == ["b", "a"]


def test_a_long_path_keeps_its_ends() -> None:
    points = pd.DataFrame({"x1": range(9000), "x2": range(9000), "point": [0] * 4500 + [1] * 4500})
    rows = shown_rows(VegaChart(mark="path", x="x1", y="x2", apart=("point",)), points)
    assert len(rows) < 300
    assert {0, 4499, 4500, 8999} <= set(rows["x1"])


def test_vega_draws_every_kind_of_mark() -> None:
    draw = pytest.importorskip("vl_convert", reason="vl-convert is not installed")
    for chart in (
        VegaChart(x="steps", colour="axis.norm", panel="axis.norm"),
        VegaChart(mark="path", x="steps", order="steps"),
        VegaChart(mark="point", x="steps", shape="axis.norm", log_y=True),
        VegaChart(mark="heat", x="steps", y="axis.norm", colour="mean"),
        VegaChart(mark="tile", x="steps", y="axis.norm", colour="n"),
        VegaChart(mark="bar", x="steps", y="axis.norm"),
        VegaChart(x="steps", row="axis.norm", labels={"layer": "layer norm"}),
    ):
        assert "<svg" in draw.vegalite_to_svg(json.dumps(specification(chart, NUMBERS)))
