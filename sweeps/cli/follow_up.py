"""`run --then`: what happens after the trials of a command."""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from sweeps.execute.scheduler import QueueScheduler, Scheduler
from sweeps.follow_up import Then
from sweeps.store import EventReader

if TYPE_CHECKING:
    pass

POLL_SECONDS = 2.0


def follow_up(then: Then, place: Scheduler, submissions: Collection[str], *, wait: bool) -> int:
    """Queue the command after these submissions, or run it here; its exit code, 0 while unknown.

    wait: whether to wait for the end of its job.
    """
    events = EventReader(place.results)
    events.poll()
    job = place.then(then, submissions)
    if job is None:
        code = then.run(place.results)
        print(then.words(code))
        return code
    log = place.results.logs / f"{then.name}.log"
    print(f"--then {then.command!r} is queued as job {job}; it prints to {log}")
    return _wait(then, job, place, events) if wait and isinstance(place, QueueScheduler) else 0


def _wait(then: Then, job: str, place: QueueScheduler, events: EventReader) -> int:
    while (code := then.exit_code(events)) is None:
        if place.job_over(job):
            # Its last event may have come in between.
            code = then.exit_code(events)
            break
        time.sleep(POLL_SECONDS)
    print(f"job {job} of --then ended without an exit code" if code is None else then.words(code))
    return 1 if code is None else code
