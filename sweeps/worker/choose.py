"""Which trial a shard runs next.

Trials that are done or given up are left out, and so are those that other workers are running. The
longest trials come first.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from odecore.config.stacks import stack_key
from odecore.training.checkpointing import furthest_iteration
from sweeps.planning.missing import reachable, undone
from sweeps.planning.shards import in_turn
from sweeps.spec import eval_id, probe_id
from sweeps.store import FINAL_OUTCOMES, EventReader, Results, StoreView
from sweeps.store.clock import shared_time
from sweeps.worker.attempts import (
    DEATHS_ALLOWED,
    RESUMES_ALLOWED,
    Alive,
    History,
    Start,
    process_alive,
)
from sweeps.worker.messages import Context
from sweeps.worker.tasks import Task

# Reading the folder may take at most this share of the time, and happens at least this often. With
# short trials on a fast disk it happens nearly every time.
LOOK_SHARE = 0.02
LOOK_MAXIMUM_SECONDS = 10.0


Fits = Callable[[Task], bool]


def always(*_: object) -> bool:
    """True: there is no time limit, and no other work."""
    return True


class Verdict(NamedTuple):
    """The reason why a trial is not started again."""

    outcome: str
    fingerprint: str
    detail: str


class Chooser:
    """The tasks of a shard, and what the results folder says about them.

    settled: trials that left the list and were not run here. elsewhere: those that `next` last left
    to other workers, which run them now.
    """

    def __init__(
        self, tasks: Sequence[Task], results: Results, worker_id: str, context: Context
    ) -> None:
        ordered = sorted(tasks, key=lambda task: (not task.first, -task.predicted_seconds))
        self.tasks = {task.trial_id: task for task in ordered}
        self.results, self.worker_id = results, worker_id
        self.context, self.limits = context, context.limits
        self.history = History()
        self.settled: dict[str, str] = {}
        self.elsewhere: list[str] = []
        self._view, self._reader = StoreView(results), EventReader(results)
        self._retried_at: dict[str, float] = {}
        self._looked_at, self._look_seconds = -1e9, 0.0
        # Workers that meet continue in different orders, so that two do not choose the same trials.
        self._random = random.Random(worker_id)

    def refresh(self) -> None:
        """Read what other workers published and announced, not more often than is worthwhile."""
        start = time.monotonic()
        if start - self._looked_at < min(LOOK_MAXIMUM_SECONDS, self._look_seconds / LOOK_SHARE):
            return
        self._view.refresh()
        self.read_events()
        self._retried_at = self._view.retractions.restarted_at
        self._looked_at = time.monotonic()
        self._look_seconds = self._looked_at - start

    def read_events(self) -> None:
        """Read the events written since the last time."""
        new = self._reader.poll()
        self.history.add(new)
        if any(event["event"] == "worker_ended" for event in new):
            # Its last rows are on disk, and nothing else says that it had them.
            self._view.refresh()

    def next(self, fits: Fits = always) -> Task | None:
        """The next task that fits, or None if the others are settled, elsewhere, or do not fit."""
        self.refresh()
        self.elsewhere = []
        for trial_id in self._order():
            left = self._left_of(self.tasks[trial_id])
            if left is not None and fits(left) and not self._others(trial_id):
                # The last look may be seconds old.
                self.read_events()
                left = self._left_of(self.tasks[trial_id])
            if left is None:
                del self.tasks[trial_id]
            elif not fits(left):
                continue
            elif self._others(trial_id):
                self.elsewhere.append(trial_id)
            else:
                return left
        return None

    def started_before(self, trial_id: str) -> bool:
        """Whether another worker, which runs the trial too, started it before this one did."""
        running = self._running(trial_id)
        # Of two that started in the same moment, one goes on.
        mine = [(one.started_at, one.worker) for one in running if one.worker == self.worker_id]
        return bool(mine) and any((one.started_at, one.worker) < min(mine) for one in running)

    def stack_of(self, task: Task, fits: Fits = always) -> list[tuple[Task, int]]:
        """The tasks to train with `task` as one stack, each with its furthest iteration.

        Those of the same shape that no one runs, as many as the context allows. A trial whose
        process has died before trains alone: its death would end the others.
        """
        if self.context.stack < 2 or not task.train or self._has_died(task.trial_id):
            return []
        key = stack_key(task.spec)
        found: list[tuple[Task, int]] = []
        together = task.predicted_seconds
        for other in list(self.tasks.values()) if key else ():
            if len(found) + 1 == self.context.stack:
                break
            if other.trial_id == task.trial_id or stack_key(other.spec) != key:
                continue
            left = self._left_of(other)
            if left is None or not left.train or self._others(other.trial_id):
                continue
            if self._has_died(other.trial_id):
                continue
            furthest, verdict = self.verdict(left)
            seconds = together + left.predicted_seconds
            if verdict is None and fits(replace(left, predicted_seconds=seconds)):
                found.append((left, furthest))
                together = seconds
        return found

    def _has_died(self, trial_id: str) -> bool:
        attempts = self.history.attempts.get(trial_id, {}).values()
        return any(attempt.ending == "died" for attempt in attempts)

    def _order(self) -> list[str]:
        """The order of the tasks.

        A worker alone runs the longest first, which packs best. Workers that share a folder each
        use a different order, so that two do not choose the same trials. In both cases trials that
        come first do.
        """
        if not any(
            self._others(trial_id) for trial_id in self.history.unfinished & self.tasks.keys()
        ):
            return list(self.tasks)
        groups = in_turn(self.tasks.values())
        return [one.trial_id for group in groups for one in self._random.sample(group, len(group))]

    def _others(self, trial_id: str) -> bool:
        """Whether another worker runs it, or has its rows in memory."""
        endings = ("evaluated",) if trial_id in self._view.accepted else FINAL_OUTCOMES
        since = self._retried_at.get(trial_id, 0.0)
        theirs = self._running(trial_id)
        theirs += self.history.unpublished(trial_id, endings, *self._now(), since)
        return any(attempt.worker != self.worker_id for attempt in theirs)

    def _running(self, trial_id: str) -> list[Start]:
        return self.history.running(trial_id, *self._now())

    def _now(self) -> tuple[float, float, Alive]:
        return shared_time(self.results.events), self.limits.claim_seconds, process_alive

    def _left_of(self, task: Task) -> Task | None:
        accepted = self._view.accepted.get(task.trial_id)
        if accepted is None:
            if not task.train:
                return None  # its row was withdrawn meanwhile; the next plan trains it
            if self.history.given_up(task.trial_id, self._retried_at.get(task.trial_id, 0.0)):
                self.settled[task.trial_id] = "given up"
                return None
            return task
        self.settled.setdefault(task.trial_id, accepted.outcome)
        weights = accepted.weights_sha256
        if not reachable(weights, accepted.weights_kept):
            return None
        view, trial_id = self._view, task.trial_id
        evaluations = {eval_id(evaluation): evaluation for evaluation in task.evaluations}
        probes = {probe_id(probe): probe for probe in task.probes}
        return task.only_evaluating(
            undone(trial_id, weights, evaluations, view.done_evaluations),
            undone(trial_id, weights, probes, view.done_probes),
            weights,
        )

    def put_last(self, task: Task) -> None:
        """Run this task after all others."""
        self.tasks.pop(task.trial_id, None)
        self.tasks[task.trial_id] = task

    def verdict(self, task: Task) -> tuple[int, Verdict | None]:
        """The furthest checkpoint's iteration, and why the task must not start again, if so."""
        withdrawn = self._view.retractions.attempt_ids
        folders = self.context.checkpoints(task.trial_id)
        furthest = furthest_iteration(*folders, ignored=withdrawn)
        since = self._retried_at.get(task.trial_id, 0.0)
        deaths = self.history.deaths_without_progress(
            task.trial_id,
            furthest,
            *self._now(),
            since,
        )
        if deaths >= DEATHS_ALLOWED:
            return furthest, Verdict(
                "crashed",
                "killed",
                f"killed {'twice' if deaths == 2 else f'{deaths} times'}, cause unknown",
            )
        if self.history.resumes_without_progress(task.trial_id, furthest, since) >= RESUMES_ALLOWED:
            return furthest, Verdict(
                "timed_out",
                "timed_out",
                f"resumed {RESUMES_ALLOWED} times without a newer checkpoint",
            )
        return furthest, None
