"""Curves, bars and points show what the rows say; failed is told apart from missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic import Cell, Run, World, write

from analysis.drawing.curves import draw_curves, over_epochs
from analysis.drawing.legend import norm_handles, norm_style
from analysis.drawing.shared import draw_bars, draw_points, shared_limits
from analysis.errors import ReportError
from analysis.rows.cells import cells, planned_rows
from analysis.rows.data import Data
from analysis.rows.frames import in_order, stack
from analysis.rows.read import load
from sweeps.study import Scale, Study

mpl.use("agg")
import matplotlib.pyplot as plt

STUDY = Study(
    name="paper/curves",
    title="T",
    question="Q?",
    expected="E",
    base={
        "data": {"name": "spheres", "dimension": 2, "train_size": 16},
        "model": {"name": "flat_node"},
        "solver": {"name": "euler", "steps": 2},
        "train": {"epochs": 4, "batch_size": 16},
    },
    grid={
        "norm": {
            "none": {"model.width": 4},
            "batch": {"model.width": 5},
            "layer": {"model.width": 6},
        },
        "solver.steps": (2, 4),
    },
    seeds=range(3),
    scales={"paper": Scale("Paper scale.")},
)


class Failing(World):
    """none: seed 1 diverges after two epochs, seed 2 before the first; batch with 4 steps.

    All fail; layer with 4 steps: no row.
    """

    def run(self, cell: Cell) -> Run | None:
        if cell["norm"] == "none" and cell.seed:
            return Run(0.3, "diverged", curve=(0.2, 0.3) if cell.seed == 1 else ())
        if (cell["norm"], cell["solver.steps"]) == ("batch", "4"):
            return Run(0.1, "solver_failed", curve=(0.1,))
        if (cell["norm"], cell["solver.steps"]) == ("layer", "4"):
            return None
        return Run(
            0.8 + 0.01 * cell.seed, curve=[0.2 + 0.1 * k + 0.01 * cell.seed for k in range(4)]
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    results: Path = tmp_path_factory.mktemp("curves") / "r"
    write(results, STUDY, Failing(), "paper")
    return load(results, STUDY.name)


@pytest.fixture
def ax() -> Iterator[Any]:
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_means_are_of_completed_runs_and_failures_are_carried_forward(data: Data) -> None:
    numbers = over_epochs(data.where({"solver.steps": 2}), ["axis.norm"])
    means = numbers.loc[(numbers["line"] == "mean") & (numbers["axis.norm"] == "batch")]
    assert means["epoch"].tolist() == [1, 2, 3, 4]
    assert means["n"].tolist() == [3] * 4
    assert means["mean"].tolist() == pytest.approx([0.21, 0.31, 0.41, 0.51])
    none = numbers.loc[numbers["axis.norm"] == "none"]
    assert none.loc[none["line"] == "mean", "mean"].tolist() == pytest.approx([0.2, 0.3, 0.4, 0.5])
    early = none.loc[(none["line"] == "failed") & (none["seed"] == 1)]
    assert early[["epoch", "mean"]].to_numpy().tolist() == [[1, 0.2], [2, 0.3], [2, 0.3], [4, 0.3]]
    assert early["carried"].tolist() == [False, False, True, True]
    first = none.loc[(none["line"] == "failed") & (none["seed"] == 2)]
    assert len(first) == 1
    assert np.isnan(first["mean"].iloc[0])


def test_curves_refuse_to_average_over_an_axis(data: Data) -> None:
    with pytest.raises(ReportError, match=r"would average over axis\.solver\.steps"):
        over_epochs(data, ["axis.norm"])


def test_curves_are_drawn_solid_dashed_and_crossed(data: Data, ax: Any) -> None:
    numbers = over_epochs(data.where({"solver.steps": 2}), ["axis.norm"])
    draw_curves(ax, numbers, ["axis.norm"], lambda group: norm_style(group["axis.norm"]))
    lines = {
        (line.get_label(), line.get_linestyle(), line.get_marker(), len(line.get_xdata()))
        for line in ax.lines
    }
    assert ("none", "-", "None", 4) in lines
    assert ("batch (Pop-TI)", "-", "None", 4) in lines
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [list(line.get_ydata()) for line in dashed] == [[0.3, 0.3]]
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [list(line.get_xdata()) for line in crosses] == [[2.0], [0.0]]
    assert len(ax.collections) == 3
    assert len(ax.get_legend_handles_labels()[1]) == 3


def test_frames_are_stacked_and_put_in_order(data: Data) -> None:
    numbers = cells(
        planned_rows(data, "runs", "accuracy_test"),
        ["axis.norm", "axis.solver.steps"],
        "accuracy_test",
    )
    assert shared_limits(numbers) == pytest.approx((0.8, 0.81))
    norms = in_order(numbers, "axis.norm", ["layer", "none"])["axis.norm"].tolist()
    assert norms == ["layer"] * 2 + ["none"] * 2 + ["batch"] * 2
    pairs = in_order(numbers, ["axis.norm", "axis.solver.steps"], [("batch", 4)])
    assert pairs["axis.norm"].tolist() == ["batch", "none", "none", "batch", "layer", "layer"]
    assert stack([numbers.iloc[:0], numbers.iloc[:1]], ["n", "other"]).isna().sum().sum() == 1
    assert stack([], ["n"]).columns.tolist() == ["n"]


def test_bars_stand_where_the_means_are(data: Data, ax: Any) -> None:
    numbers = cells(
        planned_rows(data, "runs", "accuracy_test"),
        ["axis.norm", "axis.solver.steps"],
        "accuracy_test",
    )
    draw_bars(ax, numbers, "axis.norm", "axis.solver.steps", colours={}, labels={"4": "four"})
    heights = [round(float(patch.get_height()), 3) for patch in ax.patches]
    assert heights == [0.8, 0.81, 0.81, 0.8, 0.0, 0.0]
    marks = [
        line.get_marker()
        for line in ax.lines
        if len(line.get_xdata()) == 1 and line.get_marker() in ("x", "_")
    ]
    assert marks == ["x", "_"]
    assert "four" in ax.get_legend_handles_labels()[1]


def test_points_have_bars_from_three_seeds_on(ax: Any) -> None:
    rows = pd.DataFrame(
        {
            "x": ["1", "2"],
            "n": [3, 2],
            "mean": [0.5, 0.6],
            "low": [0.4, np.nan],
            "high": [0.6, np.nan],
            "minimum": [0.45, 0.58],
            "maximum": [0.55, 0.62],
        }
    )
    draw_points(ax, rows, "x", label="ours")
    places = sorted(
        (float(x), float(y))
        for line in ax.lines
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    )
    assert places == [(1.0, 0.5), (2.0, 0.58), (2.0, 0.62)]
    assert len(ax.collections) == 1


def test_legends_say_norms_once() -> None:
    assert [one.get_label() for one in norm_handles(["ta_bn", "none", "ta_bn"])] == [
        "TA-BN",
        "none",
    ]
