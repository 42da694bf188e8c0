"""What the events say about a trial: claims, deaths, resumes, crashes."""

from typing import Any

import pytest

from sweeps.worker.attempts import History, process_alive

CLAIM = 180.0


def event(
    name: str, at: float, worker: str = "w", host: str = "elsewhere", trial: str = "t", **facts: Any
) -> dict[str, Any]:
    return {
        "event": name,
        "at": at,
        "worker": worker,
        "host": host,
        "pid": 1,
        "trial_id": trial,
        **facts,
    }


def started(at: float, attempt: str, resume: int = 0, **facts: Any) -> dict[str, Any]:
    return event("started", at, attempt_id=attempt, resume_iteration=resume, **facts)


def unknown(_host: str, _pid: int) -> None:
    return None


def dead(_host: str, _pid: int) -> bool:
    return False


def history(*events: dict[str, Any]) -> History:
    found = History()
    found.add(events)
    return found


def test_a_started_trial_is_claimed_until_its_worker_is_silent_too_long_or_gone() -> None:
    found = history(started(100, "a"), event("heartbeat", 160))
    assert [a.worker for a in found.running("t", 160 + CLAIM - 1, CLAIM, unknown)] == ["w"]
    assert not found.running("t", 160 + CLAIM, CLAIM, unknown)
    assert not found.running("t", 161, CLAIM, dead)


@pytest.mark.parametrize("end", ["finished", "interrupted", "died", "worker_ended"])
def test_a_trial_with_an_end_is_nobodys(end: str) -> None:
    assert not history(started(100, "a"), event(end, 101)).running("t", 102, CLAIM, unknown)


def test_deaths_count_only_without_a_newer_checkpoint_and_since_the_last_retry() -> None:
    twice = history(started(1, "a"), event("died", 2), started(3, "b"), event("died", 4))
    assert (
        twice.deaths_without_progress("t", furthest=0, now=5, claim_seconds=CLAIM, alive=unknown)
        == 2
    )
    assert (
        twice.deaths_without_progress("t", furthest=50, now=5, claim_seconds=CLAIM, alive=unknown)
        == 0
    )
    assert (
        twice.deaths_without_progress(
            "t", furthest=0, now=5, claim_seconds=CLAIM, alive=unknown, since=2.5
        )
        == 1
    )


def test_an_interruption_is_no_death_and_a_silent_worker_is_one() -> None:
    interrupted = history(started(1, "a"), event("interrupted", 2, cause="SIGTERM"))
    assert (
        interrupted.deaths_without_progress("t", 0, now=1000, claim_seconds=CLAIM, alive=unknown)
        == 0
    )
    silent = history(started(1, "a"))
    assert silent.deaths_without_progress("t", 0, now=100, claim_seconds=CLAIM, alive=unknown) == 0
    assert (
        silent.deaths_without_progress("t", 0, now=1 + CLAIM, claim_seconds=CLAIM, alive=unknown)
        == 1
    )
    assert silent.deaths_without_progress("t", 0, now=2, claim_seconds=CLAIM, alive=dead) == 1


def test_resumes_from_the_same_checkpoint_are_counted_whatever_ended_them() -> None:
    events = [
        e
        for n in range(6)
        for e in (started(2 * n, f"a{n}", resume=40), event("interrupted", 2 * n + 1))
    ]
    assert history(*events).resumes_without_progress("t", furthest=40) == 5
    assert history(*events).resumes_without_progress("t", furthest=41) == 0
    assert history(*events).resumes_without_progress("t", furthest=40, since=4) == 3


def test_given_up_until_retry() -> None:
    found = history(started(10, "a"), event("finished", 11, outcome="crashed", fingerprint="hung"))
    assert found.given_up("t")
    assert not found.given_up("t", since=12)
    assert not history(
        started(10, "a"), event("finished", 11, outcome="crashed", fingerprint="RuntimeError-1")
    ).given_up("t")


def test_two_workers_on_one_trial_are_two_attempts() -> None:
    found = history(
        started(1, "a", worker="w1"),
        started(2, "b", worker="w2"),
        event("finished", 3, worker="w1", outcome="completed"),
    )
    assert found.starts("t") == 2
    assert [a.worker for a in found.running("t", 4, CLAIM, unknown)] == ["w2"]


def test_crashes_are_grouped_by_fingerprint() -> None:
    found = history(
        *(
            e
            for n in range(3)
            for e in (
                started(n, f"a{n}", trial=f"t{n}"),
                event("finished", n, trial=f"t{n}", outcome="crashed", fingerprint="F"),
            )
        )
    )
    assert found.crashes(since=0) == {"F": dict.fromkeys(("t0", "t1", "t2"), "elsewhere")}
    assert found.crashes(since=1) == {"F": dict.fromkeys(("t1", "t2"), "elsewhere")}


def test_a_trial_given_up_for_deaths_of_before_did_not_crash_since() -> None:
    verdict = (started(20, "c"), event("finished", 20, outcome="crashed", fingerprint="killed"))
    found = history(started(1, "a"), event("died", 2), started(3, "b"), event("died", 4), *verdict)
    assert found.crashes(since=0) == {"killed": {"t": "elsewhere"}}
    assert found.crashes(since=3) == {"killed": {"t": "elsewhere"}}
    assert found.crashes(since=10) == {}


def test_a_process_is_known_to_live_only_on_this_host() -> None:
    import os
    import socket

    assert process_alive(socket.gethostname(), os.getpid()) is True
    assert process_alive(socket.gethostname(), 2**22 + 1) is False
    assert process_alive("elsewhere", os.getpid()) is None
