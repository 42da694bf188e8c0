"""`odereport archive`: one file that others can read, check and publish."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from synthetic import write

from analysis import cli
from analysis.report.page import Content
from sweeps.store import Results, accepted_runs


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("archive") / "results"
    write(folder, "ott2021/fan")
    write(folder, "ott2021/sphere2-fixed")
    return Results(folder)


@pytest.fixture(autouse=True)
def _short_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole report has tests of its own."""
    monkeypatch.setattr("analysis.report.page.gather", lambda *_, **__: Content([], [], None))


def archived(monkeypatch: pytest.MonkeyPatch, results: Results, out: Path) -> int:
    words = ["odereport", "archive", "--results", str(results.path), "--out", str(out)]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_the_file_holds_rows_plans_report_and_environment(
    results: Results,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "new" / "rows.zip"
    assert archived(monkeypatch, results, out) == 0
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert (out.parent / "rows.zip.sha256").read_text() == f"{digest}  rows.zip\n"
    assert digest in capsys.readouterr().out
    assert sorted(path.name for path in out.parent.iterdir()) == ["rows.zip", "rows.zip.sha256"]
    with zipfile.ZipFile(out) as packed:
        packed.extractall(tmp_path)
    folder = tmp_path / "rows"
    there = Results(folder / "results")
    expected = {row["trial_id"]: row["accuracy_test"] for row in accepted_runs(results).to_pylist()}
    found = {row["trial_id"]: row["accuracy_test"] for row in accepted_runs(there).to_pylist()}
    assert found == expected
    assert sorted(path.name for path in there.path.iterdir()) == ["generations", "plans"]
    assert "<title>odesweep" in (folder / "report.html").read_text()
    readme = (folder / "README.md").read_text()
    assert "| ott2021/fan | smoke | 2 of 2 | 2 completed |" in readme
    header, *lines = (folder / "environment.csv").read_text().splitlines()
    assert header.startswith("code_commit,")
    assert sum(int(line.rpartition(",")[2]) for line in lines) == len(expected)


def test_wrong_use_is_one_line_and_writes_nothing(
    results: Results,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = tmp_path / "there.zip"
    there.write_text("mine")
    empty = Results(tmp_path / "empty")
    write(empty.path, "ott2021/fan", save_only=True)
    for folder, out, says in (
        (results, there, "exists"),
        (results, tmp_path / "rows.tar", "give the name of a zip file"),
        (empty, tmp_path / "rows.zip", "has no rows"),
        (Results(tmp_path / "none"), tmp_path / "rows.zip", "no results folder"),
    ):
        assert archived(monkeypatch, folder, out) != 0
        assert says in capsys.readouterr().err
    assert there.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.glob("rows*")) == []
