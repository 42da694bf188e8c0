"""What doctor reads of quotas: texts in the form of each tool, and stand-ins for the tools."""

import os
import time
from pathlib import Path
from typing import Literal

import pytest
from command import TINY, odesweep

from sweeps.cli.doctor import needed as needed_by
from sweeps.doctor import Finding, Level, Needed, Situation, quota
from sweeps.doctor.probe import mounted, source
from sweeps.doctor.quota import (
    Limit,
    least,
    parse_beegfs,
    parse_blocks,
    parse_lfs,
    parse_mmlsquota,
)
from sweeps.planning.forecast import Size
from sweeps.profiles import Profile

LFS = """\
Disk quotas for usr me (uid 1001):
     Filesystem  kbytes   quota   limit   grace   files   quota   limit   grace
/lustre/scratch/a/long/name
                1000000  2000000 3000000       -    900*    800    1000   6d23h
uid 1001 is using default file quota setting
Disk quotas for grp us (gid 2002):
     Filesystem  kbytes   quota   limit   grace   files   quota   limit   grace
        /lustre [1500000]      0 1800000       -     900       0       0       -
"""
QUOTA = """\
Disk quotas for user me (uid 1001):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
server:/home 250000 500000 600000 0 10 0 0 0
  /dev/sdb1 1 2 3 0 4 5 6 0
Disk quotas for group us (gid 2002): none
"""
MMLSQUOTA = """\
mmlsquota::HEADER:version:reserved:reserved:filesystemName:quotaType:id:name:blockUsage:\
blockQuota:blockLimit:blockInDoubt:blockGrace:filesUsage:filesQuota:filesLimit:filesInDoubt:\
filesGrace:remarks:quota:defQuota:fid:filesetname:
mmlsquota::0:1:::gpfs01:USR:1001:me:1048576:2097152:3145728:0:none:1234:100000:120000:0:none:\
:on:off:::
mmlsquota::0:1:::home%2Ffs:USR:1001:me:1:0:0:0:none:1:0:0:0:none::on:off:::
"""
BEEGFS = """\
Quota information for storage pool Default (ID: 1):
name,id,size,hard,files,hard
me,1001,1000000000,3000000000,10,unlimited
"""
KIB = 1024


def test_every_form_is_read() -> None:
    assert parse_lfs(LFS) == [
        Limit("", 1_000_000 * KIB, 0),
        Limit("", 300_000 * KIB, None),
    ]
    assert parse_blocks(QUOTA) == [
        Limit("server:/home", 250_000 * KIB, None),
        Limit("/dev/sdb1", 1 * KIB, 1),
    ]
    assert parse_mmlsquota(MMLSQUOTA) == [
        Limit("gpfs01", 1_048_576 * KIB, 98_766),
        Limit("home/fs", None, None),
    ]
    assert parse_beegfs(BEEGFS) == [Limit("", 2_000_000_000, None)]
    assert least(parse_lfs(LFS)) == Limit("", 300_000 * KIB, 0)


@pytest.mark.parametrize("parse", [parse_lfs, parse_blocks, parse_mmlsquota, parse_beegfs])
def test_what_is_no_answer_says_nothing(parse: quota.Tool) -> None:
    for text in ("", "quota: command failed\n", "a b c d e f g h i\n", "x,y,z,1,2,3\n" * 3, "\x00"):
        assert parse(text) == []  # type: ignore[call-arg, arg-type]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def stand_in(folder: Path, name: str, text: str, code: int = 0) -> None:
    """A tool that prints this and notes how it was called."""
    path = folder / name
    path.write_text(
        f'#!/bin/sh\necho "$@" > {folder}/{name}.called\n/bin/cat <<"END"\n{text}END\nexit {code}\n'
    )
    path.chmod(0o755)


def look(path: Path, size: Size | None = None) -> list[Finding]:
    needed = Needed("tiny@paper", size) if size else None
    return list(quota.quota(Situation(path, None, needed=needed)))


def test_slots_that_a_task_measures_count_at_their_most(tmp_path: Path) -> None:
    def size(slots: int | Literal["auto"]) -> Size:
        profile = Profile(slots=slots, cpus=4, throttle=1, options={"time": "01:00:00"})
        return needed_by("gladzik2019/d3", "small", tmp_path, profile).size

    assert size(1).bytes < size(4).bytes
    assert size(4) == size("auto")


def test_without_tools_and_without_study_there_is_nothing_to_say(
    tmp_path: Path, tools: Path
) -> None:
    assert tools.is_dir()
    assert look(tmp_path) == []
    [found] = look(tmp_path, Size(2_000_000, 7))
    assert (found.level, found.text) == (
        Level.OK,
        "no quota is known here; tiny@paper may take 2.0 MB and 7 files",
    )


@pytest.mark.parametrize(
    ("name", "text", "left", "called"),
    [
        ("beegfs-ctl", BEEGFS, "2.0 GB", f"--getquota --uid {os.getuid()} --csv --mount="),
        ("lfs", LFS.replace("900*", "90"), "307.2 MB and 710 files", "quota /"),
        ("mmlsquota", MMLSQUOTA, "1.1 GB and 98,766 files", "-Y"),
        ("quota", QUOTA, "256.0 MB", "-u -g -w -p"),
    ],
)
def test_what_is_left_against_what_a_study_needs(
    tmp_path: Path,
    tools: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    left: str,
    called: str,
) -> None:
    device = {"mmlsquota": "/dev/gpfs01", "quota": "server:/home"}.get(name, source(tmp_path))
    monkeypatch.setattr(quota, "source", lambda _path: device)
    stand_in(tools, name, text)
    [found] = look(tmp_path, Size(1_000_000, 50))
    assert (found.level, found.name) == (Level.OK, "quota")
    assert found.text == f"{name}: {left} left; tiny@paper may take 1.0 MB and 50 files"
    assert (tools / f"{name}.called").read_text().startswith(called)
    [found] = look(tmp_path, Size(10**12, 50))
    assert found.level is Level.WARNING
    assert "--keep-weights" in found.remedy
    [found] = look(tmp_path)
    assert found.text == f"{name}: {left} left"


def test_a_quota_of_another_file_system_does_not_count(tmp_path: Path, tools: Path) -> None:
    stand_in(tools, "quota", QUOTA)
    stand_in(tools, "mmlsquota", MMLSQUOTA)
    assert [found.text for found in look(tmp_path)] == ["no quota is known here"]


def test_somebody_above_a_quota_is_warned_although_the_tool_fails(
    tmp_path: Path, tools: Path
) -> None:
    mount = mounted(tmp_path)[1]
    stand_in(tools, "quota", QUOTA.replace("server:/home 250000", f"{mount} 700000*"), code=1)
    [found] = look(tmp_path)
    assert (found.level, found.text) == (Level.WARNING, "quota: 0 bytes left")


def test_tools_that_hang_or_print_nonsense_never_fail_and_take_bounded_time(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "SECONDS", 0.5)
    (tools / "lfs").write_text("#!/bin/sh\n/bin/sleep 60\n")
    (tools / "mmlsquota").write_text("#!/bin/sh\n/bin/sleep 60 & wait\n")
    (tools / "quota").write_bytes(b"#!/bin/sh\n/bin/echo '\xff\xfe 1 2'\n")
    (tools / "beegfs-ctl").write_text("#!/nonexistent/interpreter\n")
    for path in tools.iterdir():
        path.chmod(0o755)
    start = time.monotonic()
    [found] = look(tmp_path)
    assert time.monotonic() - start < 10.0
    assert (found.level, found.text) == (
        Level.OK,
        "lfs and mmlsquota did not answer within 0.5 s",
    )


@pytest.mark.parametrize(
    ("path", "scratch", "level"),
    [
        ("/scratch/me/results", None, "warning"),
        ("/lustre/scratch2/me/results", None, "warning"),
        ("/fast/me/results", "/fast/me", "warning"),
        ("/fast/me/results", "/elsewhere", None),
        ("/home/me/results", None, None),
    ],
)
def test_a_disk_that_may_be_purged_is_warned_about(
    monkeypatch: pytest.MonkeyPatch, path: str, scratch: str | None, level: str | None
) -> None:
    monkeypatch.delenv("SCRATCH", raising=False)
    if scratch:
        monkeypatch.setenv("SCRATCH", scratch)
    found = list(quota.purged(Situation(Path(path), None)))
    assert [one.level for one in found] == ([level] if level else [])


def test_the_command_compares_a_study_with_a_quota(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    stand_in(tools, "lfs", LFS)
    both = TINY.replace(":tiny", ":both")
    path = f"{tools}:{os.environ['PATH']}"
    out = odesweep("doctor", both, results=tmp_path / "results", PATH=path)[1]
    [line] = [line for line in out.splitlines() if " quota " in line]
    assert line.startswith("warning quota ")
    assert "lfs: 307.2 MB and 0 files left; both@paper may take " in line
    code, _, err = odesweep("doctor", "nope", results=tmp_path / "results")
    assert (code, "no study 'nope'" in err) == (2, True)
