import os
from collections import Counter
from pathlib import Path

import pytest
from store_rows import names, run

from sweeps.errors import InfrastructureError
from sweeps.store import Results, Writer, accepted_runs, read_table
from sweeps.store.compact import compact
from sweeps.store.generations import manifest_path
from sweeps.store.prune import Found, prune

DAY = 24 * 3600


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def _put(results: Results, trial: str) -> None:
    writer = Writer(results, f"w{trial}")
    writer.add("runs", [run(trial, f"{trial}-a")])
    writer.publish()


def _age(*paths: Path, seconds: float = DAY + 60) -> None:
    for path in paths:
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def _prune(results: Results, kept_seconds: float = -1.0) -> Counter[str]:
    """Without a wait. kept_seconds -1: whatever is superseded by now."""
    return Counter(
        one.why for one in prune(results, kept_seconds=kept_seconds, wait=lambda _: None)
    )


def _trials(results: Results) -> list[str]:
    return read_table(results, "runs", ["trial_id"])["trial_id"].to_pylist()


def test_nothing_goes_before_a_day_and_nothing_that_is_not_superseded(results: Results) -> None:
    _put(results, "t")
    assert _prune(results) == {}
    compact(results)
    _put(results, "new")
    assert _prune(results, DAY) == {}
    assert _prune(results) == {"superseded files": 1}
    assert len(names(results.parts("runs"))) == 1
    assert _trials(results) == ["new", "t"]


def test_generation_before_the_newest_is_kept_and_older_ones_go(results: Results) -> None:
    for trial in "abc":
        _put(results, trial)
        compact(results)
    assert _prune(results) == {"superseded files": 5}
    assert [name for name in names(results.manifests) if "MANIFEST" in name] == [
        "MANIFEST.2",
        "MANIFEST.3",
    ]
    assert len(names(results.generations("runs"))) == 2
    assert _trials(results) == ["a", "b", "c"]
    manifest_path(results, 3).unlink()
    assert _trials(results) == ["a", "b"]
    assert accepted_runs(results, ["trial_id"]).num_rows == 2


def test_what_comes_back_between_two_looks_stays(results: Results) -> None:
    _put(results, "t")
    compact(results)
    removed = prune(results, kept_seconds=-1.0, wait=lambda _: manifest_path(results, 1).unlink())
    assert removed == []
    assert _trials(results) == ["t"]


def test_two_looks_are_two_minutes_apart_and_a_dry_run_looks_once(results: Results) -> None:
    _put(results, "t")
    compact(results)
    waits: list[float] = []
    planned = prune(results, kept_seconds=-1.0, dry_run=True, wait=waits.append)
    assert (len(planned), waits, len(names(results.parts("runs")))) == (1, [], 1)
    assert (
        prune(results, kept_seconds=-1.0, wait=waits.append)
        == planned
        == [Found(planned[0].path, "superseded files")]
    )
    assert waits == [120.0]
    assert not planned[0].path.exists()


def test_only_copy_is_checked_before_anything_goes(results: Results) -> None:
    _put(results, "t")
    held = compact(results).manifest.paths(results, "runs")[0]
    data = bytearray(held.read_bytes())
    data[len(data) // 2] ^= 1
    held.write_bytes(data)
    with pytest.raises(
        InfrastructureError,
        match=r"is damaged \(sha256\) and nothing was deleted; .*remove MANIFEST\.1",
    ):
        _prune(results)
    assert len(names(results.parts("runs"))) == 1


def test_leftovers_of_dead_processes_go_after_a_day(results: Results) -> None:
    _put(results, "t")
    compact(results)
    temporary = [
        folder / ".0123.tmp"
        for folder in (
            results.parts("runs"),
            results.weights,
            results.manifests,
            results.generations("runs"),
        )
    ]
    young = results.weights / ".4567.tmp"
    orphan = results.generations("runs") / "0123.parquet"
    for path in (*temporary, young, orphan):
        path.write_bytes(b"half")
    _age(*temporary, orphan)
    assert _prune(results, DAY) == {"unfinished files": 4, "files of a compact that did not end": 1}
    assert young.exists()
    assert _trials(results) == ["t"]


def test_checkpoints_of_accepted_trials_go_once_nobody_writes_them(results: Results) -> None:
    _put(results, "done")
    attempts = [
        results.checkpoints / trial / attempt
        for trial, attempt in (("done", "old"), ("done", "young"), ("open", "old"))
    ]
    for attempt in attempts:
        attempt.mkdir(parents=True)
        for name in ("1.pt", ".2.pt.tmp"):
            (attempt / name).write_bytes(b"state")
            if attempt.name == "old":
                _age(attempt / name)
        if attempt.name == "old":
            _age(attempt)
    assert _prune(results) == {"checkpoints of accepted trials": 1}
    assert [attempt.exists() for attempt in attempts] == [False, True, True]
    assert len(names(attempts[1])) == 2
