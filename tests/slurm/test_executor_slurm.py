"""Executor slurm on a real SLURM.

The contract, one call of sbatch for what fits in an array, and what is in flight.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from calls import (
    DEVCLUSTER,
    HELD,
    SOON,
    Calls,
    local_pid,
    slurm,
    slurm_arguments,
    states,
    submitted,
)
from command import LONG, TINY, events, odesweep, runs, science, start, trial_process, wait_for
from executor_contract import OFTEN, ExecutorContract, accepted_once, uncut

from sweeps.store import Results, list_submissions

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")
__all__ = ["uncut"]
STUDY = f"{Path(__file__).with_name('slurm_studies.py')}:idle-thousand"


class TestSlurm(ExecutorContract):
    arguments = (*DEVCLUSTER, "--wait")

    def trial_of(self, event: dict[str, Any]) -> int:
        return trial_process(local_pid(event["host"], event["pid"]))

    def test_sigterm_means_checkpoint_publish_and_stop(self, tmp_path: Path, uncut: Path) -> None:
        """SIGTERM goes to the task, which then waits, as it does when it is preempted.

        After scancel it stays cancelled.
        """
        results = tmp_path / "results"
        code, _, err = odesweep("run", LONG, *self.arguments[:-1], results=results, **OFTEN)
        assert code == 0, err
        wait_for(lambda: events(results, "checkpoint"))
        [submission] = list_submissions(Results(results))
        [task] = states(submission)
        slurm("scancel", "--signal=TERM", task)
        [interrupted] = wait_for(lambda: events(results, "interrupted"))
        assert interrupted["cause"] == "SIGTERM"
        wait_for(lambda: events(results, "worker_ended"))
        assert states(submission) == {task: "RUNNING"}
        slurm("scancel", task)
        wait_for(lambda: states(submission) == {task: "CANCELLED"})
        assert self.run(LONG, results=results)[0] == 0
        assert science(results) == science(uncut)
        assert accepted_once(results)


def test_a_thousand_trials_are_ten_calls_of_sbatch_and_a_second_run_makes_none(
    tmp_path: Path,
) -> None:
    results, calls = tmp_path / "results", Calls(tmp_path)
    run = ("run", STUDY, *slurm_arguments(tmp_path, HELD + "trials_per_shard = 1\n"))
    code, out, err = odesweep(*run, results=results, **calls.environment)
    assert code == 0, err
    assert "1000 of 1000 trials queued as 10 jobs" in out
    assert calls.count()["sbatch"] == 10
    arrays = submitted(results)
    assert [len(trials) for trials in arrays] == [101] * 9 + [91]
    assert len({trial for trials in arrays for trial in trials}) == 1000
    assert sum(len(states(one)) for one in list_submissions(Results(results))) == 1000
    calls.reset()
    code, out, err = odesweep(*run, results=results, **calls.environment)
    assert code == 0
    assert "nothing to submit; 1000 in flight" in out
    assert calls.count()["sbatch"] == 0
    assert len(list_submissions(Results(results))) == 10
    code, out, _ = odesweep("status", "idle-thousand", "--json", results=results)
    assert json.loads(out)[0]["queued"] == 1000
    calls.reset()
    code, out, _ = odesweep("cancel", "idle-thousand", results=results, **calls.environment)
    assert out.count("cancelled") == 10
    assert calls.count()["scancel"] == 1


def test_the_callers_environment_does_not_change_what_the_profile_says(tmp_path: Path) -> None:
    results = tmp_path / "results"
    caller = {"SBATCH_PARTITION": "high", "SLURM_CPU_BIND": "cores", "SLURM_MEM_PER_CPU": "1"}
    run = ("run", TINY, *slurm_arguments(tmp_path, HELD))
    code, out, err = odesweep(*run, results=results, **caller)
    assert code == 0, err
    assert "SBATCH_PARTITION=high of your environment is not used, the profile decides" in out + err
    [submission] = list_submissions(Results(results))
    [task] = states(submission)
    assert "Partition=low" in slurm("scontrol", "show", "job", task.partition("_")[0])


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_thousand_trials_of_a_second_in_a_task_each_all_come_home(tmp_path: Path) -> None:
    results, calls = tmp_path / "results", Calls(tmp_path)
    driver = start(
        "run",
        STUDY,
        *slurm_arguments(tmp_path, SOON + "trials_per_shard = 1\n"),
        "--wait",
        results=results,
        **calls.environment,
    )
    out, err = driver.communicate()
    assert driver.returncode == 0, err
    assert "1000 completed" in out
    counted = calls.count()
    assert counted["sbatch"] == 10
    assert len({row["trial_id"] for row in runs(results)}) == len(runs(results)) == 1000
    assert len({event["worker"] for event in events(results, "worker_started")}) == 1000
    first, *_, last = [int(line.split()[0]) for line in calls.log.read_text().splitlines()]
    assert counted["squeue"] + counted["sacct"] <= 6 * (1 + (last - first) / 60)


def test_with_default_shards_a_thousand_trials_are_one_call(tmp_path: Path) -> None:
    results, calls = tmp_path / "results", Calls(tmp_path)
    assert (
        odesweep(
            "run", STUDY, *slurm_arguments(tmp_path, HELD), results=results, **calls.environment
        )[0]
        == 0
    )
    assert calls.count()["sbatch"] == 1
    [trials] = submitted(results)
    assert len(set(trials)) == 1000


def test_an_axis_grown_while_an_array_is_queued_sends_only_the_new_trials(tmp_path: Path) -> None:
    results, calls = tmp_path / "results", Calls(tmp_path)
    held = slurm_arguments(tmp_path, HELD)
    assert odesweep("run", TINY, *held, results=results, **calls.environment)[0] == 0
    assert odesweep("run", TINY, "+seed=2", *held, results=results, **calls.environment)[0] == 0
    first, second = submitted(results)
    assert (len(first), len(second)) == (4, 2)
    assert not set(first) & set(second)
    assert calls.count()["sbatch"] == 2
    # A trial that waits in the queue is nobody else's either.
    code, out, _ = odesweep("run", TINY, "+seed=2", results=results)
    assert code == 0
    assert "nothing to submit; 6 in flight" in out
    assert not runs(results)


def test_walk_away_then_watch_asks_slurm_at_most_six_times_a_minute(tmp_path: Path) -> None:
    results, calls = tmp_path / "results", Calls(tmp_path)
    held = slurm_arguments(tmp_path, SOON + 'begin = "now+45"\ntrials_per_shard = 2\n')
    code, _, err = odesweep(
        "run", "ott2021/sphere2-fixed", "--scale", "smoke", *held, results=results
    )
    assert code == 0, err
    watch = start(
        "status", "ott2021/sphere2-fixed", "--watch", results=results, **calls.environment
    )
    out, err = watch.communicate(timeout=150)
    assert watch.returncode == 0, err
    assert "4 of 4 trials done" in out
    asked = [int(line.split()[0]) for line in calls.log.read_text().splitlines()]
    assert len(asked) >= 2
    assert all(sum(second <= other < second + 60 for other in asked) <= 6 for second in asked)
    assert len(runs(results)) == 4


def test_what_sbatch_refuses_is_its_own_line_and_leaves_nothing_in_flight(tmp_path: Path) -> None:
    results = tmp_path / "results"
    code, _, err = odesweep(
        "run", TINY, *slurm_arguments(tmp_path, 'partition = "nowhere"\n'), results=results
    )
    assert code == 2
    assert err.strip().splitlines()[-1].startswith("odesweep: sbatch refused: ")
    assert "invalid partition" in err.lower()
    code, out, _ = odesweep("run", TINY, *slurm_arguments(tmp_path, HELD), results=results)
    assert code == 0
    assert "4 of 4 trials queued" in out


def test_when_squeue_does_not_answer_nothing_is_sent_twice_by_accident(tmp_path: Path) -> None:
    results, calls = (
        tmp_path / "results",
        Calls(
            tmp_path,
            {"squeue": "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1"},
        ),
    )
    run = ("run", TINY, *slurm_arguments(tmp_path, HELD))
    assert odesweep(*run, results=results)[0] == 0
    code, _, err = odesweep(*run, results=results, **calls.environment)
    assert code == 3
    assert (
        "cannot tell whether 4 trials are still queued: squeue: error: Unable to contact slurm "
        "controller" in err
    )
    assert "--resubmit" in err
    assert calls.count()["sbatch"] == 0
    code, out, err = odesweep("status", TINY, results=results, **calls.environment)
    assert code == 0, err
    assert "nobody can tell whether 4 trials are still queued" in out
    code, _, err = odesweep(*run, "--resubmit", results=results, **calls.environment)
    assert code == 0, err
    assert calls.count()["sbatch"] == 1


@pytest.mark.parametrize("script", ["exit 127", "sleep 300"], ids=["missing", "slow"])
def test_status_works_where_accounting_does_not(tmp_path: Path, script: str) -> None:
    results, calls = tmp_path / "results", Calls(tmp_path, {"sacct": script, "sacctmgr": script})
    run = ("run", TINY, *slurm_arguments(tmp_path, HELD))
    code, _, err = odesweep(*run, results=results, **calls.environment)
    assert code == 0, err
    code, out, err = odesweep("status", TINY, results=results, **calls.environment)
    assert code == 0, err
    assert "SLURM: 1 task PENDING (BeginTime)" in out


def test_logs_and_status_of_a_trial_that_never_started_show_its_task(tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert odesweep("run", TINY, *slurm_arguments(tmp_path, HELD), results=results)[0] == 0
    [trials] = submitted(results)
    code, out, _ = odesweep("logs", trials[0][:12], results=results)
    assert code == 0
    assert "PENDING (BeginTime); this trial was never started in it" in out
    _, out, _ = odesweep("status", trials[0][:12], results=results)
    assert "queued as task" in out
    failing = slurm_arguments(tmp_path, SOON + 'setup = ["echo no module of that name; exit 1"]\n')
    assert odesweep("cancel", "tiny", results=results)[0] == 0
    assert odesweep("run", TINY, *failing, "--wait", results=results)[0] == 1
    _, out, _ = odesweep("logs", trials[0][:12], results=results)
    assert "no module of that name" in out


def test_several_trials_share_a_task_and_its_gpu(tmp_path: Path) -> None:
    results = tmp_path / "results"
    shared = SOON + "slots = 2\ngpus = 0.5\n"
    code, _, err = odesweep(
        "run", TINY, *slurm_arguments(tmp_path, shared), "--wait", results=results
    )
    assert code == 0, err
    assert len({row["worker_id"] for row in runs(results)}) == 2
    assert not any(row["timing_valid"] for row in runs(results))
    [submission] = list_submissions(Results(results))
    [task] = states(submission)
    shown = slurm("scontrol", "show", "job", task)
    assert "NumCPUs=2" in shown
    assert "gres:gpu:1" in shown.replace("gres/gpu:1", "gres:gpu:1")


APPTAINER = """#!/bin/bash
# A stand-in for Apptainer: notes its words, checks them, and starts the command outside.
echo "$*" >> {log}
[ "$1" = exec ] || exit 255; shift
while [[ $1 == --* ]]; do
    case $1 in
        --nv) shift;;
        --env) export "$2"; shift 2;;
        --bind) [ -d "$2" ] || {{ echo "FATAL: $2 does not exist" >&2; exit 255; }}; shift 2;;
        *) echo "FATAL: unknown flag: $1" >&2; exit 255;;
    esac
done
[ -f "$1" ] || {{ echo "FATAL: could not open image $1" >&2; exit 255; }}
shift
exec "$@"
"""


def apptainer(folder: Path) -> str:
    """A profile whose tasks run in a container, with the stand-in on the PATH of its tasks."""
    (folder / "bin").mkdir()
    (folder / "bin" / "apptainer").write_text(APPTAINER.format(log=folder / "words"))
    (folder / "bin" / "apptainer").chmod(0o755)
    (folder / "odesweep.sif").touch()
    return (
        f'{SOON}setup = ["export PATH={folder}/bin:$PATH"]\n'
        f'container = "{folder}/odesweep.sif"\npython = "{sys.executable}"\n'
    )


def test_tasks_and_the_test_job_run_in_the_profiles_container(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    arguments = slurm_arguments(tmp_path, apptainer(tmp_path))
    data = ("--data-root", str(tmp_path / "data"))
    results = tmp_path / "results"
    code, out, err = odesweep("run", TINY, *arguments, *data, "--wait", results=results)
    assert code == 0, err
    assert "4 completed" in out
    [words] = (tmp_path / "words").read_text().splitlines()
    bound = " ".join(f"--bind {path}" for path in (results, Results(results).state, data[1]))
    image = tmp_path / "odesweep.sif"
    start = f"exec --env PYTHONNOUSERSITE=1 {bound} {image} {sys.executable} -P -u -m submitit"
    assert words.startswith(start)
    (tmp_path / "words").unlink()
    code, out, err = odesweep("doctor", *arguments[2:], "--json", *data, results=results)
    found = {one["name"]: one for one in json.loads(out)}
    assert found["node python"]["text"].endswith("odesweep.sif, odesweep imports"), err
    assert f"{sys.executable} -P" in (tmp_path / "words").read_text()
    image.unlink()
    code, out, err = odesweep("doctor", *arguments[2:], "--json", results=results)
    assert code == 3
    found = {one["name"]: one for one in json.loads(out)}
    assert f"does not see the container {image}" in found["node python"]["text"]
