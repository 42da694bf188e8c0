"""`slots = "auto"` on a real SLURM: the first task measures, and the next takes what it found."""

import contextlib
import re
from pathlib import Path

import pytest
from calls import SOON, slurm, slurm_arguments, states
from command import TINY, events, odesweep, runs, wait_for

from sweeps.store import Results, list_submissions

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")


def measuring(folder: Path) -> bool:
    """Whether a process of a measurement is there whose code is in that folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"auto_slots import main" in (process / "cmdline").read_bytes():
                return str(folder).encode() in (process / "environ").read_bytes()
    return False


def test_one_task_measures_and_the_others_take_its_number(tmp_path: Path) -> None:
    results = tmp_path / "results"
    auto = slurm_arguments(tmp_path, SOON + "cpus = 2\ntrials_per_shard = 2\nthrottle = 1\n")
    four = ("+seed=2", "--limit", "4")
    code, _, err = odesweep("run", TINY, *four, *auto, "--slots", "auto", "--wait", results=results)
    assert code == 0, err
    [submission] = list_submissions(Results(results))
    tasks = sorted(states(submission))
    assert len(tasks) == 2
    assert "NumCPUs=2" in slurm("scontrol", "show", "job", tasks[0])
    trials = [row["trial_id"] for row in runs(results)]
    assert len(trials) == len(set(trials)) == 4
    [measured] = events(results, "slots_measured")
    said = r"slots = auto: [12] \(steps per second with 1: [\d.e+]+, 2: [\d.e+]+\) on .+"
    assert re.match(said, measured["message"])
    assert measured["message"] in odesweep("status", TINY, results=results)[1]
    logs = {event["log"]: event["trial_id"] for event in events(results, "started")}
    for log, trial in logs.items():
        first = (Results(results).logs / log).read_text().splitlines()[0]
        assert first.startswith(measured["message"].partition(" on ")[0])
        assert "slots = auto" in odesweep("logs", trial, results=results)[1]
    reused = [log for log in logs if "as measured on" in (Results(results).logs / log).read_text()]
    assert 0 < len(reused) < len(logs)
    best = max(measured["rates"], key=lambda n: measured["rates"][n])
    assert len(logs) == 2 * int(best)


def test_a_signal_while_it_measures_means_another_turn(tmp_path: Path) -> None:
    results = tmp_path / "results"
    auto = slurm_arguments(tmp_path, SOON + 'cpus = 2\nslots = "auto"\n')
    code, _, err = odesweep("run", TINY, *auto, results=results)
    assert code == 0, err
    wait_for(lambda: measuring(tmp_path), 120)
    [submission] = list_submissions(Results(results))
    [task] = states(submission)
    slurm("scancel", "--signal=USR2", task)
    ended = wait_for(lambda: events(results, "worker_ended"), 60)
    assert {event["reason"] for event in ended} == {"SIGUSR2"}
    assert not events(results, "slots_measured")
    assert not runs(results)
    wait_for(lambda: len(runs(results)) == 4, 240)
    assert len(events(results, "slots_measured")) == 1
