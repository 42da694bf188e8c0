"""`odereport plot`: the numbers of a picture, what it chooses, and mistakes in one line."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from own_study import ACCURACY, OWN, Mine
from synthetic import write

from analysis import cli, shell_completion
from analysis.drawing.save import compose_figure
from analysis.drawing.style import NORM_COLOURS
from analysis.errors import ReportError
from analysis.plot.chart import KINDS, Wish, chart
from analysis.plot.command import find_plan, pictures
from analysis.plot.figures import figure
from analysis.plot.names import Names
from analysis.plot.page import page
from analysis.plot.places import across
from analysis.plot.rows import costs
from analysis.rows.data import Data
from analysis.rows.read import Folder, load
from analysis.rows.stats import clopper_pearson, t_interval
from sweeps import store
from sweeps.planning import plan as planning
from sweeps.planning.cost import Costs
from sweeps.study import Study
from sweeps.study.overrides import select


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "results"
    write(folder, OWN, Mine(), "tiny")
    return folder


@pytest.fixture(scope="module")
def data(results: Path) -> Data:
    return load(results, "my_study@tiny")


def picture(data: Data, *where: str, **wish: Any) -> Any:
    (found,) = pictures(data, "my_study@tiny", Wish(**wish), where)
    return found


def drawn(figure: Any, data: Data) -> Any:
    numbers = figure.table(data)
    return compose_figure(figure, numbers, figure.caption(data, numbers))


def report(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["odereport", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def test_numbers_are_means_with_student_t_intervals_over_seeds(data: Data) -> None:
    numbers = picture(data, x="steps").table(data)
    cell = numbers.query(
        "`axis.solver.steps` == 4 and `axis.width` == 'wide' and `axis.solver.name` == 'euler'"
    ).to_dict("records")[0]
    assert (cell["n"], cell["planned"]) == (3, 3)
    assert cell["mean"] == pytest.approx(np.mean(ACCURACY))
    assert (cell["low"], cell["high"]) == pytest.approx(t_interval(ACCURACY))


def test_the_bars_that_are_drawn_are_the_intervals_of_the_numbers(data: Data) -> None:
    one = picture(data, "width=wide", "solver.name=euler", x="steps")
    numbers = one.table(data)
    (ax,) = [ax for ax in drawn(one, data).axes if ax.has_data()]
    segments = [line for bars in ax.collections for line in _segments(bars)]
    found = sorted((min(y), max(y)) for y in segments)
    expected = sorted(numbers.filter(["low", "high"]).itertuples(index=False, name=None))
    assert found == [pytest.approx(pair) for pair in expected]


def _segments(bars: Any) -> list[Any]:
    return [line[:, 1] for line in bars.get_segments()] if hasattr(bars, "get_segments") else []


def test_below_three_seeds_single_runs_are_shown_and_the_caption_says_so(data: Data) -> None:
    one = picture(data, "width=wide", "solver.name=midpoint", "steps=16", x="steps")
    numbers = one.table(data)
    assert numbers["n"].to_list() == [2]
    assert "n = 2 per point: single seeds are shown, no interval." in one.caption(data, numbers)
    (ax,) = [ax for ax in drawn(one, data).axes if ax.has_data()]
    dots = [one for one in ax.collections if one.__class__.__name__ == "PathCollection"]
    points = {round(float(y), 6) for one in dots for _, y in one.get_offsets()}
    assert points == {0.5, 0.6}


def test_what_nobody_names_becomes_colour_and_panels_and_is_not_averaged(data: Data) -> None:
    found = chart(data, Wish(x="solver.steps"))
    assert (found.kind, found.y, found.x) == ("line", "accuracy_test", "axis.solver.steps")
    assert {found.hue, *found.cols} == {"axis.width", "axis.solver.name"}
    assert chart(data, Wish(x="width")).kind == "point"
    assert chart(data, Wish(hue="width", col=("steps",))).x == "axis.solver.name"


def test_a_zipped_axis_needs_no_panel_of_its_own(tmp_path: Path) -> None:
    lr = {"slow": {"train.optimizer.lr": 0.001}, "fast": {"train.optimizer.lr": 0.01}}
    zipped = Study(
        name="zipped",
        title="",
        question="",
        expected="",
        base=OWN.base,
        grid={"solver.steps": (1, 4), "rate": lr},
        zip=[("solver.steps", "rate")],
        seeds=(0, 1),
        scales=OWN.scales,
    )
    write(tmp_path / "r", zipped, scale="tiny")
    found = chart(load(tmp_path / "r", "zipped"), Wish())
    assert (found.x, found.hue, found.cols) == ("axis.solver.steps", None, ())


def test_every_failed_cell_is_a_cross_and_failures_are_counted(data: Data) -> None:
    one = picture(data, x="steps")
    numbers = one.table(data)
    assert (numbers.query("n == 0")["failed"] == 3).all()
    caption = one.caption(data, numbers)
    assert "Crosses at the lower edge: every run failed." in caption
    assert "Not averaged: 6 diverged." in caption
    assert "Missing: 1 of 36 trials." in caption
    marks = [line for ax in drawn(one, data).axes for line in ax.lines if line.get_marker() == "x"]
    assert len(marks) == 2


def test_the_share_of_failed_runs_has_its_exact_interval(data: Data) -> None:
    one = picture(data, y="failed", x="steps")
    numbers = one.table(data).query("`axis.width` == 'narrow' and `axis.solver.steps` == 16")
    assert numbers["mean"].to_list() == [1.0, 1.0]
    assert numbers["low"].to_list() == pytest.approx([clopper_pearson(3, 3)[0]] * 2)
    assert "Clopper-Pearson interval, n = 2 to 3 runs" in one.caption(data, one.table(data))


def test_times_are_of_undisturbed_runs_and_the_caption_counts_them(data: Data) -> None:
    one = picture(data, "solver.name=euler", "width=wide", "steps=4", y="train_seconds")
    numbers = one.table(data)
    assert numbers.filter(["n", "mean"]).to_dict("records") == [{"n": 2, "mean": 6.0}]
    assert "had the machine to themselves (2 of 3)" in one.caption(data, numbers)


def test_boxes_hold_the_runs_of_all_that_is_not_named(data: Data) -> None:
    one = picture(data, kind="box", x="width")
    numbers = one.table(data)
    assert numbers.groupby("axis.width").size().to_dict() == {"narrow": 12, "wide": 17}
    caption = one.caption(data, numbers)
    assert "every solver.steps, solver.name and seed. n = 12 to 17 per box" in caption
    assert drawn(one, data)


def test_heat_maps_have_every_cell_and_say_why_one_is_empty(data: Data) -> None:
    one = picture(data, "solver.name=euler", kind="heat", x="steps", hue="width")
    numbers = one.table(data)
    assert len(numbers) == 6
    texts = [text.get_text() for ax in drawn(one, data).axes for text in ax.texts]
    assert ".730" in texts
    assert "\u00d7" in texts


def test_curves_show_failed_runs_on_their_own(data: Data) -> None:
    one = picture(data, "solver.name=euler", kind="curve", hue="steps")
    numbers = one.table(data)
    assert set(numbers["line"]) == {"mean", "failed"}
    assert chart(data, Wish(y="learning_rate")).kind == "curve"
    assert "Runs that failed are single lines" in one.caption(data, numbers)
    assert drawn(one, data)


def test_evaluations_have_the_axes_of_their_solver(data: Data) -> None:
    one = picture(data, "width=wide", y="accuracy", x="test.solver_steps", hue="steps")
    numbers = one.table(data)
    assert set(numbers["test.solver_steps"]) == {1, 2, 4, 8, 16, 32}
    assert chart(data, Wish(hue="test.solver_steps")).y == "accuracy"
    assert drawn(one, data)


def test_a_column_of_runs_and_the_seed_are_axes_too(data: Data) -> None:
    by_width = picture(data, "solver.name=euler", x="model_width").table(data)
    assert set(by_width["axis.model_width"]) == {8, 32}
    singles = picture(data, x="steps", hue="seed")
    assert singles.table(data)["n"].max() == 1
    assert drawn(singles, data)


@pytest.mark.parametrize("column", ["cell_id", "depth_layers", "loss_test", "started_at"])
def test_any_column_of_runs_is_an_axis(column: str, data: Data) -> None:
    """Also one that other tables have too."""
    for wish in ({"x": column}, {"hue": column, "kind": "curve"}, {"x": column, "kind": "box"}):
        assert len(picture(data, **wish).table(data))


def test_where_chooses_by_number_by_name_and_several(data: Data) -> None:
    names = Names(data)
    assert len(names.where(["steps=4.0,16", "width=wide", "seed=0"]).trials) == 4
    assert len(names.where(["solver_name=euler"]).trials) == 18
    tested = names.where(["test.solver_steps=2"])
    assert set(tested.tests["test.solver_steps"]) == {2}
    assert set(tested.evaluations["test_solver_steps"]) == {2}


def test_norms_and_solvers_look_as_everywhere(tmp_path: Path) -> None:
    write(tmp_path / "r", "cross/norm_solver_depth")
    cross = load(tmp_path / "r", "cross/norm_solver_depth")
    one = figure(cross, chart(cross, Wish(x="solver")), "name")
    made = drawn(one, cross)
    legend = {
        text.get_text(): handle.get_color()
        for part in made.subfigs
        for found in part.legends
        for text, handle in zip(found.get_texts(), found.legend_handles, strict=True)
    }
    assert legend["TA-BN"] == NORM_COLOURS["ta_bn"]
    assert legend["none"] == NORM_COLOURS["none"]
    markers = {
        len(dots.get_paths()[0].vertices)
        for ax in made.axes
        for dots in ax.collections
        if len(dots.get_offsets())
    }
    assert len(markers) > 1


def test_more_panels_than_a_page_has_are_refused_with_what_to_do(tmp_path: Path) -> None:
    grid: dict[str, Any] = {
        "solver.steps": tuple(range(1, 42)),
        "solver.name": ("euler", "midpoint"),
    }
    big = Study(
        name="big", title="", question="", expected="", base=OWN.base, grid=grid, scales=OWN.scales
    )
    write(tmp_path / "r", big, scale="tiny", save_only=True)
    with pytest.raises(ReportError, match=r"41 panels \(solver.steps\) .* --where axis=value"):
        chart(load(tmp_path / "r", "big"), Wish(col=("steps",)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mystudy"], "no plan of mystudy in {results}; nearest: my_study, my_study@tiny"),
        (["my_study", "--x", "stps"], "no axis 'stps' in my_study@tiny; nearest: "),
        (["my_study", "--hue", "solver"], "no axis 'solver' in my_study@tiny; nearest: solver"),
        (["my_study", "--y", "acuracy"], "no metric 'acuracy' in my_study@tiny; nearest: accuracy"),
        (["my_study", "--y", "learning_rate", "--kind", "line"], "learning_rate is recorded"),
        (
            ["my_study", "--y", "accuracy_test", "--x", "test.solver"],
            "accuracy_test is a number of runs",
        ),
        (["my_study", "--kind", "pie"], "no kind 'pie' of plot; choose from line, point, box,"),
        (["my_study", "--kind", "curve", "--x", "width"], "--x width: a curve goes along epoch"),
        (["my_study", "--kind", "box", "--y", "failed"], "failed is a share of runs"),
        (["my_study", "--kind", "curve", "--hue", "test.solver"], "a curve is of the training"),
        (["my_study", "--y", "loss_train"], "no run or evaluation of my_study@tiny has loss_train"),
        (
            ["my_study", "--x", "host"],
            "no run of my_study@tiny has host",
        ),
        (["my_study@tiny", "--scale", "paper"], "my_study@tiny has a scale already; leave out"),
        (["my_study", "--where", "width"], "--where width: write it as key=value"),
        (["my_study", "--where", "steps=3"], "no trial of my_study@tiny has steps=3; choose from"),
        (["my_study@small"], "no plan of my_study@small in {results}; nearest: my_study"),
        (
            ["my_study", "--scale", "paper"],
            "no plan of my_study at scale paper in {results}; scales here: tiny",
        ),
        (
            ["my_study", "--x", "zzz"],
            "no axis 'zzz' in my_study@tiny; axes of the study: width, solver.steps, solver.name; ",
        ),
        (["my_study", "--scale", ""], "--scale has an empty value; give one, or leave it out"),
        (["my_study", "--scale="], "--scale has an empty value"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    message: str,
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    common = ("--results", results, "--out", tmp_path / "out")
    assert report(monkeypatch, "plot", *arguments, *common) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"odereport: {message.format(results=results)}")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_one_picture_is_saved_with_its_numbers_and_the_same_bytes_twice(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = ("my_study", "--x", "steps", "--where", "width=wide")
    for place in ("one", "two"):
        out = ("--results", results, "--out", tmp_path / place)
        assert report(monkeypatch, "plot", *wish, *out) == 0
    stem = "my_study-tiny_by_steps_width-wide"
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [f"{stem}{suffix}" for suffix in (".csv", ".pdf", ".png", ".txt")]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    numbers = pd.read_csv(tmp_path / "one" / f"{stem}.csv")
    assert {"n", "mean", "low", "high", "failed", "missing"} <= set(numbers)
    caption = (tmp_path / "one" / f"{stem}.txt").read_text()
    assert caption.startswith("My own question. Test accuracy against solver.steps; colour: ")
    assert "Only width=wide. Mean and 95 % Student t interval over seeds" in caption


def test_a_page_of_pictures_without_options(data: Data) -> None:
    found = {one.name: one for one in page(data, "my_study") if not isinstance(one, tuple)}
    assert [name.removeprefix("my_study/") for name in found] == [
        "curves",
        "by_width",
        "by_solver.steps",
        "by_solver.name",
        "map",
        "tests",
        "outcomes",
        "cost",
    ]
    ended = found["my_study/outcomes"].table(data)
    assert ended.loc[ended["axis"] == "width"].to_dict("records") == [
        {"axis": "width", "value": "narrow", "outcome": "completed", "trials": 12},
        {"axis": "width", "value": "narrow", "outcome": "diverged", "trials": 6},
        {"axis": "width", "value": "wide", "outcome": "completed", "trials": 17},
        {"axis": "width", "value": "wide", "outcome": "missing", "trials": 1},
    ]
    cost = found["my_study/cost"].table(data)
    # The memory of a CPU process says nothing about one trial; that of a GPU does.
    assert set(cost["cost"]) == {"nfe_forward", "train_seconds"}
    on_gpu = replace(data, whole=None)
    vars(on_gpu)["runs"] = data.runs.assign(device="NVIDIA H200")
    axes = [name for name in data.trials if name.startswith("axis.")]
    assert "peak_memory_bytes" in set(costs(on_gpu, axes, "accuracy_test")["cost"])


def test_a_plan_without_rows_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "r", OWN, scale="tiny", save_only=True)
    out = ("--results", tmp_path / "r", "--out", tmp_path / "out")
    assert report(monkeypatch, "plot", "my_study", *out) == 1
    printed = capsys.readouterr().out
    assert "nothing to show. Missing: 36 of 36 trials." in printed
    assert "fill with: odesweep run my_study --scale tiny" in printed
    assert not (tmp_path / "out").exists()


def test_a_study_is_found_by_name_plan_and_file(tmp_path: Path) -> None:
    folder = store.Results(tmp_path)
    folder.create()
    selection = select(OWN, "tiny")
    planning.save(folder, selection, Costs(), reference="./studies/my_study.py")
    names = ["my_study", "my_study@tiny", "my_study.py", "elsewhere/my_study.py"]
    assert {find_plan(Folder(tmp_path), name, None) for name in names} == {"my_study@tiny"}
    with pytest.raises(ReportError, match="nearest: my_study"):
        find_plan(Folder(tmp_path), "your_study.py", None)


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([1, 4, 16], True),
        ([1e-5, 1e-3, 0.1], True),
        ([1, 5, 9, 13, 19], False),
        ([0, 1, 10], False),
        ([1, 2], False),
    ],
)
def test_an_axis_is_logarithmic_where_its_values_are_geometric(
    values: list[float], log: bool
) -> None:
    assert across(values).log == log


def test_completion_offers_every_kind() -> None:
    assert shell_completion.kinds() == KINDS


@pytest.mark.parametrize("code", ["analysis.plot.command", "analysis.plot.page"])
def test_seaborn_is_loaded_only_to_draw(code: str) -> None:
    script = f"import sys, {code}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"seaborn", "matplotlib", "torch"} & set(done.stdout.split())
