"""What `run --wait` sends again after a scheduler ended jobs for good, and when it stops."""

from pathlib import Path

import pytest
from command import TINY

from sweeps.cli.again import Again
from sweeps.planning.plan import current_plan
from sweeps.store import EventLog, Results
from sweeps.studies import find
from sweeps.study.overrides import select


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "results")
    found.create()
    return found


def test_a_trial_is_sent_again_only_while_its_checkpoint_advances(results: Results) -> None:
    selection = select(find(TINY), None, [])
    entries = current_plan(results, selection)[0].entries
    first, second = (entry.trial.trial_id for entry in entries[:2])
    log = EventLog(results, "n1-1_0.0-00000000")

    def checkpoint(trial: str, iteration: int) -> None:
        log.append("checkpoint", trial_id=trial, iteration=iteration)

    again = Again(results, selection, entries[:2], train=True)
    assert not again.left({first, second}), "it ended before any step"
    checkpoint(first, 5)
    assert [one.trial.trial_id for one in again.left({first})] == [first]
    assert not again.left({first}), "it ended without a newer checkpoint"
    checkpoint(first, 5)
    assert not again.left({first})
    checkpoint(second, 1)
    assert {one.trial.trial_id for one in again.left({first, second})} == {first, second}
    checkpoint(first, 9)
    assert again.left({first})
    assert not again.all_done()
    log.close()


def test_trials_that_nobody_waits_for_or_that_may_not_train_are_left_alone(
    results: Results,
) -> None:
    selection = select(find(TINY), None, [])
    entries = current_plan(results, selection)[0].entries
    first, other = (entry.trial.trial_id for entry in entries[:2])
    again = Again(results, selection, entries[:1], train=True)
    evaluate = Again(results, selection, entries[:1], train=False)
    log = EventLog(results, "n1-1_0.0-00000000")
    for trial in (first, other):
        log.append("interrupted", trial_id=trial, iteration=5, cause="SIGTERM")
    log.close()
    assert not evaluate.left({first, other})
    assert not again.left({other})
    assert [one.trial.trial_id for one in again.left({first, other})] == [first]
