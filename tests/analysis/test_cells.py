"""Cells, paired differences and published values against literal loops over small worlds."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import Cell, Run, World, data_of

from analysis import published
from analysis.errors import ReportError
from analysis.rows.cells import cells, difference, interval, planned_rows
from analysis.rows.data import Data
from analysis.rows.stats import t_interval
from sweeps.study import EvaluationGrid, Scale, Study

STUDY = Study(
    name="paper/cells",
    title="T",
    question="Q?",
    expected="E",
    base={
        "data": {"name": "spheres", "dimension": 2},
        "model": {"name": "flat_node", "width": 4},
        "train": {"iterations": 4},
    },
    grid={
        "norm": {"good": {"model.width": 5}, "bad": {"model.width": 6}},
        "solver": {
            "a": {"solver": {"name": "euler", "steps": 2}},
            "b": {"solver": {"name": "rk4", "steps": 1}},
        },
    },
    seeds=range(4),
    evaluations=(EvaluationGrid("fine", ("euler",), steps=(8,)), EvaluationGrid("own")),
    scales={"paper": Scale("Paper scale.")},
)
# (norm, solver) -> accuracies by seed; a text is an outcome, None a missing row.
TRUTH: dict[tuple[str, str], list[Any]] = {
    ("good", "a"): [0.90, 0.92, 0.94, 0.96],
    ("good", "b"): [0.80, None, "diverged", 0.84],
    ("bad", "a"): [0.70, 0.75, 0.71, 0.74],
    ("bad", "b"): ["diverged", "diverged", "solver_failed", None],
}


class Known(World):
    def run(self, cell: Cell) -> Run | None:
        value = TRUTH[cell["norm"], cell["solver"]][cell.seed]
        return None if value is None else Run(0.1, value) if isinstance(value, str) else Run(value)

    def test(self, cell: Cell, run: Run, test: Any, evaluation: Any) -> float | str | None:
        return run.accuracy - 0.05 * cell.seed if test["grid"] == "fine" else run.accuracy


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    from synthetic import write

    from analysis.rows.read import load

    results = tmp_path_factory.mktemp("cells") / "r"
    write(results, STUDY, Known(), "paper")
    return load(results, STUDY.name)


def test_cells_of_runs_against_the_truth(data: Data) -> None:
    numbers = cells(
        planned_rows(data, "runs", "accuracy_test"), ["axis.norm", "axis.solver"], "accuracy_test"
    )
    assert list(zip(numbers["axis.norm"], numbers["axis.solver"], strict=True)) == list(TRUTH)
    for row in numbers.to_dict("records"):
        truth = TRUTH[row["axis.norm"], row["axis.solver"]]
        values = [one for one in truth if isinstance(one, float)]
        assert row["planned"] == 4
        assert row["missing"] == truth.count(None)
        assert row["failed"] == sum(isinstance(one, str) for one in truth)
        assert row["n"] == len(values)
        if values:
            assert row["mean"] == pytest.approx(sum(values) / len(values))
            assert (row["minimum"], row["maximum"]) == (min(values), max(values))
        assert (row["low"], row["high"]) == pytest.approx(t_interval(values), nan_ok=True)


def test_an_evaluation_of_a_failed_run_counts_as_failed(data: Data) -> None:
    rows = planned_rows(data, "evaluations:fine", "accuracy", "run.accuracy_test")
    numbers = cells(rows, ["axis.norm", "axis.solver"], "accuracy").set_index(
        ["axis.norm", "axis.solver"]
    )
    assert numbers.loc[("good", "b"), ["planned", "n", "failed", "missing"]].tolist() == [
        4,
        2,
        1,
        1,
    ]
    assert numbers.loc[("bad", "b"), ["planned", "n", "failed", "missing"]].tolist() == [4, 0, 3, 1]
    assert numbers.loc[("good", "a"), "mean"] == pytest.approx((0.90 + 0.87 + 0.84 + 0.81) / 4)
    done = rows.loc[rows["outcome"] == "completed"]
    assert (done["run.accuracy_test"] - done["accuracy"]).to_numpy() == pytest.approx(
        0.05 * done["seed"].to_numpy()
    )


def test_a_forgotten_axis_is_refused(data: Data) -> None:
    with pytest.raises(ReportError, match=r"axis\.norm=good: this would average over axis\.solver"):
        cells(planned_rows(data, "runs", "accuracy_test"), ["axis.norm"], "accuracy_test")
    with pytest.raises(ReportError, match=r"would average over .*test\.grid"):
        cells(
            planned_rows(data, "evaluations", "accuracy"), ["axis.norm", "axis.solver"], "accuracy"
        )


def test_differences_are_paired_by_seed_and_shared_axes(data: Data) -> None:
    rows = planned_rows(data, "runs", "accuracy_test")
    good, bad = (rows.loc[rows["axis.norm"] == norm] for norm in ("good", "bad"))
    gaps = difference(good, bad, "accuracy_test", ["axis.norm"])
    assert "axis.norm" not in gaps
    assert len(gaps) == 8
    found = {
        (row["axis.solver"], row["seed"]): (row["outcome"], row["accuracy_test"])
        for row in gaps.to_dict("records")
    }
    for seed in range(4):
        outcome, value = found["a", seed]
        assert outcome == "completed"
        assert value == pytest.approx(TRUTH["good", "a"][seed] - TRUTH["bad", "a"][seed])
    # Missing on either side is missing; else failed on either side is failed.
    assert [found["b", seed][0] for seed in range(4)] == [
        "diverged",
        "missing",
        "diverged",
        "missing",
    ]
    numbers = cells(gaps, ["axis.solver"], "accuracy_test")
    assert numbers["n"].tolist() == [4, 0]


def test_solver_gap_within_a_net(data: Data) -> None:
    fine, own = (planned_rows(data, f"evaluations:{grid}", "accuracy") for grid in ("fine", "own"))
    gaps = cells(difference(own, fine, "accuracy"), ["axis.norm", "axis.solver"], "accuracy")
    assert gaps.loc[0, "mean"] == pytest.approx(0.05 * 1.5)


def known() -> pd.DataFrame:
    values = [("good", 0.9, 0.01), ("bad", 0.5, math.nan), ("other", 0.3, math.nan)]
    return pd.DataFrame(values, columns=["norm", "value", "plus_minus"]).assign(source="Table 9")


def test_published_values_stand_beside_ours(data: Data) -> None:
    one = cells(
        planned_rows(data.where({"solver": "a"}), "runs", "accuracy_test"),
        ["axis.norm"],
        "accuracy_test",
    )
    numbers = published.compare(one, known(), {"axis.norm": "norm"})
    assert numbers["axis.norm"].tolist() == ["good", "bad", "other"]
    assert numbers["difference"].iloc[:2].tolist() == pytest.approx([0.93 - 0.9, 0.725 - 0.5])
    shown = published.readable(numbers, {"axis.norm": "norm"}, labels={"good": "Good"})
    half = (t_interval(TRUTH["good", "a"])[1] - t_interval(TRUTH["good", "a"])[0]) / 2
    assert shown.iloc[0].tolist() == ["Good", f"0.930 ± {half:.3f} (4)", "0.900 ± 0.010", "+0.030"]
    assert shown.iloc[2].tolist() == ["other", "-", "0.300", "-"]
    assert published.sources(numbers) == "Published: Table 9."


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ({"n": 3, "mean": 0.5, "low": 0.4, "high": 0.6, "failed": 0}, "0.500 ± 0.100 (3)"),
        # An interval that is cut off at 1 is not symmetric.
        ({"n": 3, "mean": 0.9, "low": 0.7, "high": 1.0, "failed": 0}, "0.900 [0.700, 1.000] (3)"),
        ({"n": 2, "minimum": 0.4, "maximum": 0.6, "failed": 1}, "0.400, 0.600 (2, 1 failed)"),
        ({"n": 1, "minimum": 0.4, "maximum": 0.4, "failed": 0}, "0.400 (1)"),
        ({"n": 0, "failed": 3}, "3 failed"),
        ({"n": 0, "failed": 0}, "-"),
    ],
)
def test_cells_in_words(cell: dict[str, Any], text: str) -> None:
    assert interval(cell) == text


def test_no_rows_make_cells_that_are_all_missing(tmp_path: Path) -> None:
    class Empty(World):
        def run(self, cell: Cell) -> Run | None:
            return None

    data = data_of(tmp_path, "gusak2020/figure1", Empty())
    numbers = cells(
        planned_rows(data, "evaluations:figure1", "accuracy"),
        [
            "axis.model.ode_norm",
            "axis.model.stem_norm",
            "axis.solver.steps",
            "test.solver",
            "test.solver_steps",
        ],
        "accuracy",
    )
    assert len(numbers)
    assert numbers["missing"].tolist() == numbers["planned"].tolist()
    assert set(numbers["n"]) == {0}
