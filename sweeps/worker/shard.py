"""A shard at work, the only code that runs on other machines.

It runs the trials of one shard in its slot and publishes their rows.
"""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from sweeps.store import EventLog, Results, Submission, is_cancelled, read_submission
from sweeps.store.clock import shared_now
from sweeps.worker.attempts import YIELDED
from sweeps.worker.choose import Chooser, Fits, Verdict, always
from sweeps.worker.guard import Guard
from sweeps.worker.messages import (
    Alive,
    Assignment,
    Checkpointed,
    Content,
    Context,
    Ending,
    Message,
    Progress,
    Rows,
)
from sweeps.worker.publisher import CannotPublish, Publisher
from sweeps.worker.repeated_crashes import crashed_alike
from sweeps.worker.report import ShardReport, Watcher, exit_words
from sweeps.worker.rows import bare_row
from sweeps.worker.slot import Slot, SlotDied
from sweeps.worker.tasks import Task

# A trial longer than this is published at once: its row is worth a file.
AT_ONCE_SECONDS = 5.0
# The reason of a shard that stops because its next trial would not end before the time limit.
NO_TIME = "no time left for another trial"
# How often a shard looks whether trials that other workers run are free or done.
LOOK_SECONDS = 1.0
# How the reason begins of a shard that stops because of its command's budget.
BUDGET_USED = "the budget of"


@dataclass
class _Running:
    """The assignments that the slot has not ended, by trial, and what was last heard of each."""

    assignments: dict[str, Assignment]
    guard: Guard
    latest: dict[str, Progress] = field(default_factory=dict)


@dataclass
class Shard:
    """Tasks that one slot works through; all those that nobody has finished.

    The caller owns the slot and closes it. log: the file to which the slot's process writes.
    stop_cause: called all the time; if it returns a text, the shard ends after a checkpoint. fits:
    whether enough time is left to start a task. about: what its first event says, besides. patient:
    whether its slot has nothing else to do than to wait for trials that other workers run.
    """

    tasks: list[Task]
    context: Context
    slot: Slot
    log: Path
    stop_cause: Callable[[], str | None]
    watcher: Watcher
    fits: Fits
    about: Mapping[str, Any]
    patient: Callable[[], bool] = always

    def __post_init__(self) -> None:
        context, worker_id = self.context, self.context.provenance["worker_id"]
        self.results = Results(context.results)
        self.chooser = Chooser(self.tasks, self.results, worker_id, context)
        self.events = EventLog(self.results, worker_id)
        self.publisher = Publisher(
            self.results,
            worker_id,
            context,
            lambda: self.stop_cause() is not None,
            self.watcher.note,
            self.watcher.tick,
        )
        self.report = ShardReport()
        self.memory_retries: set[str] = set()
        self.cancelled = False

    @cached_property
    def submission(self) -> Submission:
        """The settings that all tasks of this shard's `run` share."""
        return read_submission(self.results, self.context.provenance["submission_id"])

    def run(self) -> ShardReport:
        """Run it until no task is left, or until it stops early with the reason in the report."""
        origin = self.context.provenance
        known = {key: origin[key] for key in ("submission_id", "executor")}
        self.events.append("worker_started", **known, **self.about)
        try:
            self._check_cancelled()
            self._stop_when_alike()
            while not self._stopping() and (task := self._next()) is not None:
                if self._budget_used():
                    break
                self._run_task(task)
                self.publisher.publish_if_due()
                self._check_cancelled()
            if (
                self.report.stopped is None
                and self.report.infrastructure is None
                and self.chooser.tasks.keys() > set(self.chooser.elsewhere)
            ):
                self.report.stopped = NO_TIME
        except CannotPublish as error:
            self.report.infrastructure = str(error)
        finally:
            self._close()
        for trial_id, outcome in self.chooser.settled.items():
            self.report.outcomes.setdefault(trial_id, outcome)
        return self.report

    def _next(self) -> Task | None:
        """The next task. If other workers run all that are left, it waits for a while.

        A worker that is silent for so long is dead, and its trial goes on here. A trial of a worker
        that lives is left to it: nothing is trained twice.
        """
        patience, began = self.context.limits.claim_seconds, time.monotonic()
        waiting = False
        while (task := self.chooser.next(self.fits)) is None and self.chooser.elsewhere:
            if not self.patient():
                self.report.unwaited = True
                return None
            count = len(self.chooser.elsewhere)
            if not waiting:
                last = "trial" if count == 1 else f"{count} trials"
                self.watcher.note(
                    f"other workers run the last {last}; waiting up to {patience:.0f} s in case "
                    "one is gone"
                )
                # Others may wait for the rows that are still in memory here.
                self.publisher.publish()
                waiting = True
            if time.monotonic() - began > patience:
                left = "1 trial" if count == 1 else f"{count} trials"
                self.watcher.note(f"other workers still run {left}, so nothing is left to do here")
                return None
            time.sleep(LOOK_SECONDS)
            self.watcher.tick()
            self._check_cancelled()
            if self._stopping():
                return None
        return task

    def _close(self) -> None:
        if self.report.infrastructure is None or self.publisher.pending:
            try:
                self.publisher.close()
            except CannotPublish as error:
                self.report.infrastructure = str(error)
        self.events.append(
            "worker_ended", reason=self.report.infrastructure or self.report.stopped or "done"
        )

    def _check_cancelled(self) -> None:
        submission = self.context.provenance["submission_id"]
        self.cancelled = self.cancelled or is_cancelled(self.results, submission)

    def _stopping(self) -> bool:
        if self.report.stopped is None:
            self.report.stopped = self.stop_cause() or ("cancelled" if self.cancelled else None)
        return self.report.stopped is not None or self.report.infrastructure is not None

    def _budget_used(self) -> bool:
        """Whether no other trial may begin. Also tells everybody."""
        budget = self.context.budget
        if budget is None:
            return False
        self.chooser.read_events()
        used = self.chooser.history.busy_seconds(self.context.command_id)
        if used < budget.slot_seconds:
            return False
        self.report.stopped = f"{BUDGET_USED} {budget.text} is used, no other trial begins"
        self.events.append("budget_used", message=self.report.stopped, **self.about)
        return True

    def _run_task(self, task: Task) -> None:
        """Run a task, and with it those that train as one stack with it."""
        furthest, verdict = self.chooser.verdict(task) if task.train else (0, None)
        if verdict:
            self._give_up(task, verdict)
            return
        guard = Guard(self.context.limits.stall_seconds, self.slot.starved_seconds)
        members = [(task, furthest), *self.chooser.stack_of(task, self.fits)]
        assignments = self._without_second([self._begin(*member) for member in members])
        if not assignments:
            return
        for one in assignments:
            self.watcher.began(one.task, one.attempts)
        running = _Running({one.task.trial_id: one for one in assignments}, guard)
        try:
            self.slot.run(assignments, self._listener(running), self._stopping)
        except SlotDied as death:
            for assignment in list(running.assignments.values()):
                self._died(assignment, guard, death)

    def _begin(self, task: Task, furthest: int) -> Assignment:
        attempts = self.chooser.history.starts(task.trial_id) + 1
        assignment = Assignment(task, uuid4().hex, attempts)
        offset = self.log.stat().st_size if self.log.exists() else 0
        where = {"log": self.log.name, "log_offset": offset}
        self._event(
            "started",
            task,
            attempt_id=assignment.attempt_id,
            resume_iteration=furthest,
            train=task.train,
            **where,
        )
        return assignment

    def _without_second(self, assignments: list[Assignment]) -> list[Assignment]:
        """Those that no other worker started a moment before, when each had not seen the other."""
        self.chooser.read_events()
        mine = []
        for one in assignments:
            if self.chooser.started_before(one.task.trial_id):
                self._event(YIELDED, one.task)
            else:
                mine.append(one)
        return mine

    def _listener(self, running: "_Running") -> Callable[[Message | None], None]:
        """Handles what happens while trials run.

        Stores rows, records heartbeats and endings, sends heartbeats of its own, and kills a silent
        process.
        """
        guard, began = running.guard, time.monotonic()
        heartbeat_at = began

        def on_content(task: Task, content: Content) -> None:
            match content:
                case Rows(table, rows):
                    guard.alive()
                    self.publisher.add(table, rows)
                case Progress() as progress:
                    guard.alive(progress)
                    running.latest[task.trial_id] = progress
                    self.watcher.progress(task, progress)
                case Checkpointed(iteration):
                    guard.alive()
                    self._event("checkpoint", task, iteration=iteration)
                case Alive():
                    guard.alive()
                case Ending() as ending:
                    guard.alive()
                    del running.assignments[task.trial_id]
                    self._ended(task, ending, time.monotonic() - began)

        def on_message(message: Message | None) -> None:
            nonlocal heartbeat_at
            if message is None:
                self.watcher.tick()
            else:
                on_content(running.assignments[message.trial_id].task, message.content)
            if guard.hung():
                self.slot.kill()
            if time.monotonic() - heartbeat_at >= self.context.limits.heartbeat_seconds:
                heartbeat_at = time.monotonic()
                for trial_id, assignment in running.assignments.items():
                    self._event(
                        "heartbeat", assignment.task, **_facts(running.latest.get(trial_id))
                    )
                self._check_cancelled()
                self.publisher.publish_if_due()

        return on_message

    def _died(self, assignment: Assignment, guard: Guard, death: SlotDied) -> None:
        task = assignment.task
        if guard.killed:
            detail = f"no heartbeat for {guard.limit_seconds:.0f} s; its process was killed"
            self._write_row(assignment, Verdict("crashed", "hung", detail))
        elif cause := self.stop_cause():
            self._event("interrupted", task, cause=cause)
        else:
            self._event("died", task, cause="unknown", exit_code=death.exit_code)
            self.watcher.note(
                f"{task.label}: its process died ({exit_words(death.exit_code)}); a new process "
                "resumes it from its last checkpoint"
            )

    def _give_up(self, task: Task, verdict: Verdict) -> None:
        """End a trial that is not started again.

        This is a separate attempt, so that all readers of the events see the verdict.
        """
        attempts = self.chooser.history.starts(task.trial_id)
        assignment = Assignment(task, uuid4().hex, attempts)
        self._event("started", task, attempt_id=assignment.attempt_id, resume_iteration=0)
        self._write_row(assignment, verdict)

    def _write_row(self, assignment: Assignment, verdict: Verdict) -> None:
        """Write the row of a trial whose process can no longer do it."""
        row = bare_row(
            assignment,
            self.context,
            outcome=verdict.outcome,
            started_at=shared_now(self.results.events),
            detail=verdict.detail,
            fingerprint=verdict.fingerprint,
        )
        self.publisher.add("runs", [row])
        ending = Ending(verdict.outcome, verdict.detail, verdict.fingerprint)
        self._ended(assignment.task, ending, 0.0)

    def _ended(self, task: Task, ending: Ending, seconds: float) -> None:
        done = True
        match ending.outcome:
            case "interrupted":
                self._event(
                    "interrupted", task, cause=self.report.stopped, iteration=ending.iteration
                )
                done = False
            case "infrastructure":
                self._event("interrupted", task, cause="infrastructure")
                self.report.infrastructure, done = ending.detail, False
            case "weights_missing":
                self._event("interrupted", task, cause="weights missing")
                self.report.unevaluated[task.trial_id] = ending.detail or ""
            case "out_of_memory" if task.trial_id not in self.memory_retries:
                # It runs once more after everything else: then no other trial of this slot shares
                # the device with it.
                self.memory_retries.add(task.trial_id)
                self._event(
                    "finished", task, outcome=ending.outcome, fingerprint=ending.fingerprint
                )
                self.chooser.put_last(task)
                self.watcher.note(f"{task.label}: out of memory; retried last in this slot")
                done = False
            case "evaluated":
                self._event("finished", task, outcome=ending.outcome)
                self.report.evaluated += 1
            case _:
                self._event(
                    "finished", task, outcome=ending.outcome, fingerprint=ending.fingerprint
                )
                self.report.outcomes[task.trial_id], self.report.details[task.trial_id] = (
                    ending.outcome,
                    ending.detail or "",
                )
        if done:
            self.chooser.tasks.pop(task.trial_id, None)
        self.watcher.ended(task, replace(ending, log=self.log))
        if ending.outcome == "crashed":
            self._stop_when_alike()
        if seconds > AT_ONCE_SECONDS or self._stopping():
            self.publisher.publish()

    def _stop_when_alike(self) -> None:
        self.chooser.read_events()
        if self.chooser.history.crashes(0.0) and (
            alike := crashed_alike(self.chooser.history, self.submission, socket.gethostname())
        ):
            fingerprint, self.report.stopped = alike
            self.events.append(
                "stopped_early", fingerprint=fingerprint, message=self.report.stopped
            )

    def _event(self, event: str, task: Task, **facts: Any) -> None:
        self.events.append(event, trial_id=task.trial_id, **facts)


def _facts(progress: Progress | None) -> dict[str, Any]:
    if progress is None:
        return {}
    return {
        "iteration": progress.iteration,
        "iterations": progress.iterations,
        "loss": progress.loss,
        "seconds_per_iteration": progress.seconds_per_step,
    }
