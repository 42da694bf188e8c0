"""Several results folders become one: nothing is lost, doubled or changed."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from command import drawn, odesweep
from store_rows import evaluation, run, trajectory

import sweeps.store.merge as merge_module
from sweeps.cli import main
from sweeps.store import (
    TABLES,
    EventLog,
    EventReader,
    PlanInfo,
    Results,
    StoreView,
    Writer,
    list_plans,
    publish_bytes,
    read_sent,
    read_table,
    write_plan,
    write_retraction,
    write_sent,
    write_submission,
)
from sweeps.store.compact import compact
from sweeps.store.merge import merge
from sweeps.store.submissions import METADATA, Sent

OLDER = Path(__file__).parents[1] / "data" / "store_baedb78"
PLANNED = {
    "trial_id": "t0",
    "cell_id": "c",
    "axes": {},
    "seed": 0,
    "predicted_seconds": 1.0,
    "evaluations": [],
    "probes": [],
}


def fill(results: Results, worker: str, trials: dict[str, float]) -> None:
    """Rows of these trials, which end at these seconds, as one worker leaves them."""
    writer = Writer(results, worker)
    for trial, seconds in trials.items():
        attempt = f"{worker}-{trial}"
        writer.add("runs", [run(trial, attempt, seconds, host=worker)])
        writer.add("evaluations", [evaluation(trial, attempt, "e", seconds)])
        writer.add("probe_trajectory", trajectory(trial, attempt, seconds))
        publish_bytes(results.weights / f"{trial}-{worker}.safetensors", attempt.encode())
    writer.close()


@pytest.fixture
def two(tmp_path: Path) -> tuple[Results, Results]:
    """The folders of two clusters, which both trained t1, the second one first."""
    first, second = Results(tmp_path / "a"), Results(tmp_path / "b")
    fill(first, "w1", {"t0": 10.0, "t1": 20.0})
    compact(first)
    fill(first, "w2", {"t2": 30.0})
    fill(second, "w3", {"t1": 15.0, "t3": 40.0})
    write_retraction(
        second, attempt_ids=["w3-t3"], trial_ids=["t3"], reason="broken GPU", command="retry"
    )
    write_plan(second, PlanInfo("demo@small", "demo", "demo", "small"), [PLANNED])
    submission = write_submission(second, [], dict.fromkeys(METADATA, "2026-01-01T00:00:00+00:00"))
    write_sent(second, submission, Sent("17", "ann"))
    EventLog(second, "w3").append("started", trial_id="t3", attempt_id="w3-t3")
    return first, second


def tree(*folders: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["merge", *map(str, arguments)])
    return int(ended.value.code or 0)


def test_merged_folders_hold_what_one_folder_would(
    two: tuple[Results, Results], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two
    before = tree(first.path, second.path)
    one, both = Results(tmp_path / "one"), Results(tmp_path / "both")
    for worker, trials in {"w1": ("t0", "t1"), "w2": ("t2",), "w3": ("t1", "t3")}.items():
        seconds = {"t0": 10.0, "t1": 15.0 if worker == "w3" else 20.0, "t2": 30.0, "t3": 40.0}
        fill(one, worker, {trial: seconds[trial] for trial in trials})
    assert call(first.path, second.path, "--into", both.path) == 0
    for table in TABLES:
        assert read_table(both, table).equals(read_table(one, table))
    assert tree(first.path, second.path) == before
    view = StoreView(both)
    assert {trial: row.attempt_id for trial, row in view.accepted.items()} == {
        "t0": "w1-t0",
        "t1": "w3-t1",
        "t2": "w2-t2",
    }
    hosts = read_table(both, "runs", ["host"])["host"].to_pylist()
    assert hosts == ["w1", "w1", "w3", "w2", "w3"]
    assert list_plans(both) == ["demo@small"]
    assert [event["attempt_id"] for event in EventReader(both).poll()] == ["w3-t3"]
    assert len(list(both.weights.iterdir())) == 5
    # The job is in another cluster's queue, where its number means something else.
    (submission,) = [path.stem for path in both.submissions.glob("*.parquet")]
    assert read_sent(both, submission) == Sent(None, "")

    last = capsys.readouterr().out.splitlines()[1]
    assert last.startswith(f"from {second.path}: ")
    assert {"1 retraction", "1 submission", "1 plan", "1 event file", "2 runs"} <= {
        *last.partition(": ")[2].split(", ")
    }
    merged = tree(both.path)
    assert call(second.path, first.path, "--into", both.path) == 0
    assert capsys.readouterr().out.count("nothing new") == 2
    compact(first)
    assert merge(first, both) == {}
    assert tree(both.path) == merged


def test_a_source_may_be_the_target_and_its_generation_stands(two: tuple[Results, Results]) -> None:
    first, second = two
    assert call(first.path, second.path, "--into", first.path, "--no-weights") == 0
    # The second folder's t1 finished first, but the generation had accepted the other one.
    assert StoreView(first).accepted["t1"].attempt_id == "w1-t1"
    assert len(read_table(first, "runs")) == 5
    assert len(list(first.weights.iterdir())) == 3


def test_a_merge_that_was_cut_goes_on(
    two: tuple[Results, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, (first, _) = Results(tmp_path / "both"), two
    real, published = merge_module.publish_table, list[Path]()

    def full(path: Path, rows: pa.Table) -> None:
        published.append(path)
        if len(published) == 2:
            raise OSError(28, "No space left on device")
        real(path, rows)

    monkeypatch.setattr(merge_module, "publish_table", full)
    assert call(first.path, "--into", both.path) == 3
    # Runs come last, so no run counts without what belongs to it.
    assert not len(read_table(both, "runs"))
    assert call(first.path, "--into", both.path) == 0
    for table in TABLES:
        assert read_table(both, table).equals(read_table(first, table))


def test_events_that_grew_are_copied_again(two: tuple[Results, Results], tmp_path: Path) -> None:
    both, (_, second) = Results(tmp_path / "both"), two
    merge(second, both)
    log = second.events / "w3.jsonl"
    log.write_text(2 * log.read_text())
    assert merge(second, both) == {"event files": 1}
    assert len(EventReader(both).poll()) == 2


def test_rows_of_older_versions_are_merged(tmp_path: Path) -> None:
    older, both = Results(tmp_path / "older"), Results(tmp_path / "both")
    shutil.copytree(OLDER, older.path)
    merge(older, both)
    for table in TABLES:
        assert read_table(both, table).equals(read_table(older, table))
    assert list_plans(both) == list_plans(older)
    assert StoreView(both).accepted == StoreView(older).accepted


def test_what_is_unsafe_is_refused_in_one_line(
    two: tuple[Results, Results], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    before = tree(tmp_path)
    for source, into, said in (
        ("nowhere", "both", "is not a results folder"),
        ("a", "a/inner", "lies in the other"),
        ("a", ".", "lies in the other"),
        ("a", "file", "cannot make the results folder"),
    ):
        assert call(tmp_path / source, "--into", tmp_path / into) in (2, 3)
        error = capsys.readouterr().err
        assert said in error
        assert "--results" not in error
        assert error.count("\n") == 1
    assert tree(tmp_path) == before


@pytest.mark.slow
def test_halves_of_a_study_give_every_number_of_the_whole(tmp_path: Path) -> None:
    whole, both = tmp_path / "whole", tmp_path / "both"
    run_smoke = ("run", "demo", "--scale", "smoke")
    assert odesweep(*run_smoke, results=whole)[0] == 0
    halves = {"euler": tmp_path / "a", "rk4_38": tmp_path / "b"}
    for solver, folder in halves.items():
        assert odesweep(*run_smoke, f"solver.name={solver}", results=folder)[0] == 0
    assert call(*halves.values(), "--into", both) == 0
    first = drawn(both, tmp_path / "drawn")
    assert drawn(whole, tmp_path / "one") == first
    assert len(first) >= 7
    assert call(*halves.values(), "--into", both) == 0
    assert drawn(both, tmp_path / "again") == first
