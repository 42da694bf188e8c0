"""The interface of every executor: what odesweep asks of a place where trials run."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from uuid import uuid4

from sweeps.execute.registry import executor, load_object
from sweeps.follow_up import Then
from sweeps.planning.shards import balance, in_turn, local_slots, shard_count
from sweeps.profiles import Profile
from sweeps.run_settings import RunSettings
from sweeps.store import Results
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.tasks import Task

Shards = list[list[Task]]


@dataclass(frozen=True, kw_only=True)
class Setup(RunSettings):
    """What one command says of its trials, besides how they run.

    address: of a running cluster. debug: do not catch exceptions of trials. study_file: the user's
    own, if the study comes from one.
    """

    profile: Profile = field(default_factory=Profile)
    address: str | None = None
    debug: bool = False
    study_file: Path | None = None
    command_id: str = field(default_factory=lambda: uuid4().hex)


class QueuedJob(NamedTuple):
    """The job that has a trial. name, state: in the scheduler's words ("123_4", "PENDING")."""

    submission_id: str
    name: str
    state: str

    def __str__(self) -> str:
        return f"{self.name} {self.state}"


@dataclass(frozen=True)
class InFlight:
    """What a scheduler has waiting or running.

    trials: trial id -> its job. unknown: trials whose state is unknown. jobs: state -> how many
    jobs. problem: why the scheduler does not answer; None while it does.
    """

    trials: Mapping[str, QueuedJob] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    jobs: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


class Scheduler(ABC):
    """A place where trials run, for one results folder."""

    def __init__(self, results: Results, setup: Setup | None = None) -> None:
        self.results, self.setup = results, setup or Setup()

    def slots(self) -> int:
        """How many trials run at the same time."""
        return local_slots(self.setup.profile)

    def resources(self) -> tuple[float, float]:
        """CPUs and GPUs of one slot."""
        return self.setup.profile.cpus, self.setup.profile.gpus

    def divide(self, trials: Sequence[Task]) -> tuple[list[Shards], list[Task]]:
        """Submissions as lists of shards, and the trials for which there is no room now."""
        profile, slots = self.setup.profile, self.slots()
        groups = in_turn(trials)
        return [
            [
                shard
                for group in groups
                for shard in balance(group, shard_count(len(group), profile, slots), profile.stack)
            ]
        ], []

    def at_once(self, submissions: Sequence[Shards]) -> int:
        """How many trials of these submissions may run at the same time."""
        return min(self.slots(), sum(map(len, submissions)))

    def settings(self, shards: Shards) -> dict[str, Any]:
        """What `Worker` reads from a submission's file; a subclass may add keys of its own."""
        return self.setup.as_dict() | {
            # Seconds are comparable only if no other trial shares the machine.
            "exclusive": len(shards) == 1,
            # How many trials of each shard come before others.
            "first": [sum(task.first for task in shard) for shard in shards],
        }

    def then(
        self,
        then: Then,
        submission_ids: Collection[str],
    ) -> str | None:
        """Queue a command after the end of these submissions; the name of its job.

        None where there is no queue for it: the caller waits and runs it here.
        """
        return None

    @abstractmethod
    def send(self, submission_id: str, watcher: Watcher) -> ShardReport | None:
        """Run a written submission and report, or queue it and return None.

        Raises UserError if the submission is refused, InfrastructureError if nobody answers.
        """


class QueueScheduler(Scheduler):
    """A place with a queue: `send` returns None at once, and the trials outlive the command.

    An object may be asked every second, but asks its cluster less often. title: in messages.
    """

    title: ClassVar[str]

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Add what workers reported, each event once, those of a worker in its order."""

    @abstractmethod
    def in_flight(self, *, cancelled: bool = False) -> InFlight:
        """What waits or runs. cancelled: also jobs that were cancelled and have not ended."""

    def open_since(self) -> float | None:
        """When the oldest submission was sent of which something waits or runs; None if none is.

        In epoch seconds. Its trials can only be told with every event of its workers.
        """
        return 0.0

    @abstractmethod
    def cancel(self, submission_ids: Collection[str]) -> None:
        """End the jobs of cancelled submissions. Raises InfrastructureError if it cannot."""

    def release(self) -> list[str]:
        """Free jobs that are stuck, such as held ones; one line for each kind of job freed."""
        return []

    def hold(
        self,
        submission_ids: Collection[str],
        *,
        held: bool,
    ) -> int | None:
        """Hold the waiting jobs of these submissions, or release those that are held.

        How many; None if this scheduler cannot. Raises InfrastructureError if it does not answer.
        """
        return None

    def over(self, submission_id: str) -> bool:
        """Whether none of the submission's jobs waits, runs, or will be started again."""
        return submission_id not in {
            job.submission_id for job in self.in_flight(cancelled=True).trials.values()
        }

    def job_over(self, job: str) -> bool:
        """Whether a job that `then` queued has ended, however."""
        raise NotImplementedError

    def unused_code(self) -> list[Path]:
        """Copies of the code in the results folder that none of its jobs may still run."""
        return []

    @abstractmethod
    def logs(self, trial_id: str) -> Iterator[tuple[str, str]]:
        """A title and the text of each log of a job that has this trial on its list."""

    def preview(self, study: str, submissions: Sequence[Shards], left_out: Sequence[Task]) -> str:
        """What `run --dry-run` shows of these submissions, besides their trials."""
        return ""

    def ended(self, trial_ids: Collection[str]) -> Mapping[str, int]:
        """State -> how many jobs of these trials ended in it before their work was done."""
        return {}

    def stopped(self, submission_ids: Collection[str]) -> str | None:
        """Why jobs of these submissions ended before their work was done, if they did."""
        return None

    def cut_short(self, submission_ids: Collection[str]) -> set[tuple[str, str]]:
        """(submission, trial) of each job that the scheduler ended for good, without its fault.

        Its time was over, its machine was lost or others needed it. Nobody goes on with its trials
        until they are sent again.
        """
        return set()

    def notes(self, trial_ids: Collection[str]) -> Iterator[str]:
        """Lines for `status` about trials that are not done."""
        flight, title = self.in_flight(), self.title
        queued = {job for trial, job in flight.trials.items() if trial in trial_ids}
        if queued:
            states = Counter(job.state for job in queued).most_common()
            yield f"{title}: {', '.join(f'{tasks(n)} {state}' for state, n in states)}"
        if unknown := flight.unknown & set(trial_ids):
            yield (
                f"{title}: {flight.problem}; "
                f"nobody can tell whether {len(unknown)} trials are still queued"
            )
        elif queued and flight.problem:
            yield f"{title}: {flight.problem}; the counts come from the tasks' last events"
        if ended := self.ended(set(trial_ids) - flight.trials.keys() - flight.unknown):
            counts = ", ".join(f"{tasks(n)} as {state}" for state, n in ended.items())
            yield f"{title} ended {counts}: `odesweep run` goes on with their trials"


def scheduler(name: str, results: Results, setup: Setup | None = None) -> Scheduler:
    """The executor of that name. Raises UserError if there is none."""
    return load_object(executor(name).scheduler)(results, setup)


def tasks(count: int) -> str:
    """Such as "1 task" or "2 tasks"."""
    return f"{count} task{'' if count == 1 else 's'}"
