"""Two commands in one results folder divide its trials and train none twice."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import LONG, events, runs, start
from executor_contract import accepted_once
from one_attempt import DENSE, context

from sweeps.limits import Limits
from sweeps.store import EventLog, Results
from sweeps.worker.choose import Chooser
from sweeps.worker.tasks import Task

TASK = Task(DENSE.trial_id, DENSE.spec, True, (), (), 0.0)
TRIAL = DENSE.trial_id


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "results")
    found.create()
    return found


def chooser(results: Results, worker: str = "w", claim: float = 60.0) -> Chooser:
    about = replace(context(results.path), limits=Limits(claim_seconds=claim))
    return Chooser([TASK], results, worker, about)


def says(results: Results, worker: str, event: str, **fields: Any) -> None:
    log = EventLog(results, worker)
    log.append(event, trial_id=TRIAL, attempt_id=f"of-{worker}", **fields)
    log.close()


def test_two_commands_that_begin_together_train_every_trial_once(tmp_path: Path) -> None:
    results = tmp_path / "results"
    both = [start("run", LONG, "train.iterations=300", results=results) for _ in range(2)]
    for one in both:
        _, err = one.communicate(timeout=100)
        assert one.returncode == 0, err
    cut = [one for one in events(results, "interrupted") if "first" in one["cause"]]
    assert len(events(results, "started")) - len(cut) == 2 == len(runs(results))
    assert accepted_once(results)


def test_the_trial_of_a_worker_that_lives_is_left_to_it(results: Results) -> None:
    says(results, "other", "started")
    one = chooser(results)
    assert one.next() is None
    assert one.elsewhere == [TRIAL]
    assert chooser(results, claim=0.0).next() is TASK, "silent for longer than the claim"
    says(results, "other", "interrupted")
    assert chooser(results).next() is TASK


def test_a_result_whose_row_is_still_in_memory_is_waited_for(results: Results) -> None:
    says(results, "other", "started")
    says(results, "other", "finished", outcome="completed")
    assert chooser(results).next() is None
    assert chooser(results, claim=0.0).next() is TASK, "its worker died with the row"
    says(results, "other", "worker_ended", reason="done")
    assert chooser(results).next() is TASK, "the row was lost, or withdrawn"


def test_of_two_that_started_in_one_moment_the_first_goes_on(results: Results) -> None:
    says(results, "b", "started")
    time.sleep(0.01)
    says(results, "a", "started")
    first, second = chooser(results, "b"), chooser(results, "a")
    for one in (first, second):
        one.read_events()
    assert not first.started_before(TRIAL)
    assert second.started_before(TRIAL)
    says(results, "b", "interrupted")
    second.read_events()
    assert not second.started_before(TRIAL), "the other has left it"
