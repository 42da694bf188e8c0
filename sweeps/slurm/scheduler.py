"""Executor `slurm`, for one results folder. Only sending needs submitit."""

import signal
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeps.errors import InfrastructureError
from sweeps.execute.scheduler import InFlight, QueueScheduler, Setup, Shards, tasks
from sweeps.follow_up import Then
from sweeps.slurm import arrays, commands, preemption, profile, snapshot
from sweeps.slurm.auto_slots import most_slots_per_task
from sweeps.slurm.commands import OVER, ArrayTask, NoAnswer
from sweeps.slurm.inflight import SENDING_SECONDS, SentArray, TaskHistory, in_flight, sent_array
from sweeps.slurm.paths import job_folder
from sweeps.slurm.queue import QUEUE_SECONDS, Queue
from sweeps.store import (
    Results,
    Sent,
    is_cancelled,
    list_submissions,
    read_sent,
    read_submission,
    write_sent,
)
from sweeps.store.clock import shared_time
from sweeps.worker.report import Watcher
from sweeps.worker.shard import NO_TIME
from sweeps.worker.tasks import Task

# A submission without a job is given up after this time.
NEVER_SENT_SECONDS = 24 * 3600.0
# States of a task that SLURM ended because of its time, its node or other jobs.
TAKEN_BACK = frozenset(("BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "TIMEOUT"))
# What slots report that SLURM told to stop, or that found no time for another trial. A task of
# theirs that could not be requeued ends as FAILED.
ASKED_TO_STOP = frozenset((signal.SIGUSR2.name, signal.SIGTERM.name, NO_TIME))


class Slurm(QueueScheduler):
    """One submission is one job array. Its tasks outlive the command that submitted them."""

    title = "SLURM"

    def __init__(self, results: Results, setup: Setup | None = None) -> None:
        super().__init__(results, setup)
        self.queue, self.history = Queue(), TaskHistory()
        self._metadata: dict[str, dict[str, str]] = {}
        self._trials: dict[str, dict[int, list[str]]] = {}
        self._released_at = -1e9

    def resources(self) -> tuple[float, float]:
        """CPUs and GPUs of one slot, of a GPU that several share its part."""
        return self.setup.profile.cpus, profile.gpus_per_slot(self.setup.profile)

    def divide(self, trials: Sequence[Task]) -> tuple[list[Shards], list[Task]]:
        """As many arrays as the cluster allows."""
        return arrays.divide(trials, self.setup.profile, self._room())

    def at_once(self, submissions: Sequence[Shards]) -> int:
        """See `Scheduler.at_once`. The profile's throttle counts in each array."""
        given, slots = self.setup.profile, profile.slots_per_task(self.setup.profile)
        most = given.throttle * slots if given.throttle else None
        # With `slots = "auto"` several slots may share a shard.
        each = most_slots_per_task(given) // slots
        return sum(
            min(each * min(len(shards), most or len(shards)), sum(map(len, shards)))
            for shards in submissions
        )

    def settings(self, shards: Shards) -> dict[str, Any]:
        """See `Scheduler.settings`, with what a task has to know."""
        from sweeps.worker import provenance

        # The copy of the code that tasks run is not a checkout; only this machine knows its commit.
        collected = provenance.collect()
        code = {name: collected[name] for name in ("code_commit", "code_dirty")}
        cancelling = preemption.cancelling(self._config, self.setup.profile)
        return super().settings(shards) | arrays.settings(
            self.setup.profile, len(shards), code, cancelling
        )

    def preview(self, study: str, submissions: Sequence[Shards], left_out: Sequence[Task]) -> str:
        """How many arrays there would be, and the batch script of the first."""
        from sweeps.slurm.submit import script

        slots = profile.slots_per_task(self.setup.profile)
        sizes = [arrays.Layout(len(shards), slots).tasks for shards in submissions]
        more = f", {len(left_out)} trials left for later (MaxSubmitJobs)" if left_out else ""
        lines = (
            f"{len(sizes)} call{'' if len(sizes) == 1 else 's'} of sbatch, tasks: "
            f"{', '.join(map(str, sizes))}{more}; "
            "the script of the first:\n"
        )
        if sizes:
            # A submission gets its id when it is written.
            lines += "\n" + script(self.results, "0" * 32, study, self.setup, sizes[0])
        return lines

    def send(self, submission_id: str, watcher: Watcher) -> None:
        """Queue the submission as one array. See `Scheduler.send`."""
        from sweeps.slurm.submit import send

        # On a network file system a listing may show the new file later.
        self._metadata[submission_id] = read_submission(self.results, submission_id).metadata
        send(self.results, submission_id, self.setup, watcher)
        # What squeue said before does not have the new job.
        self.queue.ask_again()

    def then(self, then: Then, submission_ids: Collection[str]) -> str:
        """See `Scheduler.then`. Its job waits for the arrays of these submissions."""
        from sweeps.slurm.follow_up import submit

        jobs = [job for one in submission_ids for job in self._jobs(one)]
        return submit(self.results, then, jobs, self.setup)

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """See `Scheduler.add`."""
        self.history.add(events)

    def in_flight(self, *, cancelled: bool = False) -> InFlight:
        """See `Scheduler.in_flight`. SLURM is asked only if a submission may not be over."""
        near, queued = self._near(cancelled=cancelled)
        trials = {array.submission_id: self.trials(array.submission_id) for array in near}
        flight = in_flight(near, trials, queued, self.history, shared_time(self.results.events))
        return replace(flight, problem=self.queue.problem if near else None)

    def open_since(self) -> float | None:
        """See `Scheduler.open_since`."""
        near, _ = self._near(cancelled=False)
        return min((array.created_at for array in near), default=None)

    def _near(self, *, cancelled: bool) -> tuple[list[SentArray], list[ArrayTask] | None]:
        """The open arrays that may have tasks, and all that squeue shows.

        Long lists of old submissions are not read: what squeue does not list is not in flight.
        """
        open_arrays = self.open_arrays(cancelled=cancelled)
        if not open_arrays:
            return [], []
        queued = self.queue.tasks(
            {array.user for array in open_arrays if array.user},
            {array.job_id for array in open_arrays if array.job_id},
        )
        live = {task.comment for task in queued or () if task.live}
        near = [
            array
            for array in open_arrays
            if queued is None or array.submission_id in live or array.job_id is None
        ]
        return near, queued

    def cancel(self, submission_ids: Collection[str]) -> None:
        """See `Scheduler.cancel`."""
        jobs = sorted({job for one in submission_ids for job in self._jobs(one)})
        try:
            if jobs:
                commands.cancel(jobs)
        except NoAnswer as error:
            raise InfrastructureError(
                f"marked as cancelled, but {error}; on a login node: scancel {' '.join(jobs)}"
            ) from None

    def release(self) -> list[str]:
        """See `Scheduler.release`.

        Also records the jobs of submissions whose `run` command died.
        """
        self._adopt_lost()
        if time.monotonic() - self._released_at <= QUEUE_SECONDS:
            return []
        self.in_flight()
        ids = {array.submission_id for array in self.open_arrays()}
        held = {task.name for task in self.queue.queued if task.comment in ids and task.held}
        try:
            if held:
                commands.release(held)
        except NoAnswer:
            return []
        if not held:
            return []
        self._released_at = time.monotonic()
        return [f"{tasks(len(held))} that SLURM held after a failed launch: released"]

    def hold(self, submission_ids: Collection[str], *, held: bool) -> int:
        """See `QueueScheduler.hold`. Tasks that run go on."""
        self.queue.ask_again()
        queued = self.queue.tasks()
        if queued is None:
            raise InfrastructureError(f"{self.queue.problem}; nothing was changed")
        waiting = {
            task.name
            for task in queued
            if task.comment in submission_ids
            and task.state == "PENDING"
            and not task.held
            and task.held_by_user != held
        }
        try:
            if waiting:
                (commands.hold if held else commands.release)(waiting)
        except NoAnswer as error:
            raise InfrastructureError(f"SLURM refused: {error}") from None
        self.queue.ask_again()
        return len(waiting)

    def over(self, submission_id: str) -> bool:
        """Whether every task reported that it is done, or squeue shows none that waits or runs."""
        if submission_id not in {array.submission_id for array in self.open_arrays()}:
            return True
        sent, queued = read_sent(self.results, submission_id), self.queue.tasks()
        return (
            queued is not None
            and sent is not None
            and not any(task.live for task in queued if task.comment == submission_id)
        )

    def job_over(self, job: str) -> bool:
        """See `QueueScheduler.job_over`."""
        queued = self.queue.tasks((), {job})
        return queued is not None and not any(task.live for task in queued if task.job_id == job)

    def unused_code(self) -> list[Path]:
        """See `QueueScheduler.unused_code`. The batch script of an array names its copy."""
        queued = self.queue.tasks()
        if queued is None or any(task.live and task.comment.startswith("then-") for task in queued):
            return []  # the job of a --then runs one of them
        used: set[str] = set()
        for array in self.sent_arrays(cancelled=True):
            if self._may_run(array):
                copies = snapshot.named_in(job_folder(self.results, array.submission_id))
                if not copies:
                    return []  # it is being sent, and nobody knows yet which copy it will run
                used |= copies
        return [path for path in snapshot.copies(self.results) if path.name not in used]

    def _may_run(self, array: SentArray) -> bool:
        """Whether a task of it may wait or run, or be started again."""
        if self.over(array.submission_id):
            return False
        queued = self.queue.tasks()
        # A `run` that died before it sent anything left a submission that never becomes a job.
        return (
            queued is None
            or array.job_id is not None
            or shared_time(self.results.events) - array.created_at < NEVER_SENT_SECONDS
            or any(task.live for task in queued if task.comment == array.submission_id)
        )

    def logs(self, trial_id: str) -> Iterator[tuple[str, str]]:
        """What tasks printed before they started the trial."""
        from sweeps.slurm.paths import task_log

        flight = self.in_flight(cancelled=True)
        for array in sorted(self.sent_arrays(cancelled=True), key=lambda one: one.created_at):
            shards = self.trials(array.submission_id)
            indices = {array.layout.task_of(shard) for shard in shards if trial_id in shards[shard]}
            for index in sorted(indices):
                state = flight.trials.get(trial_id, "not queued any more")
                name = array.task_name(index)
                path = task_log(self.results, array.submission_id, name)
                yield (
                    f"task {name} of SLURM, {state}; this trial was never started in it",
                    path.read_text(errors="replace")
                    if path.is_file()
                    else f"(it has printed nothing: there is no {path})",
                )

    def ended(self, trial_ids: Collection[str]) -> Mapping[str, int]:
        """See `Scheduler.ended`. The source is squeue or accounting."""
        if not trial_ids:
            return {}
        near = {one.submission_id: one for one in self.open_arrays() if one.job_id}
        unfinished = {
            (submission, index)
            for submission, array in near.items()
            for index in range(array.layout.tasks)
            if not self.history.over(array, index)
            and any(
                trial in trial_ids and (submission, trial) not in self.history.failed
                for shard in array.layout.shards_of(index)
                for trial in self.trials(submission)[shard]
            )
        }
        if not unfinished:
            return {}
        by_job = {array.job_id: submission for submission, array in near.items()}
        shown = {(task.comment, task.index): task.state for task in self.queue.queued}
        missing = {
            job
            for job, submission in by_job.items()
            if job and any(task not in shown for task in unfinished if task[0] == submission)
        }
        accounted = {
            (by_job.get(task.job_id, ""), task.index): task.state
            for task in self.queue.ended(missing)
        }
        states = [accounted.get(task) or shown.get(task, "") for task in unfinished]
        return Counter(state for state in states if state in OVER and state != "COMPLETED")

    def cut_short(self, submission_ids: Collection[str]) -> set[tuple[str, str]]:
        """See `Scheduler.cut_short`. A task that somebody cancelled is not among them."""
        queued = {(task.comment, task.index): task for task in self.queue.tasks() or ()}
        found: set[tuple[str, str]] = set()
        for array in self.open_arrays():
            submission = array.submission_id
            if submission not in submission_ids:
                continue
            for index in range(array.layout.tasks):
                task = queued.get((submission, index))
                if task is None or task.live or self.history.over(array, index):
                    continue
                told = self.history.endings(submission, index) & ASKED_TO_STOP
                if task.state in TAKEN_BACK or (task.state == "FAILED" and told):
                    for shard in array.layout.shards_of(index):
                        trials = self.trials(submission).get(shard, ())
                        found |= {(submission, trial) for trial in trials}
        return found

    def stopped(self, submission_ids: Collection[str]) -> str | None:
        """See `Scheduler.stopped`. The source is the tasks' events, otherwise squeue."""
        for submission in submission_ids:
            if (reason := self.history.stopped(submission)) is not None:
                return reason
        ended = Counter(
            task.state
            for task in self.queue.tasks() or ()
            if task.comment in submission_ids and not task.live and task.state != "COMPLETED"
        )
        counts = ", ".join(f"{tasks(count)} as {state}" for state, count in ended.items())
        return f"SLURM ended {counts}" if ended else None

    def sent_arrays(self, *, cancelled: bool = False) -> list[SentArray]:
        """The submissions that SLURM was given and did not refuse.

        Cancelled ones only if asked.
        """
        self._metadata |= list_submissions(self.results, self._metadata)
        found = []
        for submission, metadata in self._metadata.items():
            if metadata["executor"] == "slurm" and (
                cancelled or not is_cancelled(self.results, submission)
            ):
                sent = read_sent(self.results, submission)
                if sent is None or sent.job_id is not None:
                    found.append(sent_array(submission, metadata, sent))
        return found

    def open_arrays(self, *, cancelled: bool = False) -> list[SentArray]:
        """Submitted arrays of which not every task has reported that it is done."""
        return [
            array
            for array in self.sent_arrays(cancelled=cancelled)
            if not all(self.history.over(array, index) for index in range(array.layout.tasks))
        ]

    def trials(self, submission_id: str) -> dict[int, list[str]]:
        """Shard -> trials of a submission."""
        if submission_id not in self._trials:
            shards: dict[int, list[str]] = defaultdict(list)
            for row in read_submission(self.results, submission_id).rows():
                shards[row["shard"]].append(row["trial_id"])
            self._trials[submission_id] = dict(shards)
        return self._trials[submission_id]

    @cached_property
    def _config(self) -> dict[str, str]:
        """SLURM's configuration; empty while it does not answer."""
        try:
            return commands.config()
        except NoAnswer:
            return {}

    def _room(self) -> arrays.Room:
        account, qos = profile.account_and_qos(self.setup.profile)
        limit = commands.max_submit(account, qos)
        if limit is None:
            return arrays.Room(commands.max_array_size(self._config))
        queued = self.queue.tasks() or ()
        used = sum(task.live for task in queued)
        return arrays.Room(commands.max_array_size(self._config), max(0, limit - used))

    def _jobs(self, submission_id: str) -> list[str]:
        """The array of a submission, as noted or as squeue knows it."""
        if sent := read_sent(self.results, submission_id):
            return [sent.job_id] if sent.job_id else []
        queued = self.queue.tasks() or ()
        return [task.job_id for task in queued if task.comment == submission_id]

    def _adopt_lost(self) -> None:
        """Record the jobs of submissions whose `run` command died.

        Submissions that SLURM never got are written off.
        """
        for array in self.sent_arrays():
            if array.job_id is not None or (queued := self.queue.tasks()) is None:
                continue
            jobs = [task.job_id for task in queued if task.comment == array.submission_id]
            if jobs:
                from sweeps.slurm.submit import adopt

                adopt(self.results, array.submission_id, jobs[0])
            elif (
                shared_time(self.results.events) - array.created_at >= SENDING_SECONDS
                and array.submission_id not in self.history.starts
            ):
                write_sent(self.results, array.submission_id, Sent(None, commands.user()))
