"""When crashes that look alike end a study: how many, of what, and on which hosts."""

from typing import Any

from test_history import event, history, started
from tiny import TINY as STUDY

from sweeps.store import Submission
from sweeps.store.schema import SUBMISSION, to_table
from sweeps.study.overrides import select
from sweeps.worker.repeated_crashes import crashed_alike
from sweeps.worker.tasks import Task

CREATED = "1970-01-01T00:01:40+00:00"
TRIALS = select(STUDY, "paper").declared


def submission() -> Submission:
    rows = [
        Task(one.trial_id, one.spec, True, (), (), 1.0).to_row(0, n) for n, one in enumerate(TRIALS)
    ]
    return Submission("0" * 32, to_table(SUBMISSION, rows), {"created_at": CREATED})


def crash(trial: str, host: str, at: float = 200.0) -> tuple[dict[str, Any], ...]:
    where: dict[str, Any] = {"trial": trial, "host": host, "worker": f"w-{trial}"}
    return started(at, f"a-{trial}", **where), event(
        "finished", at + 1, outcome="crashed", fingerprint="F", **where
    )


def crashes(hosts: str, at: float = 200.0) -> list[dict[str, Any]]:
    return [
        one
        for trial, host in zip(TRIALS, hosts, strict=False)
        for one in crash(trial.trial_id, host, at)
    ]


def test_three_of_a_submission_in_whatever_task_end_it_and_two_do_not() -> None:
    found = crashed_alike(history(*crashes("abb")), submission(), "c")
    assert found
    assert found[0] == "F"
    assert found[1].startswith(
        "stopped early: 3 trials crashed with the same error (F); they share "
    )
    assert crashed_alike(history(*crashes("ab")), submission(), "c") is None


def test_crashes_before_it_was_submitted_or_of_other_trials_do_not_count() -> None:
    assert crashed_alike(history(*crashes("abb", at=50.0)), submission(), "c") is None
    others = [one for n in range(3) for one in crash(f"other{n}", "ab"[n % 2])]
    assert crashed_alike(history(*others), submission(), "c") is None


def test_one_host_that_fails_everything_does_not_stop_the_others() -> None:
    on_a = crashes("aaa")
    assert crashed_alike(history(*on_a), submission(), "b") is None
    assert crashed_alike(history(*on_a), submission(), "a"), (
        "no other host was seen: it is what the trials share"
    )
    fine = (
        started(200, "x", trial="t", host="b", worker="w"),
        event("finished", 201, trial="t", host="b", worker="w", outcome="completed"),
    )
    assert crashed_alike(history(*on_a, *fine), submission(), "a") is None
