"""Deaths of `run` commands, shared folders, and trials that never start again.

What holds for every executor is in executor_contract.py.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from command import LONG, events, odesweep, running, runs, science, start, trial_process, wait_for
from executor_contract import OFTEN, accepted_once, uncut

from sweeps.errors import UserError
from sweeps.execute.worker import on_this_node
from sweeps.store import Results, accepted_runs

__all__ = ["uncut"]


# A profile for a run in this process, which takes none.
WITH_NODE_DISK = """
import sweeps.profiles
sweeps.profiles.load = lambda _name: sweeps.profiles.Profile(checkpoint_dir="$NODE_DISK/x")
from sweeps.cli import main
main()
"""


@pytest.mark.slow
def test_checkpoints_on_a_disk_of_the_node_come_to_the_results_when_told_to_stop(
    tmp_path: Path, uncut: Path
) -> None:
    results, local = tmp_path / "results", tmp_path / "local"
    command = [sys.executable, "-c", WITH_NODE_DISK, "run", LONG, "--results", str(results)]
    given = {**os.environ, **OFTEN, "NODE_DISK": str(local)}
    driver = subprocess.Popen(command, env=given)
    before = wait_for(lambda: events(results, "checkpoint"))[-1]
    # A process that dies goes on from the disk of its node.
    os.kill(trial_process(driver.pid), signal.SIGKILL)
    resumed = wait_for(lambda: events(results, "started")[1:])[0]
    assert resumed["resume_iteration"] >= before["iteration"]
    wait_for(lambda: events(results, "checkpoint")[-1]["iteration"] > before["iteration"])
    shared = Results(results).checkpoints
    assert not list(shared.glob("*/*/*.pt"))
    assert list(local.glob("x/*/*/*/*.pt"))
    driver.send_signal(signal.SIGTERM)
    driver.wait(timeout=60)
    [interrupted] = events(results, "interrupted")
    assert list(shared.glob(f"{before['trial_id']}/*/{interrupted['iteration']:012d}-*.pt"))
    # Another node, on which nothing is.
    shutil.rmtree(local)
    subprocess.run(command, env=given, check=True)
    again = [e for e in events(results, "started") if e["trial_id"] == before["trial_id"]][-1]
    assert again["resume_iteration"] == interrupted["iteration"]
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert not list(local.glob("x/*/*/*/*.pt"))


def test_a_checkpoint_dir_that_a_node_does_not_know_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NODE_DISK", "/scratch/node")
    assert on_this_node(Path("$NODE_DISK/me")) == Path("/scratch/node/me")
    for folder in ("$NO_SUCH_DISK/me", "here"):
        with pytest.raises(UserError, match=f"checkpoint_dir = '{re.escape(folder)}' is"):
            on_this_node(Path(folder))


def test_a_killed_driver_takes_its_child_along_and_the_same_command_goes_on(
    tmp_path: Path, uncut: Path
) -> None:
    results = tmp_path / "results"
    for cut in (1, 2):
        driver = start("run", LONG, results=results, **OFTEN)
        wait_for(lambda cut=cut: len({e["worker"] for e in events(results, "checkpoint")}) == cut)
        child = trial_process(driver.pid)
        driver.kill()
        driver.communicate()
        wait_for(lambda child=child: not running(child), 10)
    assert odesweep("run", LONG, results=results)[0] == 0
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert max(e["resume_iteration"] for e in events(results, "started")) > 0


def test_finished_rows_that_were_not_published_are_republished_not_trained_again(
    tmp_path: Path,
) -> None:
    results = tmp_path / "results"
    # Rows wait for a slice that never ends; the driver dies before its clean end.
    driver = start(
        "run", "idle", "data.draw=0", results=results, ODESWEEP_PUBLISH_SLICE_SECONDS="1000"
    )
    wait_for(lambda: len(events(results, "finished")) >= 3)
    driver.kill()
    driver.communicate()
    # The first may count as a long one, published at once: it waited for torch.
    assert len(runs(results)) <= 1
    finished = {event["trial_id"] for event in events(results, "finished")}
    attempts = {
        event["trial_id"]: event["attempt_id"]
        for event in events(results, "started")
        if event["trial_id"] in finished
    }
    assert odesweep("run", "idle", "data.draw=0", results=results)[0] == 0
    after = {
        row["trial_id"]: row["attempt_id"] for row in accepted_runs(Results(results)).to_pylist()
    }
    assert len(after) == 10
    assert attempts.items() <= after.items()


def test_two_drivers_share_forty_trials(tmp_path: Path) -> None:
    results = tmp_path / "results"
    drivers = [start("run", "idle", results=results) for _ in range(2)]
    for driver in drivers:
        _, err = driver.communicate(timeout=200)
        assert driver.returncode == 0, err
    rows = runs(results)
    accepted = accepted_runs(Results(results)).to_pylist()
    assert len(accepted) == len({row["trial_id"] for row in accepted}) == 40
    assert len({row["attempt_id"] for row in rows}) == len(rows)
    assert len(rows) - 40 <= 8
    share = Counter(row["worker_id"] for row in rows)
    assert len(share) == 2, "one driver did everything, so nothing was shared"


def test_what_only_dies_or_hangs_is_not_started_again_before_retry(tmp_path: Path) -> None:
    results = tmp_path / "results"
    dying = ("faults", "seed=0", "model.fault=kill_self,hang")

    def starts() -> Counter[str]:
        return Counter(event["trial_id"] for event in events(results, "started"))

    assert odesweep("run", *dying, results=results, ODESWEEP_STALL_SECONDS="2")[0] == 1
    before = starts()
    code, out, _ = odesweep("run", *dying, results=results)
    assert code == 1
    assert "given up" in out
    assert starts() == before
    assert odesweep("retry", "faults", "--outcome", "crashed", results=results)[0] == 0
    assert odesweep("run", "faults", "seed=0", "model.fault=kill_self", results=results)[0] == 1
    assert starts().total() > before.total()


def test_trials_that_crash_alike_stop_the_study_and_name_what_they_share(tmp_path: Path) -> None:
    results = tmp_path / "results"
    code, _, err = odesweep(
        "run", "faults", "model.fault=none,raise", "+seed=2..6", results=results
    )
    assert code == 1
    assert "crashed with the same error" in err
    assert "model_fault=raise" in err
    crashed = [row for row in runs(results) if row["outcome"] == "crashed"]
    assert len(crashed) == 3


def test_a_row_taken_back_is_trained_again_even_while_its_last_checkpoint_is_there(
    tmp_path: Path, uncut: Path
) -> None:
    results = tmp_path / "results"
    assert odesweep("run", LONG, "solver=euler", results=results)[0] == 0
    [before] = runs(results)
    assert odesweep("retry", LONG, "--outcome", "completed", results=results)[0] == 0
    assert odesweep("run", LONG, "solver=euler", results=results)[0] == 0
    [after] = accepted_runs(Results(results)).to_pylist()
    assert after["attempt_id"] != before["attempt_id"]
    assert after["weights_sha256"] == before["weights_sha256"]
