"""`Data` over true grids.

Axes as columns, kinds of needs, several studies and scales in one folder.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import Cell, Run, World, write

from analysis.check import axis_words, examine
from analysis.drawing.caption import failures_text, missing_text, scale_text, standard_notes
from analysis.errors import ReportError
from analysis.rows.data import Data, split
from analysis.rows.read import Folder, load
from sweeps.store import label
from sweeps.study import EvaluationGrid, ProbeGrid, Scale, Study

BASE: dict[str, Any] = {
    "data": {"name": "spheres", "dimension": 2},
    "model": {"name": "flat_node", "width": 4},
    "train": {"iterations": 20, "record_every": 5},
    "solver": {"name": "euler", "steps": 2},
}
SCALES = {
    "paper": Scale("Paper scale."),
    "smoke": Scale("Smoke scale.", overrides={"train.iterations": 2}),
}


def study(name: str, **given: Any) -> Study:
    about = {
        "name": name,
        "title": "T",
        "question": "Q?",
        "expected": "E",
        "base": BASE,
        "scales": SCALES,
    }
    return Study(
        **{
            **about,
            "grid": {
                "width": {"thin": {"model.width": 4}, "wide, very": {"model.width": 8}},
                "solver.steps": (2, 4),
            },
            **given,
        }
    )


MAIN = study(
    "paper/main",
    seeds=(0, 1),
    evaluations=(
        EvaluationGrid("near", ("euler",), factors=(0.5, 0.75, 1), where={"solver.steps": 2}),
        EvaluationGrid("far", ("euler", "midpoint"), steps=(2, 64)),
    ),
    probes=(
        ProbeGrid("track", "trajectory", where={"width": "thin", "solver.steps": 2}),
        ProbeGrid("log", "series"),
    ),
)
# Shares its thin, two-step trials with MAIN.
OTHER = study(
    "paper/other", grid={"net": {"small": {"model.width": 4}}, "kind": {"a": {}}}, seeds=(0, 1, 2)
)


class Partly(World):
    """A small world with failures.

    Seed 1 of the wide nets diverges after two rows, seed 0 of the wide four-step ones has no row,
    far tests at 64 steps are missing.
    """

    def run(self, cell: Cell) -> Run | None:
        if cell["width"].startswith("wide") and cell.seed == 1:
            return Run(0.3, "diverged", curve=(0.2, 0.3))
        return (
            None
            if cell["width"].startswith("wide") and cell["solver.steps"] == "4"
            else Run(0.9, curve=(0.5, 0.7, 0.8, 0.9))
        )

    def test(self, cell: Cell, run: Run, test: Any, evaluation: Any) -> float | str | None:
        if test["solver"] == "midpoint":
            return "solver_failed"
        return None if test["steps"] == "64" else 0.1 * evaluation["test_solver_steps"]

    def series(self, cell: Cell, run: Run) -> dict[str, list[float]]:
        return {"steps": [4.0, 8.0], "tolerance": [0.1]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    results = tmp_path_factory.mktemp("data") / "r"
    write(results, MAIN, Partly(), "paper")
    return load(results, MAIN.name)


def test_axes_are_columns_of_every_frame_with_their_types(data: Data) -> None:
    assert data.order("width") == ["thin", "wide, very"]
    assert data.order("solver.steps") == [2, 4]
    for rows in (
        data.trials,
        data.runs,
        data.epochs,
        data.evaluations,
        data.probe("trajectory"),
        data.series("steps"),
    ):
        assert {"study", "trial_id", "seed", "axis.width", "axis.solver.steps"} <= set(rows.columns)
        assert set(rows["axis.solver.steps"]) <= {2, 4}
        assert len(rows.columns) == len(set(rows.columns))


def test_epochs_are_unnested_with_the_failed_ones(data: Data) -> None:
    rows = data.epochs.sort_values(["trial_id", "iteration"])
    good = rows.loc[rows["run.outcome"] == "completed"]
    assert good.groupby("trial_id")["accuracy_test"].apply(list).map(tuple).unique().tolist() == [
        (0.5, 0.7, 0.8, 0.9)
    ]
    assert good.groupby("trial_id")["iteration"].apply(list).map(tuple).unique().tolist() == [
        (5, 10, 15, 20)
    ]
    failed = rows.loc[rows["run.outcome"] == "diverged"]
    assert failed.groupby("trial_id").size().tolist() == [2, 2]
    assert set(failed["axis.width"]) == {"wide, very"}


def test_evaluations_carry_their_axes_and_their_run(data: Data) -> None:
    rows = data.evaluations
    near = data.evaluations_of("near")
    # Factors .5, .75 and 1 of 2 steps are 1, 2 and 2 steps; the far grid tests 2 steps as well.
    assert sorted(set(zip(near["test.solver_steps"], near["test.factor"], strict=True))) == [
        (1, (0.5,)),
        (2, (0.75, 1)),
    ]
    assert set(near["test.grid"]) == {"near"}
    shared = rows.loc[
        (rows["test.solver_steps"] == 2)
        & (rows["axis.solver.steps"] == 2)
        & (rows["test.solver"] == "euler")
    ]
    assert set(shared["test.grid"]) == {("near", "far")}
    assert sorted(split(near, "test.factor")["test.factor"].unique()) == [0.5, 0.75, 1]
    assert rows["run.solver_steps"].tolist() == rows["axis.solver.steps"].tolist()
    assert set(rows["run.model_width"]) == {4, 8}
    assert {
        "run.accuracy_test",
        "run.outcome",
        "run.data_name",
        "run.train_iterations",
        "run.parameters",
    } <= set(rows.columns)


def test_missing_and_failures_by_need(data: Data) -> None:
    assert len(data.trials) == 8
    assert data.missing(("runs",))["kind"].tolist() == ["trial"]
    assert data.missing(("epochs",)).equals(data.missing(("runs",)))
    assert data.failures(("runs",)) == {"diverged": 2}
    # Of five completed runs each lacks the test with 64 Euler steps; the failed ones lack nothing.
    kinds = data.missing(("evaluations:far",))["kind"].tolist()
    assert kinds == ["trial"] + ["evaluations:far"] * 5
    assert data.missing(("evaluations:near",))["kind"].tolist() == []
    assert data.failures(("evaluations:far",)) == {"diverged": 2, "evaluations solver_failed": 10}
    assert (
        missing_text(data, ("evaluations:far",))
        == "Missing: 1 of 8 trials, 5 of 32 evaluations (far)."
    )
    assert (
        failures_text(data, ("evaluations:far",))
        == "Not averaged: 2 diverged, 10 evaluations solver_failed."
    )
    assert len(data.missing(("probe_trajectory:track",))) == 0
    assert data.planned_trials(("probe_trajectory:track",))["seed"].tolist() == [0, 1]


def test_kinds_of_needs(data: Data) -> None:
    tests = {"evaluations", "evaluations:near", "evaluations:far"}
    assert data.kinds() == {
        "runs",
        "epochs",
        *tests,
        "probe_trajectory",
        "probe_trajectory:track",
        "probe_series",
        "probe_series:log",
    }


def test_series_have_only_their_name(data: Data) -> None:
    rows = data.series("steps")
    assert set(rows["value"]) == {4.0, 8.0}
    assert set(rows["iteration"]) == {0, 20}
    # A run that failed left no weights, but what it recorded stays.
    assert len(rows) == 2 * len(data.runs)


def test_where_restricts_rows_plans_and_missing(data: Data) -> None:
    own = data.where({"width": "wide, very", "solver.steps": (4,)})
    assert len(own.trials) == 2
    assert set(own.runs["outcome"]) == {"diverged"}
    assert len(own.missing(("evaluations",))) == 1
    assert len(data.where({"solver.steps": 2.0}).runs) == 4


def test_filling_command_restricts_axes_to_labels_that_can_be_typed(data: Data) -> None:
    finding = examine(data, ("runs",))
    assert finding.cells == ["trial: width=wide, very solver.steps=4 seed=0"]
    (command,) = finding.commands
    assert command == (
        "odesweep run paper/main --scale paper 'width=wide, very' solver.steps=4 seed=0 "
        f"--results {data.results}"
    )
    # The command line would read numbers with a comma as two values.
    both = pd.DataFrame({"axis.drops": ["150, 300", "150, 250"]})
    assert axis_words(both, both.iloc[:1]) == []


def test_two_studies_that_share_trials_show_exactly_their_own_cells(tmp_path: Path) -> None:
    write(tmp_path, MAIN, scale="paper")
    write(tmp_path, OTHER, scale="paper")
    main, other, both = (
        load(tmp_path, names) for names in (MAIN.name, OTHER.name, (MAIN.name, OTHER.name))
    )
    assert (len(main.runs), len(other.runs), len(both.runs)) == (8, 3, 11)
    shared = set(main.runs["trial_id"]) & set(other.runs["trial_id"])
    assert len(shared) == 2
    assert "axis.net" not in main.runs
    assert set(other.runs["axis.net"]) == {"small"}
    assert both.runs.groupby("study").size().to_dict() == {"paper/main": 8, "paper/other": 3}
    # An axis that a study does not have is an empty text there.
    assert set(both.runs.loc[both.runs["study"] == "paper/other", "axis.width"]) == {""}
    assert len(both.evaluations) == len(main.evaluations)
    assert len(both.missing(("runs", "evaluations"))) == 0
    assert len(both.where({"study": "paper/other"}).runs) == 3
    assert (
        scale_text(both)
        == "Plan paper/main@paper: Paper scale. Plan paper/other@paper: Paper scale."
    )


def test_several_scales_and_an_override_in_one_folder_stay_apart(tmp_path: Path) -> None:
    for scale in ("smoke", "paper"):
        write(tmp_path, MAIN, scale=scale)
    name = write(tmp_path, MAIN, scale="paper", overrides=("train.batch_size=7",))
    write(tmp_path, OTHER, scale="smoke")
    folder = Folder(tmp_path)
    frames = {scale: load(folder, MAIN.name, scale=scale) for scale in ("paper", "smoke")}
    frames["override"] = load(folder, MAIN.name, plan=name)
    ids = {key: set(one.runs["trial_id"]) for key, one in frames.items()}
    assert [len(one) for one in ids.values()] == [8, 8, 8]
    assert not ids["paper"] & ids["smoke"]
    assert not ids["paper"] & ids["override"]
    assert load(folder, MAIN.name).names == "paper/main@paper"
    assert "Overridden: train.batch_size=7." in scale_text(frames["override"])
    assert "Overridden" not in scale_text(frames["paper"])
    name = write(tmp_path, MAIN, overrides=("train.batch_size=7,9",))
    swept = load(Folder(tmp_path), MAIN.name, plan=name)
    assert "Overridden: train.batch_size=7,9." in scale_text(swept)
    assert set(swept.runs["axis.train.batch_size"]) == {7, 9}
    # Several studies are read at one scale; the one that lacks it is named.
    both = load(folder, (MAIN.name, OTHER.name))
    assert both.names == "paper/main@paper"
    assert scale_text(both).endswith("Not planned here: paper/other.")
    assert (
        load(folder, (MAIN.name, OTHER.name), scale="smoke").names
        == "paper/main@smoke, paper/other@smoke"
    )
    with pytest.raises(ReportError, match="no plan of paper/main at scale small"):
        load(folder, MAIN.name, scale="small")


def test_every_study_is_read_at_its_best_scale(tmp_path: Path) -> None:
    write(tmp_path, MAIN, scale="smoke")
    write(tmp_path, MAIN, scale="paper")
    write(tmp_path, OTHER, scale="smoke")
    assert sorted(plan.name for plan in load(tmp_path, "*").plans) == [
        "paper/main@paper",
        "paper/other@smoke",
    ]


def test_attempts_that_are_no_results(tmp_path: Path) -> None:
    class Crashing(World):
        def run(self, cell: Cell) -> Run | None:
            return Run(outcome="crashed" if cell.seed else "completed")

    write(tmp_path, OTHER, Crashing(), "paper")
    data = load(tmp_path, OTHER.name)
    assert data.runs["seed"].tolist() == [0]
    assert sorted(data.unfinished["seed"]) == [1, 2]
    assert set(data.unfinished["axis.net"]) == {"small"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.0, "4"),
        (4, "4"),
        (1e-5, "1e-05"),
        (0.5, "0.5"),
        (True, "true"),
        (None, "null"),
        ("a b", "a b"),
    ],
)
def test_labels_are_written_as_plans_write_them(value: Any, text: str) -> None:
    assert label(value) == text


def test_caption_says_everything(data: Data) -> None:
    text = " ".join(standard_notes()(data, ("runs",), pd.DataFrame({"n": [3, 4]})))
    assert text.startswith("Mean and 95 % Student t interval over seeds, n = 3 to 4 per point")
    assert (
        "Plan paper/main@paper: Paper scale. Not averaged: 2 diverged. Missing: 1 of 8 trials."
        in text
    )
    assert "end at" not in text
    cut = pd.DataFrame({"n": [3], "low": [0.8], "high": [1.0]})
    assert "Intervals of shares end at 0 and 1." in standard_notes()(data, ("runs",), cut)
