"""What `odereport` does if a folder holds several scales or lacks plans or axes."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from synthetic import World, write

from analysis import cli, make
from analysis.drawing.figure import Table
from analysis.rows.data import Data

FIXED = "ott2021/sphere2-fixed"


def report(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["odereport", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("commands") / "r"
    write(results, FIXED, World(), "smoke")
    write(results, FIXED, scale="small", save_only=True)
    return results


@pytest.fixture
def by_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """One table about the axis `width` and one about a study without a plan.

    No study of Ott 2021 has that axis.
    """

    def by_width(data: Data) -> pd.DataFrame:
        return data.runs.groupby("axis.width").size().reset_index()

    about = {"numbers": by_width, "text": "By width.", "axes": ("width",), "readable": pd.DataFrame}
    values = [
        Table(name="paper/wide", study=FIXED, **about),
        Table(name="paper/absent", study="paper/absent", **about),
    ]

    def choose(target: str | None, *kinds: str) -> list[Table]:
        return [value for value in values if target in (None, value.name)]

    monkeypatch.setattr(make, "select", choose)


def test_scales_in_one_folder_make_files_of_their_own(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    common = ("--results", folder, "--out", tmp_path)
    assert report(monkeypatch, "figures", "ott2021/figure4", "--scale", "smoke", *common) == 0
    assert (tmp_path / "ott2021_figure4-smoke.png").exists()
    caption = (tmp_path / "ott2021_figure4-smoke.txt").read_text()
    assert f"Plan {FIXED}@smoke: Smoke scale" in caption
    assert "small" not in caption
    # Without a scale the larger one is read, of which nothing has run.
    assert report(monkeypatch, "figures", "ott2021/figure4", *common) == 1
    assert "nothing to show. Missing: 42 of 42 trials." in capsys.readouterr().out
    assert not (tmp_path / "ott2021_figure4.png").exists()


def test_an_axis_that_the_plan_lacks_leaves_a_table_out(
    folder: Path, by_width: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert make.tables("paper/wide", make.Reader(folder), tmp_path) == 1
    assert capsys.readouterr().out == f"paper/wide: left out, {FIXED}@small has no width axis\n"


def test_studies_without_a_plan_are_left_out_with_the_command(
    folder: Path, by_width: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert make.tables(None, make.Reader(folder), tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("paper/absent: left out, no plan of paper/absent in")
    assert lines[1].endswith(f"to make it: odesweep plan paper/absent --save --results {folder}")
    assert [line for line in lines if "plans here" in line] == [lines[-1]]
