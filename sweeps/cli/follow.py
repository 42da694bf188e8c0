"""`odesweep run --wait`: shows what workers report in their events until no trial is in flight."""

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from sweeps.execute.scheduler import QueueScheduler
from sweeps.store import FINAL_OUTCOMES, EventReader, is_cancelled, read_table
from sweeps.worker.messages import Ending, Progress
from sweeps.worker.report import ShardReport, Watcher, exit_words

if TYPE_CHECKING:
    from sweeps.store import Results
    from sweeps.worker.tasks import Task

POLL_SECONDS = 2.0


def follow(scheduler: QueueScheduler, trials: list["Task"], watcher: Watcher) -> ShardReport:
    """Wait for these trials, in any job; then report what is known about them."""
    results, reader = scheduler.results, EventReader(scheduler.results)
    relay = _EventRelay({task.trial_id: task for task in trials}, results, watcher)
    # Earlier submissions of the same trials that failed are over. Only what is still running
    # counts.
    followed: set[str] = set()
    began_at, problem = time.time(), None
    scheduler.add(reader.poll())
    while True:
        flight = scheduler.in_flight(cancelled=True)
        flying = {
            trial: flight.trials[trial] for trial in relay.tasks.keys() & flight.trials.keys()
        }
        followed |= {job.submission_id for job in flying.values()}
        if flight.problem and flight.problem != problem:
            watcher.note(f"{flight.problem}; waiting for events of the tasks")
        problem = flight.problem
        for line in scheduler.release():
            watcher.note(line)
        if not flying and not relay.tasks.keys() & flight.unknown:
            break
        time.sleep(POLL_SECONDS)
        new = reader.poll()
        scheduler.add(new)
        relay.pass_on(new)
        watcher.tick()
    cancelled = any(is_cancelled(results, submission) for submission in followed)
    report = ShardReport(
        evaluated=relay.evaluated,
        stopped="cancelled" if cancelled else scheduler.stopped(followed),
    )
    ids = [trial_id for trial_id in relay.tasks if relay.tasks[trial_id].train]
    columns = ("trial_id", "outcome", "outcome_detail", "finished_at")
    rows = read_table(results, "runs", columns, ids=ids).sort_by("finished_at").to_pylist()
    for row in rows:
        if row["outcome"] not in FINAL_OUTCOMES and row["finished_at"].timestamp() >= began_at:
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
