"""`analysis.open_results`: frames and pictures for scripts, as docs/python.md shows."""

import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from own_study import OWN, Mine
from synthetic import write

from analysis import open_results
from analysis.errors import ReportError
from analysis.make import Reader
from analysis.plot.chart import Wish
from analysis.plot.command import plot
from analysis.results import Results
from analysis.rows.read import Folder, load
from sweeps.store.frames import one_type

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own")
    write(root / "results", OWN, Mine(), "tiny")
    return root


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return open_results(folder / "results")


def test_the_example_of_the_page_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The one before it trains; tests/test_docs.py runs that.
    _, example = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    monkeypatch.chdir(folder)
    exec(compile(example, str(PAGE), "exec"), {})
    printed = capsys.readouterr().out
    assert "['my_study@tiny']" in printed
    assert "Mean and 95 % Student t interval over seeds" in printed
    written = {path.name for path in (folder / "figures").iterdir()}
    assert "my_study-tiny_by_solver.steps_width_seed-0-1-2.png" in written
    assert {"my_study-tiny_map.csv", "my_study-tiny_cost.pdf"} <= written


def test_frames_have_the_axes_of_the_study(results: Results) -> None:
    runs = results.runs("my_study")
    assert len(runs) == 35
    assert set(runs["axis.width"]) == {"narrow", "wide"}
    assert set(runs["outcome"]) == {"completed", "diverged"}
    epochs = results.epochs("my_study@tiny")
    assert {"axis.solver.steps", "accuracy_test", "run.outcome"} <= set(epochs)
    evaluations = results.evaluations("my_study")
    assert {"accuracy", "test.solver_steps", "run.accuracy_test"} <= set(evaluations)


def test_a_study_has_what_was_added_to_it_and_a_plan_has_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, OWN, scale="tiny")
    write(tmp_path, OWN, None, "tiny", ("+seed=3,4", "+evaluations.solver=midpoint"))
    changed = write(tmp_path, OWN, None, "tiny", ("train.batch_size=8",), save_only=True)
    results = open_results(tmp_path)
    assert set(results.runs("my_study")["seed"]) == {0, 1, 2, 3, 4}
    assert set(results.runs("my_study@tiny")["seed"]) == {0, 1, 2}
    assert set(results.evaluations("my_study")["test.solver"]) == {"euler", "midpoint"}
    assert set(results.evaluations("my_study@tiny")["test.solver"]) == {"euler"}
    caption = results.plot("my_study", x="solver.steps").caption
    assert "With what was added: +evaluations.solver=midpoint +seed=3,4." in caption

    assert plot("my_study", Wish(kind="box"), ["seed=4"], Reader(tmp_path), tmp_path / "out") == 0
    assert f"not drawn: plan {changed} (train.batch_size=8)" in capsys.readouterr().out
    # A claim takes further seeds alone, and no other tests.
    seeds = load(Folder(tmp_path), "my_study", added="+seed=")
    assert set(seeds.tests["test.solver"]) == {"euler"}
    assert set(seeds.trials["seed"]) == {0, 1, 2}


def test_arrow_takes_every_frame_and_numbers_stay_numbers(results: Results) -> None:
    for frame in (results.runs("my_study"), results.epochs("my_study")):
        assert pa.table(frame).num_rows == len(frame)
    tests = pa.table(results.evaluations("my_study"))
    assert pa.types.is_list(tests.schema.field("test.factor").type)


def test_a_column_of_several_types_becomes_one() -> None:
    frame = pd.DataFrame({"depth": [4, "", 8], "name": ["a", 1, True], "kept": ["", "b", ""]})
    clean = one_type(frame)
    assert list(clean["depth"].isna()) == [False, True, False]
    assert clean["depth"].dropna().tolist() == [4, 8]
    assert clean["name"].tolist() == ["a", "1", "true"]
    assert clean["kept"].tolist() == ["", "b", ""]
    assert pa.table(clean).num_rows == 3


def test_polars_takes_every_frame(results: Results) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = results.evaluations("my_study")
    assert polars.DataFrame(frame).shape == frame.shape


def test_a_changed_frame_changes_nothing_here(results: Results) -> None:
    runs = results.runs("my_study")
    runs["outcome"] = "crashed"
    assert "completed" in set(results.runs("my_study")["outcome"])


def test_a_picture_has_numbers_caption_and_an_image(results: Results) -> None:
    picture = results.plot("my_study", col="solver.name", where={"width": "wide"})
    assert picture.name == "my_study@tiny/by_solver.name_width=wide"
    assert "axis.width" not in picture.numbers
    assert "Only width=wide." in picture.caption
    image = picture._repr_png_()  # pyright: ignore[reportPrivateUsage] - what notebooks call
    assert image.startswith(b"\x89PNG")
    assert len(picture.figure().axes) == 2


def test_unknown_names_are_one_line(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="nearest: my_study"):
        results.runs("my_studies")
    with pytest.raises(ReportError, match="no axis 'depth' in my_study@tiny; nearest: depth_layer"):
        results.plot("my_study", x="depth")
    with pytest.raises(ReportError, match="no results folder"):
        open_results(tmp_path / "nowhere")
