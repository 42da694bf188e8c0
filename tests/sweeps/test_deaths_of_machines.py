"""Faults of machines and disks: wrong clocks, stale handles, moved folders, suspended workers.

Each leaves one accepted row per trial, bit for bit that of an uninterrupted run.
"""

import contextlib
import grp
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import (
    COMMAND,
    LONG,
    TINY,
    events,
    odesweep,
    running,
    runs,
    science,
    start,
    trial_process,
    wait_for,
)
from executor_contract import OFTEN, accepted_once
from small_disk import fill, mounted

from sweeps.store import Results

pytestmark = pytest.mark.slow
CUT = ("run", LONG, "solver=euler")
SHORT = OFTEN | {"ODESWEEP_HEARTBEAT_SECONDS": "0.2", "ODESWEEP_CLAIM_SECONDS": "3"}
# A namespace of mounts and processes: whatever was started there ends with it.
ALONE = ("unshare", "-m", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ...]]:
    """What CUT gives without a fault."""
    results = tmp_path_factory.mktemp("whole") / "results"
    assert odesweep(*CUT, results=results)[0] == 0
    return science(results)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ...]]:
    """What TINY gives without a fault."""
    results = tmp_path_factory.mktemp("tiny") / "results"
    assert odesweep("run", TINY, results=results)[0] == 0
    return science(results)


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process whose machine has faults; skips without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("faulty") / "faulty.so"
    source = Path(__file__).with_name("faulty_system.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread"],
        check=True,
    )
    return {"LD_PRELOAD": str(library)}


def status(results: Path, **environment: str) -> dict[str, Any]:
    code, out, err = odesweep("status", "long", "--json", results=results, **environment)
    assert code == 0, err
    return json.loads(out)[0]


@pytest.mark.parametrize("hours", [-1, 1], ids=["behind", "ahead"])
def test_the_clock_of_one_node_is_an_hour_wrong(
    tmp_path: Path,
    whole: dict[str, tuple[Any, ...]],
    faulty: dict[str, str],
    hours: int,
) -> None:
    results = tmp_path / "results"
    wrong = faulty | {"FAULTY_CLOCK": str(3600 * hours), "FAULTY_NAME": "elsewhere"}
    node = start(*CUT, results=results, **SHORT, **wrong)
    wait_for(lambda: events(results, "checkpoint"))
    os.kill(node.pid, signal.SIGSTOP)
    os.kill(trial_process(node.pid), signal.SIGSTOP)
    short = {"ODESWEEP_CLAIM_SECONDS": "3"}
    began = time.time()
    seen = status(results, ODESWEEP_CLAIM_SECONDS="60")
    assert seen["running"] == 1, "it works, and its machine says so"
    assert all(abs(one["at"] - began) < 60 for one in events(results))
    node.kill()
    node.communicate()
    wait_for(lambda: time.time() - max(one["at"] for one in events(results)) > 3)
    assert status(results, **short)["running"] == 0, "it is known to be gone at once, not later"
    code, _, err = odesweep(*CUT, results=results, **short)
    assert code == 0, err
    assert science(results) == whole
    assert accepted_once(results)
    assert events(results, "started")[-1]["resume_iteration"] > 0


def test_a_worker_that_was_suspended_goes_on_after_another_finished_its_trial(
    tmp_path: Path, whole: dict[str, tuple[Any, ...]]
) -> None:
    results = tmp_path / "results"
    patience = SHORT | {"ODESWEEP_STALL_SECONDS": "6"}
    first = start(*CUT, results=results, **patience)
    wait_for(lambda: events(results, "checkpoint"))
    both = (first.pid, trial_process(first.pid))
    for pid in both:
        os.kill(pid, signal.SIGSTOP)
    stopped_at = time.monotonic()
    # Once its claim is over, another takes the trial from its last checkpoint.
    wait_for(lambda: time.monotonic() - stopped_at > 3)
    code, _, err = odesweep(*CUT, results=results, **patience)
    assert code == 0, err
    wait_for(lambda: time.monotonic() - stopped_at > 8)
    for pid in both:
        os.kill(pid, signal.SIGCONT)
    _, err = first.communicate(timeout=100)
    assert first.returncode == 0, err
    assert {row["outcome"] for row in runs(results)} == {"completed"}, "no silence of its own"
    assert len(events(results, "started")) == 2
    assert science(results) == whole
    assert accepted_once(results)


def test_a_handle_that_is_stale_in_the_middle_of_a_read_is_opened_again(
    tmp_path: Path, tiny: dict[str, tuple[Any, ...]], faulty: dict[str, str]
) -> None:
    results = tmp_path / "results"
    stale = faulty | {"FAULTY_STALE": str(tmp_path)}
    assert odesweep("run", TINY, "--limit", "2", results=results, **stale)[0] == 0
    assert odesweep("compact", results=results)[0] == 0
    code, out, err = odesweep("run", TINY, results=results, **stale)
    assert code == 0, err
    assert "2 to train" in err
    assert "skipped" not in err + out
    assert len(runs(results)) == 4
    assert science(results) == tiny
    code, out, err = odesweep("status", TINY, results=results, **stale)
    assert "4 of 4 trials done" in out, err
    assert "skipped" not in err


def test_a_results_folder_that_is_copied_and_moved_between_two_runs(
    tmp_path: Path, whole: dict[str, tuple[Any, ...]]
) -> None:
    results = tmp_path / "results"
    driver = start(*CUT, results=results, **OFTEN)
    wait_for(lambda: events(results, "checkpoint"))
    child = trial_process(driver.pid)
    driver.kill()
    driver.communicate()
    wait_for(lambda: not running(child), 10)
    alone, moved = tmp_path / "alone", tmp_path / "elsewhere" / "moved"
    shutil.copytree(results, alone)
    moved.parent.mkdir()
    results.rename(moved)
    Results(results).state.rename(Results(moved).state)
    for folder, resumes in ((alone, False), (moved, True)):
        code, _, err = odesweep(*CUT, results=folder)
        assert code == 0, err
        assert science(folder) == whole
        assert accepted_once(folder)
        assert (events(folder, "started")[-1]["resume_iteration"] > 0) == resumes
        code, out, _ = odesweep(*CUT, results=folder)
        assert "nothing to do; 1 completed" in out
    assert not results.exists()
    assert not Results(results).state.exists()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A results folder of a group, as an administrator makes it, where two users can reach it."""
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("only root can be two users, with setpriv")
    place = Path(tempfile.mkdtemp(prefix="odesweep-shared-"))
    place.chmod(0o777)
    results = place / "results"
    results.mkdir()
    os.chown(results, 0, grp.getgrnam("users").gr_gid)
    results.chmod(0o2770)
    yield results
    shutil.rmtree(place)


def as_user(name: str, *arguments: str, results: Path, **environment: str) -> subprocess.Popen[str]:
    """The command, run by a user who is in the group `users`, with the usual umask of 022.

    He may read this checkout, wherever it is, and write only what is his or his group's.
    """
    capability = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    group = str(grp.getgrnam("users").gr_gid)
    user = ("setpriv", f"--reuid={name}", "--regid=nogroup", f"--groups={group}", *capability)
    shell = ("sh", "-c", 'umask 022; exec "$@" --results "$0"', str(results))
    return subprocess.Popen(
        [*shell, *user, *COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HOME": "/nonexistent"} | environment,
    )


def test_the_second_user_of_a_shared_folder_resumes_what_the_first_began(
    shared: Path, whole: dict[str, tuple[Any, ...]]
) -> None:
    first = as_user("daemon", *CUT, results=shared, **OFTEN)
    wait_for(lambda: first.poll() is not None or events(shared, "checkpoint"))
    first.terminate()
    _, err = first.communicate(timeout=60)
    assert "Traceback" not in err
    assert first.returncode == 1, err
    second = as_user("nobody", *CUT, results=shared)
    _, err = second.communicate(timeout=100)
    assert second.returncode == 0, err
    assert events(shared, "started")[-1]["resume_iteration"] > 0
    assert science(shared) == whole
    assert accepted_once(shared)
    compacted = as_user("daemon", "compact", results=shared)
    _, err = compacted.communicate(timeout=60)
    assert compacted.returncode == 0, err
    for path in (*shared.rglob("*"), *Results(shared).state.rglob("*")):
        mode, group = path.stat().st_mode, path.stat().st_gid
        assert group == grp.getgrnam("users").gr_gid, path
        assert mode & 0o020 or path.is_file(), path
        assert mode & 0o040, path


def test_a_shared_folder_without_rights_for_the_group_is_one_line(shared: Path) -> None:
    shared.chmod(0o2750)
    process = as_user("nobody", *CUT, results=shared)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 3
    assert len(err.strip().splitlines()) == 1
    assert "Permission denied" in err


@contextlib.contextmanager
def full(folder: Path) -> Iterator[Path]:
    with mounted(folder, "size=64k") as disk:
        fill(disk / "full")
        yield disk


def test_without_a_home_and_with_a_full_temporary_folder(
    tmp_path: Path, tiny: dict[str, tuple[Any, ...]]
) -> None:
    results = tmp_path / "results"
    with full(tmp_path / "tmp") as disk:
        # Not even root can write in /proc.
        nowhere = {"HOME": "/proc", "TMPDIR": str(disk), "XDG_CACHE_HOME": "/proc/none"}
        code, _, err = odesweep("run", TINY, results=results, **nowhere)
        assert code == 0, err
        assert "Traceback" not in err
        assert science(results) == tiny
        assert accepted_once(results)
        where = ("--results", str(results), "--out", str(tmp_path / "figures"))
        report = subprocess.run(
            [sys.executable, "-c", "from analysis.cli import main; main()", "plot", TINY, *where],
            env=os.environ | nowhere,
            capture_output=True,
            text=True,
        )
        assert report.returncode == 0, report.stderr
        assert "Traceback" not in report.stderr


@pytest.mark.timeout(900)
def test_ray_with_a_full_tmp_and_a_small_shared_memory(tiny: dict[str, tuple[Any, ...]]) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("only root can mount, with unshare")
    place = Path(tempfile.mkdtemp(prefix="odesweep-ray-", dir="/var/tmp"))
    results = place / "results"
    script = (
        "mount --make-rprivate / && mount -t tmpfs -o size=16m none /dev/shm && "
        "mount -t tmpfs -o size=64k none /tmp && "
        '{ head -c 1m /dev/zero > /tmp/full; exec "$@"; }'
    )
    run = ("run", TINY, "--limit", "1", "--executor", "ray", "--results", str(results))
    try:
        done = subprocess.run(
            [*ALONE, "sh", "-c", script, "sh", *COMMAND, *run],
            env={name: value for name, value in os.environ.items() if name != "TMPDIR"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert "1 completed" in done.stdout
        assert science(results).items() <= tiny.items()
    finally:
        shutil.rmtree(place)
