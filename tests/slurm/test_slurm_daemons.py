"""Executor slurm when SLURM itself is disturbed.

A daemon is killed, the controller is restarted, somebody else requeues a task.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from calls import DEVCLUSTER, SOON, left_running, slurm, slurm_arguments, states, writers
from command import LONG, events, odesweep, runs, science, wait_for
from executor_contract import OFTEN, accepted_once, uncut

from sweeps.store import Results, list_submissions

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")
__all__ = ["uncut"]


def submit(results: Path, *arguments: str) -> dict[str, Any]:
    """Queue both long trials; gives the first checkpoint's event once there is one."""
    code, _, err = odesweep("run", LONG, *arguments, results=results, **OFTEN)
    assert code == 0, err
    began = wait_for(lambda: events(results, "checkpoint"))[0]
    assert list(writers(str(results))), "the end is checked by these"
    return began


def check_the_end(results: Path, uncut: Path, *arguments: str) -> None:
    """The same command waits for what is in flight.

    Every trial then has one accepted row, equal to the uninterrupted one, from one submission.
    """
    code, _, err = odesweep("run", LONG, *arguments, "--wait", results=results)
    assert code == 0, err
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert len(list_submissions(Results(results))) == 1
    assert not left_running(results)


def test_the_daemon_of_a_node_killed_and_started_again_costs_nothing(
    tmp_path: Path, uncut: Path, cluster: Any
) -> None:
    results = tmp_path / "results"
    began = submit(results, *DEVCLUSTER)
    cluster.kill_slurmd(began["host"])
    wait_for(lambda: len({event["iteration"] for event in events(results, "checkpoint")}) >= 3)
    cluster.start_slurmd(began["host"])
    check_the_end(results, uncut, *DEVCLUSTER)
    assert [row["attempts"] for row in runs(results)] == [1, 1]
    assert not events(results, "interrupted")


def test_the_controller_restarted_costs_nothing(tmp_path: Path, uncut: Path, cluster: Any) -> None:
    results = tmp_path / "results"
    submit(results, *DEVCLUSTER)
    cluster.restart_controller()
    check_the_end(results, uncut, *DEVCLUSTER)
    assert [row["attempts"] for row in runs(results)] == [1, 1]


def test_a_task_that_slurm_holds_after_a_failed_launch_is_released(
    tmp_path: Path, uncut: Path, cluster: Any
) -> None:
    """On n3 no batch script can be written.

    SLURM drains the node, requeues the task and holds it, until somebody acts.
    """
    results, two_nodes = (
        tmp_path / "results",
        slurm_arguments(tmp_path, SOON + 'exclude = "n1,n2"\ntrials_per_shard = 2\n'),
    )
    busy = cluster.sbatch("sleep 30", "--nodelist=n4", "--exclusive")
    cluster.wait_for(busy, "RUNNING")
    spool = cluster.folder / "n3" / "spool"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(spool)], check=True)
    try:
        assert odesweep("run", LONG, *two_nodes, results=results)[0] == 0
        wait_for(lambda: "launch failed requeued held" in slurm("squeue", "-h", "-o", "%r"))
    finally:
        subprocess.run(["umount", "--lazy", str(spool)], check=True)
    assert "launch failed requeued held" in " ".join(
        odesweep("status", LONG, results=results)[1].split()
    )
    cluster.resume_drained()
    check_the_end(results, uncut, *two_nodes)


@pytest.mark.parametrize("which", [0, 1], ids=["the first", "the last"])
def test_a_task_that_an_administrator_requeues_goes_on_and_the_other_does_not_notice(
    tmp_path: Path, uncut: Path, which: int
) -> None:
    results, two = tmp_path / "results", slurm_arguments(tmp_path, SOON + "trials_per_shard = 1\n")
    submit(results, *two)
    [submission] = list_submissions(Results(results))
    [task] = [task for task in states(submission) if task.endswith(f"_{which}")]
    wait_for(
        lambda: [
            event for event in events(results, "checkpoint") if f"-{task}.0-" in event["worker"]
        ]
    )
    slurm("scontrol", "requeue", task)
    check_the_end(results, uncut, *two)
    turns = sorted(
        event["worker"].rpartition("-")[0].partition("-")[2]
        for event in events(results, "worker_started")
    )
    job = task.partition("_")[0]
    assert turns == sorted([f"{job}_0.0", f"{job}_1.0", f"{task}.1"])
    [again] = [event for event in events(results, "started") if f"-{task}.1-" in event["worker"]]
    assert again["resume_iteration"] > 0
    assert sorted(row["attempts"] for row in runs(results)) == [1, 2]
