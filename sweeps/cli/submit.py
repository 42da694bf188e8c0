"""From chosen trials to submissions, and from there to an executor."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.cli.again import Again
from sweeps.cli.follow import Following
from sweeps.cli.progress import RunDisplay
from sweeps.errors import InfrastructureError, UserError
from sweeps.execute.registry import executor, require
from sweeps.execute.scheduler import QueueScheduler, Scheduler, Setup, Shards, scheduler
from sweeps.keep_weights import Keep, effective
from sweeps.limits import Limits
from sweeps.planning.budget import parse
from sweeps.profiles import path_of
from sweeps.store import write_submission
from sweeps.store.clock import shared_now
from sweeps.study import study_file
from sweeps.worker.report import ShardReport
from sweeps.worker.tasks import Task, labelled

if TYPE_CHECKING:
    from sweeps.cli.options import Options
    from sweeps.planning.plan import Entry, Plan
    from sweeps.profiles import Profile
    from sweeps.store import Results


@dataclass(frozen=True)
class Submitted:
    """report: None if nobody waited. words: what was queued. left_out: trials without room.

    submissions: their ids.
    """

    report: ShardReport | None
    words: str = ""
    left_out: int = 0
    submissions: tuple[str, ...] = ()


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
    place = place_of(results, options, profile, current.selection.study.keep_weights)
    total = len(trials) + len(flying)
    waits_for = [*chosen, *flying] if options.wait else []
    again = Again(results, current.selection, waits_for, train=options.train)
    with RunDisplay(total, follow=options.verbose, bars=not options.pdb) as display:
        sent = _send(trials, place, current, results, options, display)
        if not isinstance(place, QueueScheduler):
            return Submitted(ShardReport.merged(sent.reports), submissions=sent.submissions)
        words = sent.words(place)
        if not options.wait:
            return Submitted(None, words, sent.left_out, sent.submissions)
        display.note(words)
        submissions = sent.submissions
        waited_for = labelled([*sent.queued, *(Task.from_entry(entry) for entry in flying)])
        following = Following(place, waited_for, display)
        while cut_short := following.wait():
            # What crashed is for the next `run`, as it is without a job that was cut short.
            if left := again.left(cut_short - following.report().outcomes.keys()):
                tasks = [Task.from_entry(entry) for entry in left]
                display.note(f"{place.title} ended jobs for good: sending {len(left)} trials again")
                more = _send(tasks, place, current, results, options, display)
                submissions += more.submissions
                display.note(more.words(place))
            else:
                display.note(
                    f"{place.title} ended jobs for good; none of their trials advanced or is left, "
                    "so none is sent again"
                )
        report = following.report()
        if again.all_done():
            # A job that ended early matters no more.
            report.stopped = None
        return Submitted(report, words, sent.left_out, submissions)


@dataclass(frozen=True)
class _Sent:
    """submissions: those that were sent. problem: why the scheduler refused the others, if any."""

    submissions: tuple[str, ...]
    queued: list[Task]
    left_out: int
    reports: list[ShardReport]
    problem: UserError | None

    def words(self, place: QueueScheduler) -> str:
        """What was queued, and what was not."""
        jobs = f"{len(self.submissions)} job{'' if len(self.submissions) == 1 else 's'}"
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
    _space_checkpoints(place, submissions, display)
    sent: list[str] = []
    reports: list[ShardReport] = []
    problem: UserError | None = None
    for shards in submissions:
        metadata = _metadata(current, options, results)
        submission = write_submission(results, _rows(shards), metadata, place.settings(shards))
        try:
            report = place.send(submission, display)
        except UserError as error:
            if not sent:
                raise
            problem = error
            break
        except Exception:
            _debug(options)
            raise
        sent.append(submission)
        reports += [report] if report else []
    queued = [task for shards in submissions[: len(sent)] for shard in shards for task in shard]
    return _Sent(tuple(sent), queued, len(trials) - len(queued), reports, problem)


def _space_checkpoints(
    place: Scheduler, submissions: Sequence[Shards], watcher: RunDisplay
) -> None:
    """Let many slots write checkpoints less often, and say so; on disks of nodes they need not."""
    usual = Limits.from_environment()
    trials = sum(len(shard) for shards in submissions for shard in shards)
    place.setup = replace(place.setup, limits=usual)
    stack = place.setup.stack
    if place.setup.checkpoint_dir or usual.shared_by(trials * stack) == usual:
        return
    slots = place.at_once(submissions) * stack
    limits = usual.shared_by(slots)
    place.setup = replace(place.setup, limits=limits)
    if limits != usual:
        watcher.note(
            f"{slots} trials may run at once: each writes a checkpoint every "
            f"{limits.checkpoint_seconds:.0f} s, so that {place.results.path} gets about one a "
            "second (ODESWEEP_CHECKPOINT_SECONDS sets another time)"
        )


def preview(
    current: "Plan",
    chosen: list["Entry"],
    results: "Results",
    options: "Options",
    profile: "Profile",
) -> str:
    """What would be sent."""
    if not executor(options.executor).queues:
        return ""
    profile = _with_slots(profile, [], options)
    place = place_of(results, options, profile, current.selection.study.keep_weights)
    assert isinstance(place, QueueScheduler)
    submissions, left_out = place.divide([Task.from_entry(entry) for entry in chosen])
    return place.preview(current.selection.study.name, submissions, left_out)


def place_of(
    results: "Results", options: "Options", profile: "Profile", study_keeps: Keep
) -> Scheduler:
    """The executor that was asked for, as the options set it up.

    Raises UserError if there is none, or for a budget that cannot be meant.
    """
    require(options.executor)
    setup = Setup(
        limits=Limits.from_environment(),
        data_root=options.data_root.absolute() if options.data_root else None,
        threads=options.threads,
        profile=profile,
        address=options.address,
        debug=options.pdb,
        eager=options.eager,
        study_file=named[0] if (named := study_file.split(options.study)) else None,
        keep_weights=effective(study_keeps, profile.keep_weights, options.keep_weights),
        stack=profile.stack,
        checkpoint_dir=Path(profile.checkpoint_dir) if profile.checkpoint_dir else None,
        notify_profile=(
            str(path_of(options.profile).absolute()) if options.profile and profile.notify else None
        ),
    )
    place = scheduler(options.executor, results, setup)
    if options.budget:
        place.setup = replace(setup, budget=parse(options.budget, *place.resources()))
    return place


def _with_slots(profile: "Profile", trials: list[Task], options: "Options") -> "Profile":
    """The profile with slots and stack of the command line.

    auto is measured here, unless the executor's jobs do it where they run.
    """
    if options.stack:
        profile = profile.model_copy(update={"stack": options.stack})
    slots, may = options.slots or profile.slots, executor(options.executor).options
    if slots == "auto" and "slots there" not in may:
        if "slots" not in may or options.address:
            raise UserError(
                'slots = "auto" measures this machine, and these trials run elsewhere; measure '
                "there with `odesweep run STUDY --slots auto`, and give slots as a number"
            )
        from sweeps.execute.auto_slots import with_measured_slots

        profile, line = with_measured_slots(profile, trials, options.data_root, eager=options.eager)
        print(line, file=sys.stderr)
    elif options.slots:
        number = "auto" if options.slots == "auto" else int(options.slots)
        profile = profile.model_copy(update={"slots": number})
    return profile


def _debug(options: "Options") -> None:
    """Open the debugger at the exception that is being handled, if the user asked for it."""
    if options.pdb:
        import pdb  # noqa: T100 - this is what --pdb asks for
        import traceback

        traceback.print_exc()
        pdb.post_mortem()


def _metadata(current: "Plan", options: "Options", results: "Results") -> dict[str, str]:
    return {
        "study": current.selection.study.name,
        "scale": current.selection.scale,
        "executor": options.executor,
        "command": options.command or shlex.join(["odesweep", *sys.argv[1:]]),
        "created_at": shared_now(results.events).isoformat(timespec="seconds"),
    }


def _rows(shards: Shards) -> list[dict[str, Any]]:
    return [
        task.to_row(shard, index)
        for shard, members in enumerate(shards)
        for index, task in enumerate(sorted(members, key=lambda task: not task.first))
    ]
