"""`odesweep doctor` in real situations.

Small, full and read-only file systems, files in the way, broken installations, missing data.
"""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from command import odesweep

from odecore.config.data import IMAGE_SETS
from sweeps import doctor
from sweeps.doctor import Finding, Level, Situation, folder, software, studies, writing
from sweeps.doctor.finding import Needed, TorchProbe
from sweeps.planning.forecast import Size
from sweeps.store import Results


def one(findings: Iterable[Finding]) -> Finding:
    [finding] = findings
    return finding


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    return {finding.name: finding.level for finding in findings}


FOLDER_CHECKS = """
import json, pathlib, sys
from dataclasses import asdict
from sweeps.doctor import Situation, folder, writing
situation = Situation(pathlib.Path(sys.argv[1]), None)
checks = (folder.file_system, folder.space, folder.same_file_system, writing.works)
found = [f for check in checks for f in check(situation)]
print(json.dumps({f.name: asdict(f) for f in found}))
"""


def in_tmpfs(
    tmp_path: Path, options: str, results: str, before: str = "true"
) -> dict[str, dict[str, str]]:
    """The folder's checks with a file system in memory of our own at tmp_path/mounted.

    Skips where mounting is not allowed.
    """
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    command = (
        f'mount -t tmpfs -o {options} none "$0" || exit 99; cd "$0"; {before}; exec "$1" -c "$2" '
        '"$3"'
    )
    done = subprocess.run(
        [
            "unshare",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            command,
            str(mounted),
            sys.executable,
            FOLDER_CHECKS,
            str(mounted / results),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"no file system of one's own can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_small_file_system_in_memory_is_warned_about_twice(tmp_path: Path) -> None:
    found = in_tmpfs(tmp_path, "size=8m,nr_inodes=1000", "results")
    assert {name for name, one in found.items() if one["level"] == "warning"} == {"results", "disk"}
    assert "tmpfs" in found["results"]["text"]
    assert "lost when the machine restarts" in found["results"]["text"]
    assert "999 files free" in found["disk"]["text"]
    assert {found[name]["level"] for name in ("rename", "link", "append", "clock")} == {"ok"}


def test_a_full_file_system_fails_with_the_systems_words(tmp_path: Path) -> None:
    found = in_tmpfs(
        tmp_path, "size=1m", "results", before="head -c 2000000 /dev/zero > fill 2> /dev/null"
    )
    assert found["rename"]["level"] == "error"
    assert "No space left on device" in found["rename"]["text"]


def test_a_read_only_file_system_cannot_be_written(tmp_path: Path) -> None:
    found = in_tmpfs(tmp_path, "ro", "results")
    assert found["write"]["level"] == "error"
    assert "Read-only file system" in found["write"]["text"]
    assert "rename" not in found


def test_a_results_folder_that_is_a_mount_point_has_its_state_elsewhere(tmp_path: Path) -> None:
    found = in_tmpfs(tmp_path, "size=8m", "")
    assert found["state"]["level"] == "warning"
    assert "a folder inside it" in found["state"]["remedy"]


def test_checks_of_the_folder_leave_nothing_behind_and_make_nothing(tmp_path: Path) -> None:
    situation = Situation(tmp_path / "new" / "results", None)
    found = levels(writing.works(situation))
    assert found == dict.fromkeys(("rename", "link", "append", "clock"), Level.OK)
    assert "does not exist yet" in one(folder.file_system(situation)).text
    assert one(folder.same_file_system(situation)).level is Level.OK
    assert list(tmp_path.iterdir()) == []


def test_files_in_the_way_are_errors(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    (tmp_path / "results.state").write_text("")
    for results in (tmp_path / "results", tmp_path / "results" / "below"):
        assert one(writing.works(Situation(results, None))).level is Level.ERROR
    state = one(folder.same_file_system(Situation(tmp_path / "results", None)))
    assert state.level is Level.ERROR
    assert "results.state is not a folder" in state.text


def test_a_file_system_without_hard_links_is_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    found = {finding.name: finding for finding in writing.works(Situation(tmp_path, None))}
    assert found["link"].level is Level.WARNING
    assert "Operation not permitted" in found["link"].text
    assert found["append"].level is Level.OK


def test_only_old_unfinished_files_are_leftovers(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    results.create()
    situation = Situation(results.path, None)
    (results.weights / ".being-written.tmp").write_text("")
    (results.weights / "finished.safetensors").write_text("")
    assert one(folder.leftovers(situation)).level is Level.OK
    days_ago = time.time() - 2 * 24 * 3600
    for place in (results.parts("runs"), results.merged("evaluations"), results.plans):
        old = place / ".killed.tmp"
        old.write_text("")
        os.utime(old, (days_ago, days_ago))
    found = one(folder.leftovers(situation))
    assert found.level is Level.WARNING
    assert found.text.startswith("3 ")


def test_the_innermost_mount_point_counts(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    # The first is hidden by the last; /scratch2 only begins like /scratch.
    mounts = (
        "/dev/sda / ext4 rw 0 0",
        "x /scratch tmpfs rw 0 0",
        r"fs:/a /scratch/my\040disk nfs4 rw 0 0",
        "fs:/b /scratch lustre rw 0 0",
    )
    table.write_text("\n".join(mounts) + "\n")
    kinds = {
        path: folder.mounted(Path(path), table)[0]
        for path in ("/home", "/scratch/me", "/scratch/my disk/results", "/scratch2/me")
    }
    assert kinds == {
        "/home": "ext4",
        "/scratch/me": "lustre",
        "/scratch/my disk/results": "nfs4",
        "/scratch2/me": "ext4",
    }


@pytest.mark.parametrize(
    ("skew", "level", "words"),
    [(0, "ok", "agree"), (-60, "warning", "60 s behind"), (3600, "warning", "3600 s ahead of")],
)
def test_a_file_system_with_another_clock(skew: int, level: str, words: str) -> None:
    found = writing.compare_clocks(1000.0 + skew, 1000.0, 1000.0)
    assert found.level == level
    assert words in found.text


def broken_torchvision(folder: Path) -> str:
    """A PYTHONPATH with it and with an empty torch, which imports faster than the real one."""
    (folder / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    (folder / "torch.py").write_text("")
    return str(folder)


def test_torchvision_that_does_not_fit_torch_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", broken_torchvision(tmp_path))
    # On a machine from which jobs are submitted, torch is not imported.
    monkeypatch.setenv("PATH", "/nonexistent")
    found = one(software.torch_imports(Situation(tmp_path, None)))
    assert found.level is Level.ERROR
    assert "torchvision::nms does not exist" in found.text
    assert TorchProbe(seconds=0.0).answer() == (None, "no answer within 0 s")


def test_what_is_not_installed_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        software,
        "version",
        lambda package: None if package in ("ray", "torch", "pyarrow") else "1.0",
    )
    found = {finding.name: finding for finding in software.versions(Situation(tmp_path, None))}
    assert {name: finding.level for name, finding in found.items()} == {
        "versions": Level.OK,
        "pyarrow": Level.ERROR,
        "torch": Level.WARNING,
        "ray": Level.WARNING,
    }
    assert found["torch"].remedy == "pip install 'odesweep[train]'"
    assert found["ray"].remedy == "pip install 'odesweep[ray]'"


def test_data_that_is_there_and_data_that_is_not(tmp_path: Path) -> None:
    without_root = {
        finding.name: finding for finding in studies.data_sets(Situation(tmp_path, None))
    }
    assert without_root["data mnist"].level is Level.WARNING
    assert "no data folder is given; needed by " in without_root["data mnist"].text
    for name in IMAGE_SETS["mnist"].files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert levels(studies.data_sets(Situation(tmp_path, tmp_path)))["data mnist"] is Level.OK
    (tmp_path / IMAGE_SETS["mnist"].files[2]).unlink()
    of_one = Needed("my_study@full", Size(0, 0), frozenset({"mnist"}))
    named = studies.data_sets(Situation(tmp_path, tmp_path, needed=of_one))
    assert [finding.name for finding in named] == ["data mnist"]
    found = {finding.name: finding for finding in studies.data_sets(Situation(tmp_path, tmp_path))}
    assert IMAGE_SETS["mnist"].files[2] in found["data mnist"].text


def test_a_check_that_cannot_look_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_space(_situation: Situation) -> Iterable[Finding]:
        raise PermissionError(errno.EACCES, "Permission denied", "/secret")

    monkeypatch.setattr(doctor, "CHECKS", (disk_space, folder.space))
    first, second = doctor.examine(tmp_path, None)
    assert (first.level, first.name) == (Level.ERROR, "disk space")
    assert "/secret" in first.text
    assert second.name == "disk"
    assert Finding(Level.ERROR, "x", "two\nlines", "one\nremedy").text == "two lines"


def test_the_command_says_one_line_each_and_ends_with_0_or_3(tmp_path: Path) -> None:
    code, out, err = odesweep("doctor", results=tmp_path / "results", ODESWEEP_DATA="")
    assert code == 0, out + err
    lines = out.splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "warning"}
    assert any(line.startswith("ok      torch ") for line in lines)
    assert any(line.startswith("warning data mnist ") and "--data-root" in line for line in lines)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "file").write_text("")
    code, out, err = odesweep(
        "doctor",
        "--json",
        results=tmp_path / "file" / "results",
        PYTHONPATH=broken_torchvision(tmp_path),
        PATH="/nonexistent",
    )
    assert code == 3, err
    findings = json.loads(out)
    assert [finding["name"] for finding in findings if finding["level"] == "error"] == [
        "write",
        "torch",
    ]
    assert all(finding.keys() == {"level", "name", "text", "remedy"} for finding in findings)
    assert all(bool(finding["remedy"]) == (finding["level"] != "ok") for finding in findings)
