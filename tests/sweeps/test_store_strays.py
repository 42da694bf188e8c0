"""Strays in a results folder are skipped with one warning that names them."""

import logging
from pathlib import Path

import pytest
from command import odesweep
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import run
from strays import ENDINGS, FOLDERS, STEMS, STRAYS, look

from sweeps.store import TABLES, Results, Writer, read_table
from sweeps.store.compact import compact
from sweeps.store.warn import printable
from sweeps.studies import find
from sweeps.study.overrides import select


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return with_a_row(tmp_path / "results")


def with_a_row(path: Path) -> Results:
    results = Results(path)
    writer = Writer(results, "w")
    spec = select(find("demo")).declared[0].spec.model_dump_json()
    writer.add("runs", [run("good", "a", spec=spec)])
    writer.publish()
    (results.path / "generations").mkdir()
    for table in TABLES:
        results.generations(table).mkdir()
    return results


@pytest.mark.parametrize("kind", STRAYS)
def test_a_stray_among_the_rows_is_skipped_with_one_warning(
    results: Results, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    stray = results.parts("runs") / "two\nlines.parquet"
    STRAYS[kind](stray)
    with caplog.at_level(logging.WARNING, logger="odesweep"):
        trials = look(results)
    if kind == "rows of runs":
        assert trials == {"good", "text"}
        assert not caplog.records
        return
    assert trials == {"good"}
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"skipped {printable(str(stray))}: ")
    assert "\n" not in line
    assert compact(results).made
    assert read_table(results, "runs", ["trial_id"])["trial_id"].to_pylist() == ["good"]
    assert stray.is_symlink() or stray.exists()


@pytest.mark.parametrize("other", TABLES)
@pytest.mark.parametrize("table", TABLES)
def test_a_file_of_one_table_in_the_folder_of_another_is_not_its(
    results: Results, caplog: pytest.LogCaptureFixture, table: str, other: str
) -> None:
    STRAYS[f"rows of {other}"](results.merged(table) / "copied.parquet")
    with caplog.at_level(logging.WARNING, logger="odesweep"):
        found = read_table(results, table).num_rows
    assert found == (table == other) + (table == "runs")
    assert ("copied.parquet" in caplog.text) is (table != other)


def test_a_folder_in_the_place_of_a_manifest_is_none(results: Results) -> None:
    STRAYS["folder"](results.manifests / "MANIFEST.7")
    assert look(results) == {"good"}
    assert compact(results).manifest.number == 1


STRAY = st.tuples(
    st.sampled_from(FOLDERS),
    st.sampled_from(STEMS),
    st.sampled_from(ENDINGS),
    st.sampled_from(sorted(STRAYS)),
)


def whatever_lies_there(factory: pytest.TempPathFactory, strays: list[tuple[str, ...]]) -> None:
    results = with_a_row(factory.mktemp("strays") / "results")
    for folder, stem, ending, kind in strays:
        path = results.path / folder / f"{stem}{ending}"
        if not path.is_symlink() and not path.exists():
            STRAYS[kind](path)
    assert "good" in look(results)


@settings(max_examples=20)
@given(strays=st.lists(STRAY, min_size=1, max_size=6))
def test_whatever_lies_there_rows_are_found(
    tmp_path_factory: pytest.TempPathFactory, strays: list[tuple[str, ...]]
) -> None:
    whatever_lies_there(tmp_path_factory, strays)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@settings(max_examples=2_000)
@given(strays=st.lists(STRAY, min_size=1, max_size=6))
def test_whatever_lies_there_rows_are_found_two_thousand_times(
    tmp_path_factory: pytest.TempPathFactory, strays: list[tuple[str, ...]]
) -> None:
    whatever_lies_there(tmp_path_factory, strays)


def test_commands_go_on_beside_strays(tmp_path: Path) -> None:
    path = with_a_row(tmp_path / "results").path
    (path / "parts/runs/x.parquet").mkdir()
    STRAYS["rows of evaluations"](path / "parts/runs/copied.parquet")
    STRAYS["no identity"](path / "merged/runs/null.parquet")
    STRAYS["rows of runs"](path / "plans/runs.parquet")
    for command in (("plan", "demo", "--save"), ("status", "demo"), ("status",)):
        code, out, err = odesweep(*command, results=path)
        assert (code, "Traceback" in out + err) == (0, False), err
        assert err.count("skipped") == len(set(err.splitlines())) >= 3, err
