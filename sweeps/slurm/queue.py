"""What squeue and sacct said last. A busy controller is asked less often, and for less."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from sweeps.slurm import commands
from sweeps.slurm.commands import ArrayTask, NoAnswer

# Three calls of squeue and one of sacct per minute stay below six queries in any minute.
QUEUE_SECONDS = 20.0
ACCOUNTING_SECONDS = 60.0
# Where an answer takes long, at most this share of the time is spent in asking.
ASKING_SHARE = 1 / 5
# Between two whole answers, only states are asked for, where squeue can do that.
WHOLE_SECONDS = 120.0


@dataclass
class Queue:
    """The last answers of squeue and sacct.

    SLURM is asked only a few times per minute, however often this is used. problem: why squeue does
    not answer; None while it does.
    """

    clock: Callable[[], float] = time.monotonic
    queued: tuple[ArrayTask, ...] = ()
    problem: str | None = None
    _next_at: float = -1e9
    _whole_at: float = -1e9
    _alone: bool | None = None
    _next_accounting_at: float = -1e9
    _accounted: tuple[ArrayTask, ...] = ()
    _accounting: bool = True
    _whole: bool = True
    _known: set[str] = field(default_factory=set)

    def tasks(
        self, users: Collection[str] = (), job_ids: Collection[str] = ()
    ) -> list[ArrayTask] | None:
        """All tasks that squeue shows; None if it does not answer, the reason is in `problem`.

        users: other senders. job_ids: jobs that must not be missed.
        """
        if not self._known.issuperset(job_ids):
            self._known |= set(job_ids)
            self._whole = True
        if self.clock() >= self._next_at:
            began = self.clock()
            try:
                self.queued, self.problem = tuple(self._ask(users)), None
            except NoAnswer as error:
                self.problem, self._whole = str(error), True
            self._next_at = self._later(began, QUEUE_SECONDS)
        return None if self.problem else list(self.queued)

    def ask_again(self) -> None:
        """Ask squeue for everything the next time, however recent its last answer is."""
        self._next_at, self._whole = -1e9, True

    def ended(self, job_ids: Collection[str]) -> list[ArrayTask]:
        """What accounting knows of these jobs. Accounting that once fails is not asked again."""
        if job_ids and self._accounting and self.clock() >= self._next_accounting_at:
            began = self.clock()
            try:
                self._accounted = tuple(commands.sacct(job_ids))
            except NoAnswer:
                self._accounting = False
            self._next_accounting_at = self._later(began, ACCOUNTING_SECONDS)
        return list(self._accounted)

    def _ask(self, users: Collection[str]) -> list[ArrayTask]:
        """All tasks, or those of the last whole answer with new states."""
        live = {task.job_id for task in self.queued if task.live}
        if not self._whole and live and self.clock() - self._whole_at < WHOLE_SECONDS:
            if self._alone is None:
                self._alone = commands.states_alone()
            if self._alone:
                try:
                    return self._with(commands.squeue_states(live))
                except NoAnswer:
                    # Perhaps it forgot all of these jobs. A whole answer says more.
                    self._alone = False
        whole = commands.squeue(users)
        self._whole, self._whole_at = False, self.clock()
        return whole

    def _with(self, states: dict[str, str]) -> list[ArrayTask]:
        """The tasks with new states; a task that squeue no longer shows is left out."""
        found: list[ArrayTask] = []
        for task in self.queued:
            state = states.get(task.name, "" if task.live else task.state)
            if state:
                # The reason belongs to the old state.
                found.append(task if state == task.state else replace(task, state=state, reason=""))
        return found

    def _later(self, began: float, least: float) -> float:
        return began + max(least, (self.clock() - began) / ASKING_SHARE)
