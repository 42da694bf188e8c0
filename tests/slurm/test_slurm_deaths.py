"""Executor slurm on a real SLURM.

Signals, deaths, lost replies, bad nodes and an edited checkout.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from calls import (
    DEVCLUSTER,
    HELD,
    SHORT,
    SOON,
    Calls,
    left_running,
    local_pid,
    slurm,
    slurm_arguments,
    states,
)
from cluster import NODES
from command import LONG, TINY, events, odesweep, runs, science, start, wait_for
from executor_contract import OFTEN, accepted_once, uncut

from sweeps.store import Results, list_submissions

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")
__all__ = ["uncut"]
CAPPED = f"{Path(__file__).with_name('slurm_studies.py')}:capped"
SLEEPERS = f"{Path(__file__).with_name('slurm_studies.py')}:idle-sleepers"


def test_sigusr2_means_another_turn_of_this_task_only(tmp_path: Path, uncut: Path) -> None:
    """To the last task of an array, whose job id is the array's own."""
    results = tmp_path / "results"
    two = slurm_arguments(tmp_path, SOON + "trials_per_shard = 1\n")
    assert odesweep("run", LONG, *two, results=results, **OFTEN)[0] == 0
    [submission] = list_submissions(Results(results))
    [last] = [task for task in states(submission) if task.endswith("_1")]
    wait_for(
        lambda: [event for event in events(results, "checkpoint") if f"{last}." in event["worker"]]
    )
    slurm("scancel", "--signal=USR2", last)
    code, _, err = odesweep("run", LONG, *two, "--wait", results=results)
    assert code == 0, err
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert not left_running(results)
    [interrupted] = events(results, "interrupted")
    assert interrupted["cause"] == "SIGUSR2"
    turns = {event["worker"].split("-")[-2] for event in events(results, "worker_started")}
    assert turns == {f"{last[:-1]}0.0", f"{last}.0", f"{last}.1"}
    [resumed] = [event for event in events(results, "started") if f"{last}.1" in event["worker"]]
    assert resumed["resume_iteration"] == interrupted["iteration"]
    assert len(list_submissions(Results(results))) == 1


def test_preemption_brings_the_task_back_and_it_goes_on(tmp_path: Path, uncut: Path) -> None:
    results = tmp_path / "results"
    code, _, err = odesweep("run", LONG, *DEVCLUSTER, results=results, **OFTEN)
    assert code == 0, err
    began = wait_for(lambda: events(results, "checkpoint"))[0]
    job = slurm(
        "sbatch",
        "--parsable",
        "-p",
        "high",
        "-w",
        began["host"],
        "--exclusive",
        "-o",
        "/dev/null",
        "--wrap",
        "sleep 20",
    ).strip()
    try:
        interrupted = wait_for(lambda: events(results, "interrupted"))[0]
        assert interrupted["cause"] == "SIGTERM"
        code, _, err = odesweep("run", LONG, *DEVCLUSTER, "--wait", results=results)
    finally:
        slurm("scancel", job)
    assert code == 0, err
    assert len(list_submissions(Results(results))) == 1
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert not left_running(results)
    assert {event["cause"] for event in events(results, "interrupted")} == {"SIGTERM"}


def test_a_killed_task_is_not_in_flight_and_the_next_run_goes_on(
    tmp_path: Path, uncut: Path
) -> None:
    results = tmp_path / "results"
    assert odesweep("run", LONG, *DEVCLUSTER, results=results, **OFTEN)[0] == 0
    began = wait_for(lambda: events(results, "checkpoint"))[0]
    os.kill(local_pid(began["host"], began["pid"]), signal.SIGKILL)
    [submission] = list_submissions(Results(results))
    wait_for(lambda: set(states(submission).values()) == {"FAILED"})
    code, out, _ = odesweep("status", LONG, results=results)
    assert "SLURM ended 1 task as FAILED" in out
    code, _, err = odesweep("run", LONG, *DEVCLUSTER, "--wait", results=results)
    assert code == 0, err
    assert len(list_submissions(Results(results))) == 2
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert not left_running(results)


LOST = (
    'echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" '
    ">&2; exit 1"
)


@pytest.mark.parametrize("sent", [True, False], ids=["the job was queued", "it was not"])
def test_a_lost_reply_is_looked_up_before_anything_is_sent_again(
    tmp_path: Path, sent: bool
) -> None:
    results, marker = tmp_path / "results", tmp_path / "first"
    real = '/usr/bin/sbatch "$@"'
    script = (
        f"if mkdir {marker} 2>/dev/null; then {f'{real} >/dev/null;' if sent else ''} {LOST}; fi; "
        f"exec {real}"
    )
    calls = Calls(tmp_path, {"sbatch": script})
    arguments = ("run", TINY, *slurm_arguments(tmp_path, SOON + "trials_per_shard = 2\n"), "--wait")
    code, out, err = odesweep(*arguments, results=results, **calls.environment)
    assert code == 0, err
    assert "4 completed" in out
    assert calls.count()["sbatch"] == (1 if sent else 2)
    [submission] = list_submissions(Results(results))
    assert len(states(submission)) == 2
    assert len(runs(results)) == 4


def test_a_checkout_edited_while_an_array_is_queued_changes_nothing(tmp_path: Path) -> None:
    root, results = tmp_path / "checkout", tmp_path / "results"
    for package in ("odecore", "sweeps", "analysis"):
        shutil.copytree(
            Path(__file__).parents[2] / package,
            root / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    soon = slurm_arguments(tmp_path, SOON + 'begin = "now+8"\n')
    code, _, err = odesweep(
        "run", TINY, *soon, results=results, PYTHONPATH=str(root), PYTHONSAFEPATH="1"
    )
    assert code == 0, err
    for path in root.rglob("*.py"):
        path.write_text("raise RuntimeError('edited while queued')\n")
    code, out, err = odesweep("run", TINY, *soon, "--wait", results=results)
    assert code == 0, err
    assert "4 completed" in out
    assert len(list_submissions(Results(results))) == 1


@pytest.mark.parametrize(
    "fault", ["exit 1", "ulimit -v 600000"], ids=["before Python starts", "in every trial"]
)
def test_a_node_that_fails_everything_is_left_out(tmp_path: Path, fault: str) -> None:
    results = tmp_path / "results"
    bad = f"""setup = ['[ "$(hostname)" != n3 ] || {fault}']\n"""
    bad += "trials_per_shard = 1\nthrottle = 4\ncpus-per-task = 4\n"
    arguments = slurm_arguments(tmp_path, bad + SOON)
    study = ("idle", "data.draw=0")
    code, err = 1, ""
    for _ in range(4):
        code, _, err = odesweep("run", *study, *arguments, "--wait", results=results)
        if code == 0:
            break
        # What died twice there is given up until somebody asks for it again.
        assert odesweep("retry", "idle", results=results)[0] == 0
    assert code == 0, err
    completed = [row for row in runs(results) if row["outcome"] == "completed"]
    assert len({row["trial_id"] for row in completed}) == 10
    assert "n3" not in {row["host"] for row in completed}
    code, _, err = odesweep(
        "run", "idle", "data.draw=1", *slurm_arguments(tmp_path, bad + HELD), results=results
    )
    assert code == 0, err
    [job] = {
        task.partition("_")[0]
        for one in list_submissions(Results(results))
        for task, state in states(one).items()
        if state == "PENDING"
    }
    assert "ExcNodeList=n3" in slurm("scontrol", "show", "job", job)


@pytest.mark.slow
def test_without_time_for_another_trial_a_task_takes_another_turn(tmp_path: Path) -> None:
    """Two trials of 70 s in tasks of three minutes.

    SLURM's warning takes the last one to one and a half minutes, so that the second trial would be
    interrupted.
    """
    results, profile = (
        tmp_path / "results",
        SHORT.replace("time = 2", "time = 3") + "trials_per_shard = 2\n",
    )
    code, _, err = odesweep(
        "run",
        SLEEPERS,
        "model.seconds=7",
        *slurm_arguments(tmp_path, profile),
        "--wait",
        results=results,
    )
    assert code == 0, err
    assert len(runs(results)) == 2
    assert [event["reason"] for event in events(results, "worker_ended")] == [
        "no time left for another trial",
        "done",
    ]
    assert not events(results, "interrupted")


def test_a_node_that_is_cut_off_loses_its_task_and_a_late_row_changes_nothing(
    tmp_path: Path, cluster: Any
) -> None:
    results, cut = tmp_path / "results", (SLEEPERS, "seed=0", "model.seconds=8")
    code, _, err = odesweep("run", *cut, *DEVCLUSTER, results=results, **OFTEN)
    assert code == 0, err
    cut_at = wait_for(
        lambda: [event for event in events(results, "checkpoint") if event["iteration"] >= 2]
    )[0]
    cluster.cut(cut_at["host"])
    # The disk is shared here even with a node that is cut off, as with one that only SLURM cannot
    # reach: both turns finish the trial.
    code, _, err = odesweep("run", *cut, *DEVCLUSTER, "--wait", results=results)
    cluster.heal(cut_at["host"])
    assert code == 0, err
    assert len(list_submissions(Results(results))) == 1
    assert accepted_once(results)
    assert not left_running(results)
    turns = {
        event["worker"].split("-")[-2].partition(".")[2]: event["host"]
        for event in events(results, "worker_started")
    }
    assert turns.keys() == {"0", "1"}
    assert turns["1"] != cut_at["host"]
    forgiven = [
        event
        for event in events(results, "interrupted")
        if event["cause"] == "started anew by SLURM"
    ]
    assert [event["worker"] for event in forgiven] == [cut_at["worker"]]


def test_a_sender_killed_before_it_could_note_its_job_loses_nothing(tmp_path: Path) -> None:
    results = tmp_path / "results"
    calls = Calls(tmp_path, {"sbatch": '/usr/bin/sbatch "$@" && kill -KILL $PPID'})
    run = (
        "run",
        TINY,
        *slurm_arguments(tmp_path, SOON + 'begin = "now+6"\ntrials_per_shard = 2\n'),
    )
    assert odesweep(*run, results=results, **calls.environment)[0] == -signal.SIGKILL
    [submission] = list_submissions(Results(results))
    assert len(states(submission)) == 2
    code, _, err = odesweep(*run, "--wait", results=results)
    assert code == 0, err
    assert list(list_submissions(Results(results))) == [submission]
    assert len(runs(results)) == 4


def test_a_solver_that_would_not_end_is_a_result_by_the_cap_on_evaluations(tmp_path: Path) -> None:
    results = tmp_path / "results"
    code, out, err = odesweep("run", CAPPED, *DEVCLUSTER, "--wait", results=results)
    assert code == 0, err
    assert "1 solver_failed" in out
    [row] = runs(results)
    assert (row["outcome"], row["attempts"]) == ("solver_failed", 1)


@contextmanager
def hidden(command: str, folder: Path, *hosts: str) -> Iterator[None]:
    """On hosts, a file that nobody may execute lies over a command."""
    path, nothing = shutil.which(command), folder / "nothing"
    nothing.touch()
    for host in hosts:
        _mount(host, f"mount --bind {nothing} {path}")
    try:
        yield
    finally:
        for host in hosts:
            _mount(host, f"umount {path}")


def _mount(host: str, command: str) -> None:
    enter = ("nsenter", "--target", str(local_pid(host, 1)), "--mount", "--pid", "sh", "-c")
    subprocess.run([*enter, command], check=True)


def started(results: Path, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any], str]:
    """`run --wait` on LONG, its first checkpoint, and its task."""
    process = start("run", LONG, *arguments, "--wait", results=results, **OFTEN)
    checkpoint = wait_for(lambda: events(results, "checkpoint"))[0]
    [submission] = list_submissions(Results(results))
    [task] = states(submission)
    return process, checkpoint, task


def finished(process: subprocess.Popen[str], results: Path, uncut: Path) -> None:
    """It sent the trials again once, and went on from the checkpoint."""
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "SLURM ended jobs for good: sending 2 trials again" in err
    assert len(list_submissions(Results(results))) == 2
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert max(event["resume_iteration"] for event in events(results, "started")) > 0
    assert not left_running(results)


def said_by_task(results: Path) -> str:
    return "".join(path.read_text() for path in Results(results).state.rglob("*_log.out"))


def test_without_scontrol_on_its_node_a_warned_task_ends_and_run_wait_goes_on(
    tmp_path: Path, uncut: Path
) -> None:
    results = tmp_path / "results"
    with hidden("scontrol", tmp_path, *NODES):
        process, _, task = started(results, *slurm_arguments(tmp_path, SOON))
        slurm("scancel", "--signal=USR2", task)
        finished(process, results, uncut)
    said = said_by_task(results)
    assert "gives no other turn: scontrol" in said
    assert "only the next `odesweep run` goes on with what is left" in said
    assert "Traceback" not in said


def test_a_task_that_may_not_be_requeued_ends_and_run_wait_goes_on(
    tmp_path: Path, uncut: Path
) -> None:
    """As where a site takes --requeue from jobs."""
    results = tmp_path / "results"
    process, _, task = started(results, *slurm_arguments(tmp_path, SOON))
    slurm("scontrol", "update", f"JobId={task}", "Requeue=0")
    slurm("scancel", "--signal=USR2", task)
    finished(process, results, uncut)
    assert "disabled" in said_by_task(results)
    assert "only the next `odesweep run` goes on with what is left" in said_by_task(results)


@pytest.mark.parametrize("requeue", [True, False], ids=["PreemptMode=CANCEL", "Requeue=0"])
def test_a_preempted_task_that_slurm_cancels_says_so_and_run_wait_goes_on(
    tmp_path: Path, uncut: Path, requeue: bool
) -> None:
    results = tmp_path / "results"
    profile = SOON.replace("low", "scavenge") if requeue else SOON
    process, checkpoint, task = started(results, *slurm_arguments(tmp_path, profile))
    if not requeue:
        slurm("scontrol", "update", f"JobId={task}", "Requeue=0")
    above = ("-p", "high", "-w", checkpoint["host"], "--exclusive", "-o", "/dev/null")
    job = slurm("sbatch", "--parsable", *above, "--wrap", "sleep 20").strip()
    try:
        finished(process, results, uncut)
    finally:
        slurm("scancel", job)
    assert "everything is published" in said_by_task(results)
    assert ("PreemptMode=CANCEL" if requeue else "Requeue=0") in said_by_task(results)
    assert "only the next `odesweep run` goes on with what is left" in said_by_task(results)


def test_what_somebody_cancels_is_not_sent_again(tmp_path: Path) -> None:
    results = tmp_path / "results"
    process, _, task = started(results, *slurm_arguments(tmp_path, SOON.replace("low", "scavenge")))
    slurm("scancel", task)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 1, err
    assert len(list_submissions(Results(results))) == 1


@pytest.mark.slow
def test_the_warning_before_the_time_limit_means_another_turn(tmp_path: Path) -> None:
    """SLURM's own SIGUSR2, a minute before the end of two, into a trial of a minute and a half."""
    results, long = tmp_path / "results", (SLEEPERS, "seed=0", "model.seconds=9")
    code, _, err = odesweep(
        "run", *long, *slurm_arguments(tmp_path, SHORT), "--wait", results=results, **OFTEN
    )
    assert code == 0, err
    assert accepted_once(results)
    assert len(list_submissions(Results(results))) == 1
    assert {event["cause"] for event in events(results, "interrupted")} == {"SIGUSR2"}
    starts = events(results, "started")
    assert len(starts) >= 2
    assert starts[-1]["resume_iteration"] > 0
    assert runs(results)[0]["attempts"] == len(starts)


@pytest.mark.slow
def test_a_step_longer_than_the_warning_ends_in_timeout_and_the_next_run_goes_on(
    tmp_path: Path,
) -> None:
    results, long = tmp_path / "results", (SLEEPERS, "seed=0", "model.seconds=300")
    assert odesweep("run", *long, *slurm_arguments(tmp_path, SHORT), results=results)[0] == 0
    [submission] = list_submissions(Results(results))
    wait_for(lambda: "TIMEOUT" in states(submission).values(), 240)
    _, out, _ = odesweep("status", SLEEPERS, results=results)
    assert "SLURM ended 1 task as TIMEOUT" in out
    code, out, _ = odesweep("run", *long, *slurm_arguments(tmp_path, SHORT), results=results)
    assert code == 0
    assert "1 of 1 trials queued" in out
