"""`odesweep run --wait`: shows what workers report in their events until no trial is in flight."""

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from sweeps.execute.scheduler import QueueScheduler
from sweeps.store import FINAL_OUTCOMES, EventReader, is_cancelled, read_table
from sweeps.store.clock import shared_time
from sweeps.worker.messages import Ending, Progress
from sweeps.worker.report import ShardReport, Watcher, exit_words

if TYPE_CHECKING:
    from sweeps.store import Results
    from sweeps.worker.tasks import Task

POLL_SECONDS = 2.0


class Following:
    """Waits for trials, in any job, and reports what is known about them."""

    def __init__(self, scheduler: QueueScheduler, trials: list["Task"], watcher: Watcher) -> None:
        self.scheduler, self.watcher, self.results = scheduler, watcher, scheduler.results
        self._reader = EventReader(self.results)
        self._relay = _EventRelay({task.trial_id: task for task in trials}, self.results, watcher)
        # Earlier submissions of the same trials that failed are over. Only what is still running
        # counts.
        self._followed: set[str] = set()
        self._cut_short: set[tuple[str, str]] = set()
        self._began_at, self._problem = shared_time(self.results.events), None
        scheduler.add(self._reader.poll())

    def wait(self) -> set[str]:
        """Wait until none of the trials is in flight, or until jobs were cut short.

        The trials of those jobs (see `QueueScheduler.cut_short`), each job once.
        """
        while True:
            flight = self.scheduler.in_flight(cancelled=True)
            flying = {
                trial: flight.trials[trial]
                for trial in self._relay.tasks.keys() & flight.trials.keys()
            }
            self._followed |= {job.submission_id for job in flying.values()}
            if flight.problem and flight.problem != self._problem:
                self.watcher.note(f"{flight.problem}; waiting for events of the tasks")
            self._problem = flight.problem
            for line in self.scheduler.release():
                self.watcher.note(line)
            cut_short = self.scheduler.cut_short(self._followed) - self._cut_short
            if cut_short or (not flying and not self._relay.tasks.keys() & flight.unknown):
                self._cut_short |= cut_short
                return {trial for _, trial in cut_short}
            time.sleep(POLL_SECONDS)
            new = self._reader.poll()
            self.scheduler.add(new)
            self._relay.pass_on(new)
            self.watcher.tick()

    def report(self) -> ShardReport:
        """What is known now."""
        cancelled = any(is_cancelled(self.results, submission) for submission in self._followed)
        report = ShardReport(
            evaluated=self._relay.evaluated,
            stopped="cancelled" if cancelled else self.scheduler.stopped(self._followed),
        )
        ids = [trial_id for trial_id, task in self._relay.tasks.items() if task.train]
        columns = ("trial_id", "outcome", "outcome_detail", "finished_at")
        rows = read_table(self.results, "runs", columns, ids=ids).sort_by("finished_at")
        for row in rows.to_pylist():
            if (
                row["outcome"] not in FINAL_OUTCOMES
                and row["finished_at"].timestamp() >= self._began_at
            ):
                report.outcomes[row["trial_id"]] = row["outcome"]
                report.details[row["trial_id"]] = row["outcome_detail"] or ""
        return report


class _EventRelay:
    """Passes events on to a watcher."""

    def __init__(self, tasks: dict[str, "Task"], results: "Results", watcher: Watcher) -> None:
        self.tasks, self.results, self.watcher, self.evaluated = tasks, results, watcher, 0
        self._starts: Counter[str] = Counter()

    def pass_on(self, events: list[dict[str, Any]]) -> None:
        """In the order in which they happened."""
        for event in events:
            if task := self.tasks.get(event.get("trial_id", "")):
                self._pass_on(task, event)

    def _pass_on(self, task: "Task", event: dict[str, Any]) -> None:
        match event["event"]:
            case "started":
                self._starts[task.trial_id] += 1
                if event.get("log"):
                    self.watcher.writes_to(self.results.logs / event["log"].rpartition("/")[2])
                self.watcher.began(task, self._starts[task.trial_id])
            case "heartbeat" if event.get("iterations"):
                numbers = (
                    event["iteration"],
                    event["iterations"],
                    event["loss"] or float("nan"),
                    event["seconds_per_iteration"] or 0.0,
                )
                self.watcher.progress(task, Progress(*numbers))
            case "finished" | "interrupted":
                self.evaluated += event.get("outcome") == "evaluated"
                self.watcher.ended(
                    task,
                    Ending(
                        event.get("outcome") or "interrupted",
                        event.get("cause") or event.get("fingerprint"),
                    ),
                )
            case "died":
                self.watcher.note(
                    f"{task.label}: its process died ({exit_words(event.get('exit_code'))}); a new "
                    "process resumes it from its last checkpoint"
                )
