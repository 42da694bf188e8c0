import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_rows import evaluation, names, run, trajectory

import sweeps.store.write as write_module
from sweeps.store import Results, SchemaError, StoreView, Writer, read_table
from sweeps.store.schema import TABLES


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def _files(results: Results) -> dict[str, int]:
    counts = {
        f"{folder.parent.name}/{table}": len(names(folder))
        for table in TABLES
        for folder in (results.parts(table), results.merged(table))
    }
    return {name: count for name, count in counts.items() if count}


def _ids(results: Results, table: str = "runs") -> list[str]:
    return read_table(results, table, ["attempt_id"])["attempt_id"].to_pylist()


def test_one_file_per_table_and_slice_named_by_its_worker(results: Results) -> None:
    writer = Writer(results, "host-1")
    writer.add("runs", [run("t1", "a1"), run("t2", "a2")])
    writer.add("runs", [run("t3", "a3")])
    writer.add("evaluations", [evaluation("t1", "a1", "e")])
    writer.publish()
    writer.publish()
    assert _files(results) == {"parts/runs": 1, "parts/evaluations": 1}
    assert names(results.parts("runs"))[0].startswith("host-1-")
    writer.add("runs", [run("t4", "a4")])
    writer.publish()
    assert _files(results) == {"parts/runs": 2, "parts/evaluations": 1}
    assert _ids(results) == ["a1", "a2", "a3", "a4"]


def test_due_after_a_slice_and_only_with_rows(results: Results) -> None:
    now, later = Writer(results, "w1", slice_seconds=0.0), Writer(results, "w2", slice_seconds=60.0)
    assert not now.due()
    for writer in (now, later):
        writer.add("runs", [])
        assert not writer.due()
        writer.add("runs", [run("t", "a")])
    assert now.due()
    assert not later.due()
    now.publish()
    assert not now.due()


def test_bad_row_is_refused_at_once_and_the_good_ones_still_go_out(results: Results) -> None:
    writer = Writer(results, "w")
    writer.add("runs", [run("t1", "a1")])
    with pytest.raises(SchemaError):
        writer.add("runs", [run("t2", "a2"), {"trial_id": "t3"}])
    with pytest.raises(SchemaError, match="column parameters"):
        writer.add("runs", [run("t2", "a2", parameters="many")])
    writer.publish()
    assert _ids(results) == ["a1"]


def test_probe_split_over_two_calls_is_refused(results: Results) -> None:
    writer = Writer(results, "w")
    rows = trajectory("t", "a")
    writer.add("probe_trajectory", rows[:3])
    with pytest.raises(SchemaError, match="all rows of one probe must be in one call"):
        writer.add("probe_trajectory", rows[3:])


def test_close_merges_own_files_only_and_verifies(results: Results) -> None:
    own, other = Writer(results, "w1"), Writer(results, "w1-2")
    for index in range(5):
        own.add("runs", [run(f"t{index}", f"own{index}")])
        own.add("probe_trajectory", trajectory(f"t{index}", f"own{index}"))
        own.publish()
        other.add("runs", [run(f"t{index}", f"other{index}")])
        other.publish()
    own.add("runs", [run("t9", "own9")])
    own.close()
    assert _files(results) == {"parts/runs": 5, "merged/runs": 1, "merged/probe_trajectory": 1}
    assert sorted(_ids(results)) == sorted(
        [f"{who}{index}" for who in ("own", "other") for index in range(5)] + ["own9"]
    )
    assert read_table(results, "probe_trajectory").num_rows == 5 * 6
    own.close()
    assert _files(results) == {"parts/runs": 5, "merged/runs": 1, "merged/probe_trajectory": 1}


def test_a_writer_merges_its_files_while_it_runs(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_module, "MERGED_PARTS", 3)
    writer, view = Writer(results, "w"), StoreView(results)
    for index in range(7):
        writer.add("runs", [run(f"t{index}", f"a{index}")])
        writer.publish()
        view.refresh()
        assert list(view.accepted) == [f"t{one}" for one in range(index + 1)]
    assert _files(results) == {"parts/runs": 1, "merged/runs": 2}
    assert _ids(results) == [f"a{index}" for index in range(7)]


def test_file_that_does_not_read_back_keeps_the_parts(
    results: Results, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(results, "w")
    writer.add("runs", [run("t", "a")])
    writer.publish()

    def cut_short(path: Path, *_: object) -> None:
        path.write_bytes(b"PAR1")

    monkeypatch.setattr(write_module, "publish_table", cut_short)
    writer.close()
    assert _files(results)["parts/runs"] == 1
    assert _ids(results) == ["a"]
    assert "differs from what was written" in caplog.text


def test_failed_merge_is_a_warning_and_loses_nothing(
    results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(results, "w")
    results.merged("runs").rmdir()
    results.merged("runs").write_text("in the way")
    writer.add("runs", [run("t", "a")])
    writer.close()
    assert "nothing is lost" in caplog.text
    results.merged("runs").unlink()
    assert _ids(results) == ["a"]


def test_rows_wait_when_publishing_fails_and_none_is_doubled(results: Results) -> None:
    writer = Writer(results, "w")
    writer.add("runs", [run("t1", "a1")])
    writer.add("evaluations", [evaluation("t1", "a1", "e1")])
    folder = results.parts("runs")
    folder.rmdir()
    folder.write_text("in the way")
    for _ in range(2):
        with pytest.raises(NotADirectoryError):
            writer.publish()
    assert writer.pending_rows == 1
    writer.add("runs", [run("t2", "a2")])
    writer.add("evaluations", [evaluation("t2", "a2", "e2")])
    with pytest.raises(NotADirectoryError):
        writer.publish()
    folder.unlink()
    folder.mkdir()
    writer.publish()
    assert writer.pending_rows == 0
    assert _files(results) == {"parts/runs": 2, "parts/evaluations": 2}
    assert _ids(results) == ["a1", "a2"]
    assert _ids(results, "evaluations") == ["a1", "a2"]


def test_failure_after_the_rename_does_not_make_a_second_file(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(results, "w")
    writer.add("runs", [run("t1", "a1")])
    fsync = os.fsync

    def fails_on_folders(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails_on_folders)
        with pytest.raises(OSError, match="Input/output"):
            writer.publish()
    assert writer.pending_rows == 1
    writer.add("runs", [run("t2", "a2")])
    writer.publish()
    assert _files(results) == {"parts/runs": 2}
    assert _ids(results) == ["a1", "a2"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small tmpfs: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_keeps_the_rows_until_there_is_room(small_disk: Path) -> None:
    results = Results(small_disk / "results")
    writer = Writer(results, "w")
    filling = small_disk / "filling"
    filling.write_bytes(b"x")
    free = os.statvfs(small_disk)
    filling.write_bytes(b"x" * (free.f_bavail * free.f_frsize))
    writer.add("runs", [run("t1", "a1"), run("t2", "a2")])
    with pytest.raises(OSError, match="No space left") as caught:
        writer.publish()
    assert caught.value.errno == errno.ENOSPC
    assert names(results.parts("runs")) == []
    assert writer.pending_rows == 2
    filling.unlink()
    writer.close()
    assert _ids(results) == ["a1", "a2"]
    assert _files(results) == {"merged/runs": 1}
