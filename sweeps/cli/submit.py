"""From chosen trials to submissions, and from there to an executor."""

import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sweeps import study_file
from sweeps.cli.again import Again
from sweeps.cli.follow import Following
from sweeps.cli.progress import RunDisplay
from sweeps.errors import InfrastructureError, UserError
from sweeps.execute.registry import executor, require
from sweeps.execute.scheduler import QueueScheduler, Scheduler, Setup, Shards, scheduler
from sweeps.keep_weights import Keep, effective
from sweeps.limits import Limits
from sweeps.store import write_submission
from sweeps.worker.report import ShardReport
from sweeps.worker.tasks import Task, labelled

if TYPE_CHECKING:
    from sweeps.cli.options import Options
    from sweeps.plan import Entry, Plan
    from sweeps.profiles import Profile
    from sweeps.store import Results


@dataclass(frozen=True)
class Submitted:
    """report: None if nobody waited. words: what was queued. left_out: trials without room."""

    report: ShardReport | None
    words: str = ""
    left_out: int = 0


def submit(
    current: "Plan",
    chosen: list["Entry"],
    flying: list["Entry"],
    results: "Results",
    options: "Options",
    profile: "Profile",
) -> Submitted:
    """Write submissions and send them. With `--wait`, wait until nothing is in flight.

    flying: trials already in flight for which the command waits too. Raises UserError if the first
    submission is refused, InfrastructureError if there is no room or the executor fails.
    """
    trials = [Task.from_entry(entry) for entry in chosen]
    profile = _with_slots(profile, trials, options)
    place = _scheduler(results, options, profile, current.selection.study.keep_weights)
    total = len(trials) + len(flying)
    waits_for = [*chosen, *flying] if options.wait else []
    again = Again(results, current.selection, waits_for, train=options.train)
    with RunDisplay(total, follow=options.verbose, bars=not options.pdb) as display:
        sent = _send(trials, place, current, results, options, display)
        if not isinstance(place, QueueScheduler):
            return Submitted(ShardReport.merged(sent.reports))
        words = sent.words(place)
        if not options.wait:
            return Submitted(None, words, sent.left_out)
        display.note(words)
        waited_for = labelled([*sent.queued, *(Task.from_entry(entry) for entry in flying)])
        following = Following(place, waited_for, display)
        while cut_short := following.wait():
            # What crashed is for the next `run`, as it is without a job that was cut short.
            if left := again.left(cut_short - following.report().outcomes.keys()):
                tasks = [Task.from_entry(entry) for entry in left]
                display.note(f"{place.title} ended jobs for good: sending {len(left)} trials again")
                display.note(_send(tasks, place, current, results, options, display).words(place))
            else:
                display.note(
                    f"{place.title} ended jobs for good; none of their trials advanced or is left, "
                    "so none is sent again"
                )
        report = following.report()
        if again.all_done():
            # A job that ended early matters no more.
            report.stopped = None
        return Submitted(report, words, sent.left_out)


@dataclass(frozen=True)
class _Sent:
    """jobs: how many. problem: why not all trials were queued, if the scheduler refused some."""

    jobs: int
    queued: list[Task]
    left_out: int
    reports: list[ShardReport]
    problem: UserError | None

    def words(self, place: QueueScheduler) -> str:
        """What was queued, and what was not."""
        jobs = f"{self.jobs} job{'' if self.jobs == 1 else 's'}"
        words = f"{len(self.queued)} of {len(self.queued) + self.left_out} trials queued as {jobs}"
        if self.left_out:
            why = self.problem or f"{place.title} accepts no more jobs now"
            words += f"; the rest when there is room: run the command again ({why})"
        return words


def _send(
    trials: list[Task],
    place: Scheduler,
    current: "Plan",
    results: "Results",
    options: "Options",
    display: RunDisplay,
) -> _Sent:
    """Write the trials as submissions and send them. See `submit` for what it raises."""
    submissions, _ = place.divide(trials) if trials else ([], [])
    if trials and not submissions:
        raise InfrastructureError(
            f"executor {options.executor} accepts no more of your jobs now; run the command again "
            "when some have ended"
        )
    jobs = 0
    reports: list[ShardReport] = []
    problem: UserError | None = None
    for shards in submissions:
        submission = write_submission(
            results, _rows(shards), _metadata(current, options), place.settings(shards)
        )
        try:
            report = place.send(submission, display)
        except UserError as error:
            if not jobs:
                raise
            problem = error
            break
        except Exception:
            _debug(options)
            raise
        jobs += 1
        reports += [report] if report else []
    queued = [task for shards in submissions[:jobs] for shard in shards for task in shard]
    return _Sent(jobs, queued, len(trials) - len(queued), reports, problem)


def preview(
    current: "Plan",
    chosen: list["Entry"],
    results: "Results",
    options: "Options",
    profile: "Profile",
) -> str:
    """What would be sent."""
    place = _scheduler(results, options, profile, current.selection.study.keep_weights)
    if not isinstance(place, QueueScheduler):
        return ""
    submissions, left_out = place.divide([Task.from_entry(entry) for entry in chosen])
    return place.preview(current.selection.study.name, submissions, left_out)


def _scheduler(
    results: "Results", options: "Options", profile: "Profile", study_keeps: Keep
) -> Scheduler:
    require(options.executor)
    setup = Setup(
        Limits.from_environment(),
        data_root=options.data_root,
        threads=options.threads,
        profile=profile,
        address=options.address,
        debug=options.pdb,
        eager=options.eager,
        study_file=named[0] if (named := study_file.split(options.study)) else None,
        keep_weights=effective(study_keeps, profile.keep_weights, options.keep_weights),
    )
    return scheduler(options.executor, results, setup)


def _with_slots(profile: "Profile", trials: list[Task], options: "Options") -> "Profile":
    """The profile with the slots of the command line, measured if it says auto."""
    slots = options.slots or profile.slots
    if slots == "auto":
        if "slots" not in executor(options.executor).options or options.address:
            raise UserError(
                'slots = "auto" measures this machine, and these trials run elsewhere; measure '
                "there with `odesweep run STUDY --slots auto`, and give slots as a number"
            )
        from sweeps.execute.auto_slots import with_measured_slots

        profile, line = with_measured_slots(profile, trials, options.data_root, eager=options.eager)
        print(line, file=sys.stderr)
    elif options.slots:
        profile = profile.model_copy(update={"slots": int(slots or 1)})
    return profile


def _debug(options: "Options") -> None:
    """Open the debugger at the exception that is being handled, if the user asked for it."""
    if options.pdb:
        import pdb  # noqa: T100 - this is what --pdb asks for
        import traceback

        traceback.print_exc()
        pdb.post_mortem()


def _metadata(current: "Plan", options: "Options") -> dict[str, str]:
    return {
        "study": current.selection.study.name,
        "scale": current.selection.scale,
        "executor": options.executor,
        "command": shlex.join(["odesweep", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _rows(shards: Shards) -> list[dict[str, Any]]:
    return [
        task.to_row(shard, index)
        for shard, members in enumerate(shards)
        for index, task in enumerate(members)
    ]
