"""What the events say about each trial.

Who runs it now, deaths without progress, and whether it was given up.
"""

import math
import os
import socket
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps.store import FINAL_OUTCOMES

# A trial is not started again before `retry` after this many deaths of unknown cause, or resumes
# for any reason, without a newer checkpoint.
DEATHS_ALLOWED = 2
RESUMES_ALLOWED = 5
# The event, and the ending, of a start that left the trial to a worker which started it first.
YIELDED = "yielded"
# Crashes that the next `run` would only repeat, at great cost.
GIVEN_UP = ("killed", "hung", "timed_out")

# Whether a process of a host exists; None if nobody can tell.
Alive = Callable[[str, int], bool | None]


@dataclass
class Start:
    """One start of a trial, as its events describe it.

    `sweeps.store.Attempt` is the row that it ends with.
    """

    worker: str
    host: str
    pid: int
    started_at: float
    seen_at: float
    resume_iteration: int
    iteration: int = 0
    ending: str | None = None
    fingerprint: str | None = None


@dataclass
class History:
    """The attempts of each trial, from events in any order.

    `add` may be called again with newer events.
    """

    attempts: dict[str, dict[str, Start]] = field(default_factory=dict)
    # Trials with an attempt that has not ended, so that nobody needs to search all the others.
    unfinished: set[str] = field(default_factory=set)
    # The command that sent each worker's submission, where the worker says it.
    command_of: dict[str, str] = field(default_factory=dict)
    # Workers that have published everything and ended.
    ended: set[str] = field(default_factory=set)
    # Worker -> the trials that it started and has not ended, a stack at most, and their attempts.
    _of_worker: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Add more events. Those of one worker come in its order."""
        for event in events:
            worker, at = event["worker"], event["at"]
            if event["event"] == "started":
                attempt = Start(
                    worker, event["host"], event["pid"], at, at, event.get("resume_iteration") or 0
                )
                self.attempts.setdefault(event["trial_id"], {})[event["attempt_id"]] = attempt
                self._of_worker.setdefault(worker, {})[event["trial_id"]] = event["attempt_id"]
                self.unfinished.add(event["trial_id"])
                continue
            if event["event"] == "worker_started":
                self.command_of[worker] = event.get("command_id", "")
            running = self._of_worker.get(worker, {})
            if event["event"] == "worker_ended":
                self.ended.add(worker)
                for trial in list(running):
                    self._end(running, trial, "interrupted")
            elif (trial := event.get("trial_id", "")) in running:
                attempt = self.attempts[trial][running[trial]]
                attempt.seen_at = max(attempt.seen_at, at)
                attempt.iteration = event.get("iteration") or attempt.iteration
                if event["event"] in ("finished", "interrupted", "died", YIELDED):
                    attempt.fingerprint = event.get("fingerprint")
                    self._end(running, trial, event.get("outcome") or event["event"])

    def _end(self, running: dict[str, str], trial: str, ending: str) -> None:
        self.attempts[trial][running.pop(trial)].ending = ending
        if all(attempt.ending for attempt in self.attempts[trial].values()):
            self.unfinished.discard(trial)

    def running(
        self,
        trial_id: str,
        now: float,
        claim_seconds: float,
        alive: Alive,
    ) -> list[Start]:
        """Attempts that are running.

        Not ended, with a recent heartbeat, and with a process that is not known to be gone.
        """
        if trial_id not in self.unfinished:
            return []
        return [
            a
            for a in self.attempts.get(trial_id, {}).values()
            if _is_live(a, now, claim_seconds, alive)
        ]

    def unpublished(
        self,
        trial_id: str,
        endings: Collection[str],
        now: float,
        claim_seconds: float,
        alive: Alive,
        since: float = 0.0,
    ) -> list[Start]:
        """Attempts that ended in one of these ways moments ago.

        Their worker lives and may still have the rows in memory.
        """
        return [
            a
            for a in self.attempts.get(trial_id, {}).values()
            if a.ending in endings
            and a.worker not in self.ended
            and a.started_at >= since
            and _was_heard(a, now, claim_seconds, alive)
        ]

    def deaths_without_progress(
        self,
        trial_id: str,
        furthest: int,
        now: float,
        claim_seconds: float,
        alive: Alive,
        since: float = 0.0,
    ) -> int:
        """Attempts that ended for an unknown reason without a newer checkpoint.

        Newer means newer than the one from which they started.
        """
        return sum(
            a.resume_iteration >= furthest
            and (
                a.ending == "died"
                or (a.ending is None and not _is_live(a, now, claim_seconds, alive))
            )
            for a in self.attempts.get(trial_id, {}).values()
            if a.started_at >= since
        )

    def resumes_without_progress(self, trial_id: str, furthest: int, since: float = 0.0) -> int:
        """Starts from the furthest checkpoint that ended with an interruption or a death.

        The first of them does not count.
        """
        unfinished = ("interrupted", "died", None)
        starts = [
            a
            for a in self.attempts.get(trial_id, {}).values()
            if a.started_at >= since and a.resume_iteration >= furthest
        ]
        return max(0, sum(a.ending in unfinished for a in starts) - 1)

    def given_up(self, trial_id: str, since: float = 0.0) -> bool:
        """Whether a row says that this trial only dies, hangs or makes no progress.

        A retry since then makes this False.
        """
        return any(
            a.fingerprint in GIVEN_UP and a.started_at >= since
            for a in self.attempts.get(trial_id, {}).values()
        )

    def busy_seconds(self, command_id: str) -> float:
        """How long slots were busy with trials of one command, in every attempt, however it ended.

        A running attempt counts up to its last sign of life. Trials of a stack share their time.
        """
        spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for attempts in self.attempts.values():
            for attempt in attempts.values():
                if self.command_of.get(attempt.worker) == command_id:
                    spans[attempt.worker].append((attempt.started_at, attempt.seen_at))
        busy = 0.0
        for of_worker in spans.values():
            until = -math.inf
            for start, end in sorted(of_worker):
                busy += max(0.0, end - max(start, until))
                until = max(until, end)
        return busy

    def starts(self, trial_id: str) -> int:
        """The number of times the trial was started, without those that yielded at once."""
        return sum(a.ending != YIELDED for a in self.attempts.get(trial_id, {}).values())

    def crashes(self, since: float) -> dict[str, dict[str, str]]:
        """For each fingerprint, the trials that crashed with it since then, each with its host.

        Trials that were given up because of deaths before that time did not crash since then.
        """
        found: dict[str, dict[str, str]] = {}
        for trial, attempts in self.attempts.items():
            recent = [attempt for attempt in attempts.values() if attempt.started_at >= since]
            died = any(attempt.ending in ("died", None) for attempt in recent)
            for attempt in recent:
                if (
                    attempt.ending == "crashed"
                    and attempt.fingerprint
                    and (died or attempt.fingerprint != "killed")
                ):
                    found.setdefault(attempt.fingerprint, {})[trial] = attempt.host
        return found

    def went_well(self, since: float) -> set[str]:
        """Hosts where a trial reached a final outcome since then."""
        attempts = (attempt for of_trial in self.attempts.values() for attempt in of_trial.values())
        return {
            attempt.host
            for attempt in attempts
            if attempt.ending in FINAL_OUTCOMES and attempt.started_at >= since
        }


def _is_live(attempt: Start, now: float, claim_seconds: float, alive: Alive) -> bool:
    return attempt.ending is None and _was_heard(attempt, now, claim_seconds, alive)


def _was_heard(attempt: Start, now: float, claim_seconds: float, alive: Alive) -> bool:
    # None means another host: nobody can tell, and the recent heartbeat decides.
    return now - attempt.seen_at < claim_seconds and alive(attempt.host, attempt.pid) is not False


def process_alive(host: str, pid: int) -> bool | None:
    """Whether this process exists and has not ended. None if it is on another host."""
    if host != socket.gethostname():
        return None
    if Path("/proc/self").exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        except OSError:  # of another user
            return True
        # A process that was killed stays a zombie until its parent asks how it ended.
        return state not in (b"Z", b"X")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True
