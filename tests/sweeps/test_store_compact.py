"""Compaction: generations that lose nothing, whatever runs beside them.

Longer than other files: one fixture folder serves all of it.
"""

import json
import logging
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_rows import evaluation, names, run, trajectory

import sweeps.store.compact as compact_module
from sweeps.cli import main
from sweeps.errors import InfrastructureError
from sweeps.store import (
    Results,
    StoreView,
    Writer,
    accepted_probes,
    accepted_runs,
    read_table,
    write_retraction,
)
from sweeps.store.accept import RUN_COLUMNS, standing_runs
from sweeps.store.compact import compact
from sweeps.store.generations import Manifest, manifest_numbers, manifest_path
from sweeps.store.parquet import load_large
from sweeps.store.prune import prune
from sweeps.store.query import query
from sweeps.store.read import load_held, newest, table_files
from sweeps.store.schema import OUTCOMES, SCHEMAS, VERSION


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def put(results: Results, worker: str = "w", **tables: list[dict[str, Any]]) -> Writer:
    writer = Writer(results, worker)
    for table, rows in tables.items():
        writer.add(table, rows)
    writer.publish()
    return writer


def accepted(results: Results) -> dict[str, str]:
    found = {
        row["trial_id"]: row["attempt_id"]
        for row in accepted_runs(results, ["trial_id", "attempt_id"]).to_pylist()
    }
    assert {
        trial: attempt.attempt_id for trial, attempt in StoreView(results).accepted.items()
    } == found
    return found


def standing(results: Results) -> dict[str, str]:
    """Trial -> the attempt that the newest generation accepted."""
    manifest = newest(results)
    held = [
        load_held(results, path, SCHEMAS["runs"], RUN_COLUMNS)
        for path in manifest.paths(results, "runs")
    ]
    pairs = [key.split("/") for key in standing_runs(manifest, held).to_pylist()]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def unlink_superseded(results: Results) -> None:
    """What `prune` does a day later."""
    for folder, held in newest(results).superseded.items():
        if folder.startswith(("parts", "merged")):
            for name in held:
                (results.path / folder / name).unlink(missing_ok=True)


def test_nothing_there_makes_no_generation(results: Results) -> None:
    results.create()
    done = compact(results)
    assert (done.made, done.files, done.manifest.number) == (False, 0, 0)
    assert not results.manifests.exists()


def test_generation_holds_every_row_sorted_and_reads_the_same(results: Results) -> None:
    put(
        results,
        "w1",
        runs=[run("b", "2"), run("a", "9", outcome="crashed")],
        probe_trajectory=trajectory("b", "2"),
    )
    put(results, "w2", runs=[run("b", "1")], evaluations=[evaluation("b", "1", "e")]).close()
    before = {table: read_table(results, table) for table in SCHEMAS}
    done = compact(results)
    assert (done.made, done.manifest.number, done.files, done.damaged) == (True, 1, 4, 0)
    assert {
        table: [file.rows for file in files] for table, files in done.manifest.files.items()
    } == {
        "runs": [3],
        "evaluations": [1],
        "probe_trajectory": [6],
        "probe_decision_grid": [],
        "probe_layer_statistics": [],
        "probe_series": [],
    }
    assert standing(results) == accepted(results)
    for table in SCHEMAS:
        files, held = table_files(results, table)
        assert files == []
        assert held == [
            results.generations(table) / name for name in names(results.generations(table))
        ]
        assert read_table(results, table).equals(before[table])
    data = pq.ParquetFile(results.generations("runs") / names(results.generations("runs"))[0])
    assert data.metadata.row_group(0).column(0).compression == "ZSTD"
    assert data.read(["trial_id", "attempt_id"]).to_pydict() == {
        "trial_id": ["a", "b", "b"],
        "attempt_id": ["9", "1", "2"],
    }
    unlink_superseded(results)
    for table in SCHEMAS:
        assert read_table(results, table).equals(before[table])


def test_nothing_new_makes_no_generation_and_one_table_leaves_the_others_as_they_are(
    results: Results,
) -> None:
    put(results, runs=[run("a", "1")], evaluations=[evaluation("a", "1", "e")])
    first = compact(results).manifest
    assert compact(results).made is False
    put(results, evaluations=[evaluation("a", "1", "f")])
    second = compact(results).manifest
    assert (second.number, second.base) == (2, 1)
    assert second.files["runs"] == first.files["runs"]
    assert second.files["evaluations"] != first.files["evaluations"]
    assert [
        row["eval_id"] for row in read_table(results, "evaluations", ["eval_id"]).to_pylist()
    ] == ["e", "f"]


def test_large_files_stay_as_they_are_and_small_ones_are_merged(results: Results) -> None:
    put(results, "many", runs=[run(f"t{index:02d}", "a") for index in range(9)])
    large = compact(results).manifest.files["runs"]
    for number in range(3):
        put(results, f"few{number}", runs=[run(f"u{number}", "a")])
        files = compact(results).manifest.files["runs"]
        # The three small files are merged, the one with nine rows is not rewritten.
        assert files[0] == large[0]
        assert [file.rows for file in files[1:]] == [number + 1]
    put(results, "five", runs=[run(f"v{index}", "a") for index in range(5)])
    assert [file.rows for file in compact(results).manifest.files["runs"]] == [17]
    assert read_table(results, "runs").num_rows == 17
    assert len(standing(results)) == 17


def test_of_a_row_that_two_generations_saw_the_copy_that_finished_first_is_kept(
    results: Results,
) -> None:
    blocks = [trajectory(f"t{index}", "a", seconds=10.0) for index in range(9)]
    put(
        results,
        "many",
        runs=[run(f"t{index}", "a", 10.0) for index in range(9)],
        probe_trajectory=[row for block in blocks for row in block],
    )
    compact(results)
    put(
        results,
        "again",
        runs=[run("t3", "a", 5.0), run("t4", "a", 20.0)],
        probe_trajectory=trajectory("t3", "a", seconds=5.0),
    )
    expected = {table: read_table(results, table) for table in ("runs", "probe_trajectory")}
    files = compact(results).manifest.files
    assert [file.rows for file in files["runs"]] == [9]
    assert [file.rows for file in files["probe_trajectory"]] == [9 * len(blocks[0])]
    unlink_superseded(results)
    for table, rows in expected.items():
        assert read_table(results, table).equals(rows)


def test_late_zombie_takes_nobodys_place_but_a_retraction_does(results: Results) -> None:
    put(results, runs=[run("t", "winner", 10.0)])
    compact(results)
    view = StoreView(results)
    put(
        results,
        "zombie",
        runs=[run("t", "early", 1.0), run("t", "late", 20.0)],
        evaluations=[evaluation("t", "early", "e")],
    )
    assert accepted(results) == {"t": "winner"}
    view.refresh()
    assert view.accepted["t"].attempt_id == "winner"
    assert view.done_evaluations == set()
    compact(results)
    assert accepted(results) == {"t": "winner"}
    write_retraction(results, attempt_ids=["winner"], trial_ids=[], reason="test", command="retry")
    assert accepted(results) == {"t": "early"}
    assert compact(results).made
    assert standing(results) == {"t": "early"}
    put(results, "zombie2", runs=[run("t", "earliest", 0.0)])
    assert accepted(results) == {"t": "early"}


_CASES = st.lists(
    st.tuples(st.sampled_from("xyz"), st.integers(0, 3), st.sampled_from(OUTCOMES)), max_size=4
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rounds=st.lists(
        st.tuples(_CASES, st.booleans(), st.sets(st.integers(0, 11), max_size=2), st.booleans()),
        min_size=2,
        max_size=3,
    )
)
def test_any_order_of_rows_retractions_and_compactions_follows_the_rule(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[Any]
) -> None:
    results = Results(tmp_path_factory.mktemp("store") / "results")
    rows: list[dict[str, Any]] = []
    stands: dict[str, str] = {}
    retracted: set[str] = set()

    def rule() -> dict[str, str]:
        found: dict[str, tuple[Any, ...]] = {}
        for row in rows:
            if (
                row["outcome"] in ("completed", "diverged", "solver_failed")
                and row["attempt_id"] not in retracted
            ):
                order = (
                    stands.get(row["trial_id"]) != row["attempt_id"],
                    row["finished_at"],
                    row["attempt_id"],
                )
                found[row["trial_id"]] = min(order, found.get(row["trial_id"], order))
        return {trial: order[2] for trial, order in found.items()}

    for cases, compacting, taken_back, unlinking in rounds:
        new = [
            run(trial, f"a{len(rows) + index}", float(second), outcome=outcome)
            for index, (trial, second, outcome) in enumerate(cases)
        ]
        rows += new
        put(results, f"w{len(rows)}", runs=new)
        if taken_back:
            retracted |= {f"a{index}" for index in taken_back}
            write_retraction(
                results, attempt_ids=retracted, trial_ids=[], reason="test", command="retry"
            )
        if compacting:
            expected = rule()
            compact(results)
            stands = standing(results)
            assert stands == expected
            if unlinking:
                unlink_superseded(results)
        assert accepted(results) == rule()
        assert read_table(results, "runs").to_pylist() == sorted(
            rows, key=lambda row: (row["trial_id"], row["attempt_id"])
        )


def test_damaged_file_is_left_alone_and_taken_in_once_it_is_whole(
    results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    put(results, "w", runs=[run("good", "a")])
    put(results, "bad", runs=[run("bad", "b")])
    part = next(path for path in results.parts("runs").iterdir() if path.name.startswith("bad"))
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING, logger="odesweep"):
        done = compact(results)
    assert (done.made, done.files, done.damaged) == (True, 1, 1)
    assert part.name not in str(dict(done.manifest.superseded))
    part.write_bytes(whole)
    assert compact(results).made
    assert read_table(results, "runs", ["trial_id"])["trial_id"].to_pylist() == ["bad", "good"]


def test_damaged_generation_stops_everything_in_one_line_and_the_one_before_can_be_taken(
    results: Results,
) -> None:
    put(results, runs=[run("t", "a")])
    compact(results)
    put(results, "other", runs=[run("u", "b")])
    data = results.generations("runs") / compact(results).manifest.files["runs"][0].name
    bytes_ = data.read_bytes()
    data.write_bytes(bytes_[: len(bytes_) // 2] + b"x" + bytes_[len(bytes_) // 2 + 1 :][:-20])
    put(results, "third", runs=[run("v", "c")])
    for act in (
        lambda: read_table(results, "runs"),
        lambda: StoreView(results),
        lambda: compact(results),
    ):
        with pytest.raises(InfrastructureError) as caught:
            act()
        assert caught.value.exit_code == 3
        assert str(caught.value).startswith(f"{data} is damaged")
        assert "remove MANIFEST.2" in str(caught.value)
        assert "\n" not in str(caught.value)
    manifest_path(results, 2).unlink()
    assert accepted(results) == {"t": "a", "u": "b", "v": "c"}
    assert compact(results).manifest.number == 2
    assert standing(results) == {"t": "a", "u": "b", "v": "c"}


def test_missing_file_of_a_generation_is_named_and_the_one_before_offered_only_if_whole(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.store.read.RESTART_WAITS_SECONDS", (0.0,))
    data: list[Path] = []
    for worker in ("t", "u"):
        put(results, worker, runs=[run(worker, "a")])
        file = compact(results).manifest.files["runs"][0]
        data.append(results.generations("runs") / file.name)

    def says() -> set[str]:
        found = set[str]()
        for act in (
            lambda: read_table(results, "runs"),
            lambda: StoreView(results),
            lambda: query(results, "FROM runs"),
        ):
            with pytest.raises(InfrastructureError) as caught:
                act()
            found.add(str(caught.value))
        return found

    data[1].unlink()
    missing = f"{data[1]}, which MANIFEST.2 names, is missing; restore it from a backup"
    before = "then the generation before it and the files not yet pruned count again"
    assert says() == {f"{missing}, or remove MANIFEST.2: {before}"}
    data[0].unlink()
    assert says() == {missing}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"odesweep_schema": 1}', b'{"odesweep_schema": "1"}']
)
def test_damaged_manifest_is_one_line(results: Results, content: bytes) -> None:
    put(results, runs=[run("t", "a")])
    compact(results)
    manifest_path(results, 1).write_bytes(content)
    with pytest.raises(
        InfrastructureError,
        match=r"MANIFEST\.1 is damaged .*restore it from a backup$",
    ):
        read_table(results, "runs")
    manifest_path(results, 1).unlink()
    assert accepted(results) == {"t": "a"}


def test_newer_manifest_and_unknown_columns_ask_for_an_upgrade(results: Results) -> None:
    put(results, runs=[run("t", "a")])
    part = next(results.parts("runs").iterdir())
    table = pq.read_table(part)
    pq.write_table(table.append_column("from_the_future", table["seed"]), part)
    with pytest.raises(
        InfrastructureError,
        match="columns that this odesweep does not know: from_the_future; upgrade",
    ):
        compact(results)
    pq.write_table(table, part)
    compact(results)
    path = manifest_path(results, 1)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"odesweep_schema": VERSION + 1}))
    with pytest.raises(InfrastructureError, match=f"schema version {VERSION + 1}"):
        read_table(results, "runs")


def test_missing_row_is_noticed_before_anything_is_published(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(results, runs=[run("t", "a"), run("u", "b")])
    write = compact_module._write  # pyright: ignore[reportPrivateUsage]

    def lose_a_row(file: Any, table: str, batches: Any, written: Any) -> None:
        write(file, table, (rows[:1] for rows in batches), written)

    for damage in (
        lose_a_row,
        lambda file, *_: file.write(b"PAR1"),
    ):
        monkeypatch.setattr(compact_module, "_write", damage)
        with pytest.raises(InfrastructureError, match=r"does not (hold every row|read back)"):
            compact(results)
        assert manifest_numbers(results) == []
        assert names(results.generations("runs")) == []
    assert set(accepted(results)) == {"t", "u"}


def test_trial_is_found_without_reading_all_row_groups(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(compact_module.ROW_GROUP_ROWS, "runs", 10)
    put(results, runs=[run(f"t{index:03d}", "a", epochs=[]) for index in range(100)])
    held = compact(results).manifest.paths(results, "runs")[0]
    assert pq.ParquetFile(held).num_row_groups == 10
    assert load_large(held, SCHEMAS["runs"], ["trial_id"], ["t005", "t055", "z"]).num_rows == 20
    assert read_table(results, "runs", ["trial_id"], ids=["t055", "t005"])[
        "trial_id"
    ].to_pylist() == ["t005", "t055"]


def test_loser_deletes_its_files_and_says_who_won(
    results: Results, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(results, runs=[run("t", "a")])
    publish = compact_module.publish_first
    winner: list[Manifest] = []

    def overtaken(path: Path, data: bytes) -> bool:
        monkeypatch.setattr(compact_module, "publish_first", publish)
        winner.append(compact(results).manifest)
        return publish(path, data)

    monkeypatch.setattr(compact_module, "publish_first", overtaken)
    with pytest.raises(SystemExit) as ended:
        main(["compact", "--results", str(results.path)])
    assert ended.value.code == 0
    assert (
        capsys.readouterr().out
        == f"{winner[0].by} made generation 1 meanwhile; this one was given up, nothing is lost\n"
    )
    assert newest(results) == winner[0]
    assert names(results.generations("runs")) == [winner[0].files["runs"][0].name]
    assert names(results.manifests) == ["MANIFEST.1", *sorted(SCHEMAS)]


def _work(path: Path, host: str) -> None:
    results = Results(path)
    for number in range(6):
        writer = Writer(results, f"{host}-{number}")
        for part in range(4):
            trial = f"t-{host}-{number}-{part}"
            writer.add("runs", [run(trial, f"{trial}-a")])
            writer.add("probe_trajectory", trajectory(trial, f"{trial}-a", points=2))
            writer.publish()
            time.sleep(0.02)
        writer.close()


def _compact_all_the_time(path: Path, stop: Path) -> None:
    results = Results(path)
    while not stop.exists():
        compact(results)
        # Soon instead of after a day: readers have to start again, and must lose nothing by it.
        prune(results, kept_seconds=0.2, look_seconds=0.0)


def test_two_compacts_that_prune_two_writers_and_a_reader_lose_nothing_and_double_nothing(
    tmp_path: Path,
) -> None:
    results, stop = Results(tmp_path / "results"), tmp_path / "stop"
    results.create()
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_work, args=(results.path, host)) for host in ("x", "y")]
    compacts = [
        spawn.Process(target=_compact_all_the_time, args=(results.path, stop)) for _ in range(2)
    ]
    for process in (*compacts, *writers):
        process.start()
    view, seen, reads = StoreView(results), set[str](), 0
    while any(writer.is_alive() for writer in writers):
        rows = read_table(results, "runs", ["trial_id"])["trial_id"].to_pylist()
        assert len(rows) == len(set(rows))
        assert seen <= set(rows)
        seen |= set(rows)
        points = read_table(results, "probe_trajectory", ["trial_id"])["trial_id"].to_pylist()
        assert len(points) == 4 * len(set(points))
        view.refresh()
        assert seen <= view.accepted.keys()
        reads += 1
    stop.touch()
    for process in (*writers, *compacts):
        process.join()
    assert [process.exitcode for process in (*writers, *compacts)] == [0] * 4
    assert reads >= 3
    compact(results)
    expected = {
        f"t-{host}-{number}-{part}"
        for host in ("x", "y")
        for number in range(6)
        for part in range(4)
    }
    assert accepted(results).keys() == expected
    assert newest(results).number >= 2
    assert sum(file.rows for file in newest(results).files["runs"]) == len(expected)
    assert accepted_probes(results, "trajectory").num_rows == 4 * len(expected)
    assert (
        set(names(results.parts("runs"))) <= newest(results).superseded.get("parts/runs", {}).keys()
    )
