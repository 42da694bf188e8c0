import errno
import os
from pathlib import Path

import pytest
from store_rows import names

from sweeps.errors import InfrastructureError, UserError
from sweeps.store import TABLES, Results, list_folder, publish_bytes
from sweeps.store.files import read_bytes
from sweeps.store.folders import check_name, file_stem


def _refusing(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("times", [1, 3, 4])
def test_a_stale_handle_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    (tmp_path / "a").write_bytes(b"content")
    open_, stale = Path.open, [_refusing(errno.ESTALE)] * times

    def opened(path: Path, mode: str) -> object:
        if stale:
            raise stale.pop()
        return open_(path, mode)

    monkeypatch.setattr(Path, "open", opened)
    if times > 3:
        with pytest.raises(OSError, match="Stale"):
            read_bytes(tmp_path / "a")
    else:
        assert read_bytes(tmp_path / "a", 3) == b"tent"


def test_published_file_is_whole_and_alone(tmp_path: Path) -> None:
    publish_bytes(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert names(tmp_path) == ["a"]


def test_same_content_again_is_success_other_content_is_refused_unless_replaced(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a"
    publish_bytes(path, b"one")
    before = path.stat().st_ino
    publish_bytes(path, b"one")
    assert path.stat().st_ino == before
    with pytest.raises(FileExistsError):
        publish_bytes(path, b"two")
    assert path.read_bytes() == b"one"
    publish_bytes(path, b"two", replace=True)
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object) -> None:
        raise _refusing(errno.ENOSPC)

    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "rename")), fail)
    with pytest.raises(OSError, match="No space left"):
        publish_bytes(tmp_path / "a", b"one")
    assert names(tmp_path) == []


def test_rename_whose_reply_was_lost_is_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def renamed_but_told_otherwise(self: Path, target: Path) -> Path:
        rename(self, target)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(Path, "rename", renamed_but_told_otherwise)
    publish_bytes(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"


def test_source_that_really_vanished_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanished(self: Path, target: Path) -> Path:
        self.unlink()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(Path, "rename", vanished)
    with pytest.raises(FileNotFoundError):
        publish_bytes(tmp_path / "a", b"one")


def test_file_system_without_fsync_of_folders_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def only_files(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise _refusing(errno.EINVAL)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    publish_bytes(tmp_path / "a", b"one")
    assert (tmp_path / "a").exists()


def test_listing_is_sorted_hides_what_is_being_written_and_takes_a_missing_folder_as_empty(
    tmp_path: Path,
) -> None:
    for name in ("b", "a", ".0123.tmp"):
        (tmp_path / name).touch()
    assert list_folder(tmp_path) == ["a", "b"]
    assert list_folder(tmp_path / "missing") == []


def test_layout(tmp_path: Path) -> None:
    results = Results(tmp_path / "demo" / "results")
    assert not results.path.exists()
    results.create()
    results.create()
    made = {
        str(folder.relative_to(tmp_path / "demo"))
        for folder in (tmp_path / "demo").rglob("*")
        if folder.is_dir()
    }
    tables = {f"results/{kind}/{table}" for kind in ("parts", "merged") for table in TABLES}
    others = {
        f"results/{name}"
        for name in ("weights", "plans", "events", "submissions", "retractions", "logs")
    }
    assert made == tables | others | {
        "results",
        "results/parts",
        "results/merged",
        "results.state",
        "results.state/checkpoints",
    }
    assert results.checkpoints == tmp_path / "demo" / "results.state" / "checkpoints"


def test_results_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(
        InfrastructureError,
        match=r"^cannot make the results folder .*; make room or repair it, or give another folder "
        r"with --results$",
    ):
        Results(tmp_path / "results").create()


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("demo", "demo"),
        ("ott2021/sphere2-fixed@small+0a1b2c3d", "ott2021--sphere2-fixed@small+0a1b2c3d"),
    ],
)
def test_names_become_file_stems(name: str, stem: str) -> None:
    assert file_stem(name) == stem


BAD = [
    "",
    ".",
    "..",
    "../x",
    "a/../b",
    "/etc/passwd",
    "a//b",
    "a/",
    ".hidden",
    "a/.b",
    "a\\b",
    "a b",
    "a\0b",
    "a\n",
    "ü",
    "a--b",
    "x" * 181,
]


@pytest.mark.parametrize("name", BAD)
def test_names_that_could_leave_the_folder_or_clash_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(UserError, match="is not a valid name") as caught:
        file_stem(name)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a/b", *[name for name in BAD if name != "a--b"]])
def test_worker_names_are_one_part(name: str) -> None:
    with pytest.raises(UserError, match="is not a valid name"):
        check_name(name)


def test_worker_names_may_hold_what_hosts_and_jobs_hold() -> None:
    assert check_name("node-07.cluster--4711_3+0") == "node-07.cluster--4711_3+0"
