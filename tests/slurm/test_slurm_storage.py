"""Executor slurm on bad storage.

A results folder that fills up, one whose new entries show late, and values that crash every trial.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from calls import DEVCLUSTER, SOON, cancel_all, left_running, slurm_arguments, states
from command import LONG, events, odesweep, runs, science, wait_for
from executor_contract import OFTEN, accepted_once, uncut
from small_disk import fill, mounted

from sweeps.store import Results, list_submissions

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")
__all__ = ["uncut"]


@pytest.fixture
def disk(cluster: Any) -> Iterator[Path]:
    """A small disk that the cluster's hosts see as well."""
    with mounted(cluster.folder / f"disk-{uuid4().hex[:8]}", "size=48m") as folder:
        yield folder
        cancel_all(folder)
        assert not left_running(folder)


@pytest.mark.parametrize("patience", ["90", "2"], ids=["for less than allowed", "for longer"])
def test_a_results_folder_that_is_full(disk: Path, uncut: Path, patience: str) -> None:
    """If there is room again in time, the tasks continue.

    Otherwise they fail, and the same command resumes from their checkpoints.
    """
    results = disk / "results"
    code, _, err = odesweep(
        "run", LONG, *DEVCLUSTER, results=results, ODESWEEP_PUBLISH_RETRY_SECONDS=patience, **OFTEN
    )
    assert code == 0, err
    wait_for(lambda: events(results, "checkpoint"))
    fill(disk / "filler")
    [submission] = list_submissions(Results(results))
    if patience == "90":
        # Whatever its tasks would say, the disk does not take it; by now they have something to
        # publish.
        time.sleep(20)
        assert set(states(submission).values()) == {"RUNNING"}
    else:
        wait_for(lambda: set(states(submission).values()) == {"FAILED"}, 120)
    kept = science(results)
    assert len(kept) < 2
    (disk / "filler").unlink()
    code, _, err = odesweep("run", LONG, *DEVCLUSTER, "--wait", results=results, **OFTEN)
    assert code == 0, err
    assert len(list_submissions(Results(results))) == (1 if patience == "90" else 2)
    assert science(results) == science(uncut)
    assert kept.items() <= science(results).items()
    assert accepted_once(results)


def test_entries_that_show_late_cost_at_most_a_second_training(tmp_path: Path, uncut: Path) -> None:
    """As on a network file system that caches folders.

    Entries show 4 s later, here and on the nodes.

    A task is requeued meanwhile.
    """
    results, late = tmp_path / "results", {"ODESWEEP_TEST_LATE_ENTRIES_SECONDS": "4", **OFTEN}
    two = slurm_arguments(tmp_path, SOON + "trials_per_shard = 1\n")
    code, _, err = odesweep("run", LONG, *two, results=results, **late)
    assert code == 0, err
    began = wait_for(lambda: events(results, "checkpoint"))[0]
    task = began["worker"].split("-")[-2].partition(".")[0]
    subprocess.run(["scontrol", "requeue", task], check=True)
    for _ in range(2):
        code, _, err = odesweep("run", LONG, *two, "--wait", results=results, **late)
    assert code == 0, err
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert not left_running(results)
    assert len(runs(results)) <= 4


def test_a_value_that_crashes_every_trial_ends_the_array_and_status_names_it(
    tmp_path: Path,
) -> None:
    """Each trial is a separate task.

    Tasks that begin after three crashes with the same error start no trial.
    """
    results = tmp_path / "results"
    single = slurm_arguments(tmp_path, SOON + "trials_per_shard = 1\nthrottle = 2\n")
    code, _, err = odesweep(
        "run", "faults", "model.fault=none,raise", "+seed=2..11", *single, "--wait", results=results
    )
    assert code == 1, err
    assert "trials crashed with the same error" in err
    crashed = [row for row in runs(results) if row["outcome"] == "crashed"]
    # Two tasks at once: one more may have begun before the third crash was known.
    assert 3 <= len(crashed) <= 4
    assert {row["model_fault"] for row in crashed} == {"raise"}
    code, out, _ = odesweep("status", "faults", results=results)
    assert code == 0
    assert "crashed with the same error" in out
    assert "model_fault=raise" in " ".join(out.split())
