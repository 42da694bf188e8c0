"""Executor ray on a local Ray.

The contract, the same rows as inline, and deaths of its own processes.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import study_with_module
from command import (
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
from executor_contract import OFTEN, ExecutorContract, accepted_once, uncut

from sweeps.errors import InfrastructureError
from sweeps.store import Results

pytest.importorskip("ray", reason="ray is not installed")
__all__ = ["uncut"]
RAY = ("--executor", "ray")


@pytest.mark.slow
class TestRay(ExecutorContract):
    arguments = RAY


def descendants(pid: int) -> dict[int, str]:
    """All processes below `pid`, with their command lines."""
    parents, lines = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            lines[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, new = set(), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return {child: lines[child] for child in found - {pid}}


def test_rows_equal_inline_bit_for_bit(tmp_path: Path, uncut: Path) -> None:
    code, _, err = odesweep("run", LONG, *RAY, results=tmp_path / "results")
    assert code == 0, err
    assert science(tmp_path / "results") == science(uncut)


@pytest.mark.slow
def test_a_study_file_that_imports_what_stands_beside_it(tmp_path: Path) -> None:
    path = str(study_with_module.write(tmp_path / "folder"))
    code, out, err = odesweep("run", path, *RAY, results=tmp_path / "results")
    assert (code, "mine@only: 2 completed" in out) == (0, True), err


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["actor", "raylet", "driver"])
def test_a_killed_process_of_ray_costs_no_row_and_leaves_no_orphan(
    tmp_path: Path, uncut: Path, victim: str
) -> None:
    results = tmp_path / "results"
    driver = start("run", LONG, *RAY, results=results, **OFTEN)
    worker = wait_for(lambda: events(results, "checkpoint"))[0]["pid"]
    trial_process(worker)
    family = descendants(driver.pid)
    raylet = next(pid for pid, line in family.items() if "raylet/raylet" in line.split()[0])
    os.kill({"actor": worker, "raylet": raylet, "driver": driver.pid}[victim], signal.SIGKILL)
    out, err = driver.communicate(timeout=150)
    if victim == "actor":
        assert driver.returncode == 0, err
    elif victim == "raylet" and driver.returncode != 0:
        assert driver.returncode == 3, err
        assert err.strip().splitlines()[-1].startswith("odesweep: Ray"), err
    if driver.returncode == 0:
        # Actors outlive their raylet for a while; trials this short may end before anybody misses
        # it.
        assert "2 completed" in out
    assert "Traceback" not in err
    code, _, err = odesweep("run", LONG, *RAY, results=results)
    assert code == 0, err
    assert science(results) == science(uncut)
    assert accepted_once(results)
    # Ray's own agent looks for its parent every few seconds and allows it several misses.
    deadline = time.monotonic() + 90
    while orphans := {pid: line for pid, line in family.items() if running(pid)}:
        assert time.monotonic() < deadline, orphans
        time.sleep(0.2)


@pytest.mark.parametrize("verbose", [(), ("-v",)], ids=["quiet", "verbose"])
def test_a_crash_shows_its_last_frames_the_trial_and_the_log(
    tmp_path: Path, verbose: tuple[str, ...]
) -> None:
    results = tmp_path / "results"
    code, out, err = odesweep(
        "run",
        "faults",
        "model.fault=raise",
        "seed=0",
        *RAY,
        "--limit",
        "1",
        *verbose,
        results=results,
    )
    assert code == 1
    assert "RuntimeError: planted fault" in err
    assert "in forward" in err
    assert ("Traceback (most recent call last)" in err) == bool(verbose)
    [row] = runs(results)
    assert f"trial {row['trial_id']}, the whole traceback is in {Results(results).logs}" in err
    assert row["trial_id"][:12] in out
    assert "odesweep logs" in out


def test_a_profile_gives_a_slot_its_cpus_and_a_wrong_one_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text("cpus = 2\nslots = 1\ntrials_per_shard = 3\n")
    code, _, err = odesweep(
        "run", TINY, *RAY, "--profile", str(tmp_path / "two.toml"), results=tmp_path / "results"
    )
    assert code == 0, err
    assert {row["cpu_threads"] for row in runs(tmp_path / "results")} == {2}
    (tmp_path / "wrong.toml").write_text("cpu = 2\n")
    code, _, err = odesweep(
        "run", TINY, *RAY, "--profile", str(tmp_path / "wrong.toml"), results=tmp_path / "results"
    )
    assert code == 2
    assert "trials_per_shard" in err
    assert len(err.strip().splitlines()) == 1


def test_an_address_without_a_cluster_is_one_line(tmp_path: Path) -> None:
    code, _, err = odesweep(
        "run", TINY, *RAY, "--address", "127.0.0.1:1", results=tmp_path / "results"
    )
    assert code == 3
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1].startswith("odesweep: ")


@pytest.mark.slow
def test_on_a_running_cluster_with_a_token_it_leaves_the_cluster_running(tmp_path: Path) -> None:
    # Sockets below the folder may have 107 characters, so it is not pytest's.
    folder = Path(tempfile.mkdtemp(prefix="rt-"))
    token = {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    port = free_port()
    flags = (
        "--head",
        f"--port={port}",
        "--num-cpus=2",
        "--include-dashboard=false",
        f"--temp-dir={folder}",
        "--disable-usage-stats",
    )
    ray = Path(sys.executable).with_name("ray")
    subprocess.run(
        [ray, "start", *flags],
        env=os.environ | token | {"RAY_AUTH_MODE": "token"},
        check=True,
        capture_output=True,
        timeout=100,
    )
    cluster = [
        int(p.name)
        for p in Path("/proc").glob("[0-9]*")
        if running(int(p.name)) and str(folder) in (p / "cmdline").read_text()
    ]
    try:
        code, out, err = odesweep(
            "run",
            TINY,
            *RAY,
            "--address",
            f"127.0.0.1:{port}",
            results=tmp_path / "results",
            **token,
        )
        assert code == 0, err
        assert "4 completed" in out
        assert cluster
        assert all(running(pid) for pid in cluster), "a cluster that is not ours was stopped"
    finally:
        for pid in cluster:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_long_temporary_folder_and_another_cluster_in_the_environment(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    before = set(Path("/tmp").glob("odesweep-*-*"))
    code, out, err = odesweep(
        "run",
        "idle",
        "data.draw=0",
        *RAY,
        results=tmp_path / "r",
        TMPDIR=str(long),
        RAY_ADDRESS="127.0.0.1:1",
    )
    assert code == 0, err
    assert "10 completed" in out
    assert "RAY_ADDRESS = 127.0.0.1:1 is ignored; --address auto uses it" in err
    assert set(Path("/tmp").glob("odesweep-*-*")) <= before


def test_no_short_temporary_folder_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from sweeps.execute import ray_tune

    monkeypatch.setattr(ray_tune, "temporary_places", lambda: ("/proc/none", "/proc"))
    with pytest.raises(InfrastructureError, match=r"set TMPDIR to one whose path has at most 15"):
        ray_tune.short_folder()
