"""hold, release, `--then`, `--budget` and `notify` on a real SLURM."""

from pathlib import Path

import pytest
from calls import HELD, SOON, slurm, slurm_arguments, states
from command import TINY, events, odesweep, runs, wait_for
from web_server import SECRET, Web

from sweeps.store import Results, list_submissions

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")


def reasons(submission: str) -> set[str]:
    """Why the tasks of a submission wait."""
    lines = slurm("squeue", "-r", "-h", "-t", "PENDING", "-o", "%k|%r").splitlines()
    return {line.split("|")[1] for line in lines if line.startswith(submission)}


def test_held_tasks_keep_their_place_and_run_when_they_are_released(tmp_path: Path) -> None:
    results = tmp_path / "results"
    run = ("run", TINY, *slurm_arguments(tmp_path, HELD + "trials_per_shard = 2\n"))
    assert odesweep(*run, results=results)[0] == 0
    [submission] = list_submissions(Results(results))
    code, out, err = odesweep("hold", TINY, results=results)
    assert (code, out.strip()) == (0, "held 2 waiting tasks of tiny"), err
    assert reasons(submission) == {"JobHeldUser"}
    assert "held 0 waiting tasks" in odesweep("hold", TINY, results=results)[1]
    assert "PENDING (JobHeldUser)" in odesweep("status", TINY, results=results)[1]
    code, out, err = odesweep(*run, results=results)
    assert "nothing to submit; 4 in flight" in out, err
    assert reasons(submission) == {"JobHeldUser"}, "run does not release what a user holds"
    code, out, err = odesweep("release", TINY, results=results)
    assert (code, out.strip()) == (0, "released 2 waiting tasks of tiny"), err
    assert "JobHeldUser" not in reasons(submission)
    [job] = {task.partition("_")[0] for task in states(submission)}
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    wait_for(lambda: len(runs(results)) == 4, 120)


def test_then_runs_after_the_arrays_with_the_environment_of_the_profile(tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    arguments = slurm_arguments(
        tmp_path, SOON + 'trials_per_shard = 2\nsetup = ["export MARK=profile"]\n'
    )
    then = f'command -v odereport && echo "$MARK $ODESWEEP_RESULTS" > {out}; exit 4'
    code, said, err = odesweep("run", TINY, *arguments, "--then", then, results=results)
    assert code == 0, err
    assert "is queued as job" in said
    [ended] = wait_for(lambda: events(results, "then_ended"), 150)
    assert ended["exit_code"] == 4
    assert out.read_text().split() == ["profile", str(results)]
    finished = [event["at"] for event in events(results, "worker_ended")]
    assert len(finished) == 2
    assert max(finished) < ended["at"]
    assert "ended with exit code 4" in odesweep("status", TINY, results=results)[1]
    # Nothing is left to train: at once. With --wait its exit code is that of the command.
    code, said, err = odesweep(
        "run", TINY, *arguments, "--wait", "--then", "exit 5", results=results
    )
    assert code == 5, err
    assert "--then 'exit 5' ended with exit code 5" in said


def test_a_budget_ends_the_tasks_and_the_command_tells_where_no_node_can(tmp_path: Path) -> None:
    results = tmp_path / "results"
    more = "trials_per_shard = 1\nthrottle = 1\n"
    with Web() as web:
        arguments = slurm_arguments(tmp_path, f'{SOON}{more}notify = "{web.address}"\n')
        order = ("--budget", "0.0001coreh", "--first", "seed=1", "solver.steps=2")
        code, out, err = odesweep("run", TINY, *arguments, *order, "--wait", results=results)
    assert code == 1, err
    assert "the budget of 0.0001coreh is used" in err
    assert [(row["seed"], row["solver_steps"]) for row in runs(results)] == [(1, 2)]
    [submission] = list_submissions(Results(results))
    assert set(states(submission).values()) == {"COMPLETED"}
    assert "budget of 0.0001coreh is used" in odesweep("status", TINY, results=results)[1]
    assert [one["event"] for one in web.heard] == ["stopped_early"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    holding = [path.name for path in files if SECRET.encode() in path.read_bytes()]
    assert holding == ["profile.toml"]
    assert SECRET not in out + err + slurm("scontrol", "show", "job")
