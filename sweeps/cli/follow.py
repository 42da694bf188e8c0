"""`odesweep run --wait` under SLURM: shows what the tasks tell in their events, until none of the trials is in flight any more."""

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from sweeps.slurm.commands import QUEUE_SECONDS
from sweeps.slurm.inflight import Sky, tasks
from sweeps.store import FINAL_OUTCOMES, EventReader, is_cancelled, read_table
from sweeps.worker.messages import Ending, Progress
from sweeps.worker.report import ShardReport, Watcher, exit_words

if TYPE_CHECKING:
    from sweeps.store import Results
    from sweeps.worker.tasks import Task

POLL_SECONDS = 2.0


def follow(
    results: "Results", trials: list["Task"], written: list[str], watcher: Watcher
) -> ShardReport:
    """Wait for these trials, wherever in the queue they are; what is known of them then. written: submissions of a moment ago."""
    sky, reader = Sky(results, cancelled=True), EventReader(results)
    sky.know(written)
    told = _Teller({task.trial_id: task for task in trials}, results, watcher)
    mine = {
        one.submission_id
        for one in sky.open()
        for shard in sky.trials(one.submission_id).values()
        if told.tasks.keys() & set(shard)
    }
    followed: set[str] = set()
    began_at, released_at, problem = time.time(), -1e9, None
    sky.told.add(reader.poll())
    while True:
        flight = sky.look()
        # Earlier submissions of the same trials that ended badly are over; what counts is what was alive meanwhile.
        followed |= {
            task.comment for task in sky.queue.queued if task.live and task.comment in mine
        }
        if flight.problem and flight.problem != problem:
            watcher.note(f"{flight.problem}; waiting for what the tasks tell")
        problem = flight.problem
        if time.monotonic() - released_at > QUEUE_SECONDS and (n := sky.release_held()):
            watcher.note(f"{tasks(n)} that SLURM held after a failed launch: released")
            released_at = time.monotonic()
        if not told.tasks.keys() & (flight.trials.keys() | flight.unknown):
            break
        time.sleep(POLL_SECONDS)
        new = reader.poll()
        sky.told.add(new)
        told.tell(new)
        watcher.tick()
    report = ShardReport(evaluated=told.evaluated, stopped=_stopped(sky, followed))
    ids = [trial_id for trial_id in told.tasks if told.tasks[trial_id].train]
    for row in (
        read_table(
            results, "runs", ("trial_id", "outcome", "outcome_detail", "finished_at"), ids=ids
        )
        .sort_by("finished_at")
        .to_pylist()
    ):
        if row["outcome"] not in FINAL_OUTCOMES and row["finished_at"].timestamp() >= began_at:
            report.outcomes[row["trial_id"]], report.details[row["trial_id"]] = (
                row["outcome"],
                row["outcome_detail"] or "",
            )
    return report


def _stopped(sky: Sky, submissions: set[str]) -> str | None:
    """Why tasks ended before their work was done, as they or SLURM say."""
    if any(is_cancelled(sky.results, submission) for submission in submissions):
        return "cancelled"
    for submission in submissions:
        for starts in sky.told.starts.get(submission, {}).values():
            for ending in starts[max(starts)].endings.values():
                if ending not in (None, "done"):
                    return ending
    ended = Counter(
        task.state
        for task in sky.queue.look() or ()
        if task.comment in submissions and not task.live and task.state != "COMPLETED"
    )
    return (
        "SLURM ended " + ", ".join(f"{tasks(n)} as {state}" for state, n in ended.items())
        if ended
        else None
    )


class _Teller:
    """Passes events on to a watcher."""

    def __init__(self, tasks: dict[str, "Task"], results: "Results", watcher: Watcher) -> None:
        self.tasks, self.results, self.watcher, self.evaluated = tasks, results, watcher, 0
        self._starts: Counter[str] = Counter()

    def tell(self, events: list[dict[str, Any]]) -> None:
        """In the order in which they happened."""
        for event in events:
            if task := self.tasks.get(event.get("trial_id", "")):
                self._tell(task, event)

    def _tell(self, task: "Task", event: dict[str, Any]) -> None:
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
                    f"{task.label}: its process died ({exit_words(event.get('exit_code'))}); it goes on from its last checkpoint"
                )
