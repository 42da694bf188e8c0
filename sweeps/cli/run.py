"""`odesweep run`, `evaluate` and `probe`: pass what is missing of a study to an executor."""

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sweeps.cli import command_line, existing
from sweeps.cli.data import check, words_of_fetch
from sweeps.cli.installed import check_installed
from sweeps.cli.options import Options, command
from sweeps.cli.output import count, counts
from sweeps.errors import InfrastructureError, UserError
from sweeps.execute.registry import executor, executors, having, require
from sweeps.keep_weights import choice, effective
from sweeps.stop_signals import STOP_SIGNALS, Undaunted

if TYPE_CHECKING:
    from sweeps.cli.submit import Submitted
    from sweeps.execute.scheduler import InFlight
    from sweeps.planning.plan import Entry, Plan
    from sweeps.profiles import Profile
    from sweeps.store import Results
    from sweeps.study import Study


def _command(options: Options) -> int:
    # Whoever reads what this prints may go; the trials go on.
    with redirect_stdout(cast(Any, Undaunted(sys.stdout))):
        return execute(options)


def _probe(options: Options) -> int:
    executor_name = _of_profile(options.profile) if options.profile else options.executor
    return _command(replace(options, executor=executor_name, wait=True, probe=True))


def _of_profile(name: str) -> str:
    """The executor that a profile is for, of those that this machine has."""
    import shutil

    from sweeps.profiles import load

    with_queue = [
        known
        for known, one in executors().items()
        if one.profile_check and one.submits_with and shutil.which(one.submits_with)
    ]
    return with_queue[0] if with_queue and load(name).options else "ray"


def execute(options: Options, study: "Study | None" = None) -> int:
    """Pass what is missing to an executor, as the options say; returns the exit code.

    study: None for the one that the options name. Raises UserError for what does not fit,
    InfrastructureError after an infrastructure failure.
    """
    from sweeps.cli.plan import out_of_reach
    from sweeps.device import of_profile
    from sweeps.execute.worker import host_name
    from sweeps.planning.plan import current_plan, forecast_of, save
    from sweeps.planning.timing import timed
    from sweeps.profiles import load
    from sweeps.store import Results
    from sweeps.studies import find
    from sweeps.study.overrides import select
    from sweeps.study.sample import draw

    _check_options(options)
    known = executor(options.executor)
    profile = load(options.profile)
    if (profile.container or profile.python) and "container" not in known.options:
        raise UserError(
            f"container and python in a profile are for {having('container')}, not "
            f"{options.executor}: start odesweep itself in the container"
        )
    results = Results(options.results) if options.train else existing(options.results)
    selection = draw(
        select(study or find(options.study), options.scale, options.overrides or ()),
        options.sample,
        options.sample_seed,
    )
    if options.probe:
        results = results.timings(Path(options.profile).stem if options.profile else host_name())
        selection = timed(selection)
    if options.budget:
        from sweeps.cli.submit import place_of

        place_of(results, options, profile, selection.study.keep_weights)
    flight = _in_flight(results, options)
    device = of_profile(profile) if options.profile else None
    current, costs = current_plan(results, selection, flight.trials, device)
    current = current.with_first(options.first or ())
    if not options.dry_run:
        save(results, selection, costs, options.study)
    _check_known(current, flight, options)
    chosen = [
        one for one in current.entries if one.submits and (options.train or one.state == "done")
    ]
    chosen = [one for one in chosen if one.trial.trial_id not in flight.trials][: options.limit]
    flying = [
        one
        for one in current.entries
        if one.trial.trial_id in flight.trials and (one.state == "in_flight" or one.submits)
    ]
    lost = out_of_reach(current, options.study, options.scale, options.results)
    if lost:
        print(lost, file=sys.stderr)
    untrained = 0 if options.train else len(current.of("pending"))
    if flying:
        print(
            f"{selection.plan_name}: {len(flying)} already in flight ({_tasks(flight)})",
            file=sys.stderr,
        )
    if not chosen and not (options.wait and flying):
        states = Counter(
            e.outcome or ("in flight" if e.state == "in_flight" else "not trained")
            for e in current.entries
        )
        print(f"{selection.plan_name}: nothing to {'submit' if flying else 'do'}; {counts(states)}")
        code = max(1 if lost else 0, _untrained(untrained, options))
        return code if options.dry_run else _then(options, current, results, profile, (), code)
    words = (
        f"{sum(e.state == 'pending' for e in chosen)} to train, "
        f"{sum(e.state == 'done' for e in chosen)} to evaluate only"
        + (f", {sum(e.first for e in chosen)} of them first" if options.first else "")
    )
    if (options.stack or 1) > 1 and (why := _cannot_stack(chosen)):
        print(f"--stack {options.stack}: {why}", file=sys.stderr)
    if options.dry_run:
        print(
            f"{selection.plan_name}: would submit {words}, about "
            f"{costs.device.amount(sum(e.seconds for e in chosen))}"
        )
        keep = effective(selection.study.keep_weights, profile.keep_weights, options.keep_weights)
        print("\n".join(forecast_of(selection, costs, keep).lines()))
        if chosen and executor(options.executor).queues:
            from sweeps.cli.submit import preview

            print(preview(current, chosen, results, options, profile))
        return 0
    check_installed()
    check(
        (entry.trial.spec for entry in chosen),
        options.data_root,
        words_of_fetch(options.study, options.overrides or (), options.scale, options.data_root),
    )
    print(f"{selection.plan_name}: {words}; results in {results.path}", file=sys.stderr)
    from sweeps.cli.submit import submit

    done = submit(current, chosen, flying if options.wait else [], results, options, profile)
    if done.report is None:
        watching = command_line("status", options.study, "--watch", results=options.results)
        print(f"{selection.plan_name}: {done.words}; `{watching}` shows the progress")
        code = max(1 if done.left_out or lost else 0, _untrained(untrained, options))
        return _then(options, current, results, profile, done.submissions, code)
    watched = [*chosen, *(flying if options.wait else [])]
    code = max(
        _summary(done, watched, results, selection.plan_name),
        _untrained(untrained, options),
        1 if lost else 0,
    )
    if options.then and done.report.stopped in (*(one.name for one in STOP_SIGNALS), "cancelled"):
        print("--then is not run: the trials were stopped", file=sys.stderr)
        return code
    return _then(options, current, results, profile, done.submissions, code)


def _then(
    options: Options,
    current: "Plan",
    results: "Results",
    profile: "Profile",
    submissions: Sequence[str],
    code: int,
) -> int:
    """Do what `--then` asks; the exit code of the whole command, `code` unless that is 0."""
    if options.then is None:
        return code
    from sweeps.cli.follow_up import follow_up
    from sweeps.cli.submit import place_of
    from sweeps.follow_up import Then

    study = current.selection.study
    place = place_of(results, options, profile, study.keep_weights)
    ended = follow_up(Then(study.name, options.then), place, submissions, wait=options.wait)
    return code or ended


def _check_options(options: Options) -> None:
    chosen = executor(options.executor)
    given = {
        "pdb": options.pdb,
        "address": options.address,
        "profile": options.profile,
        "slots": options.slots,
        "resubmit": options.resubmit,
    }
    for name, value in given.items():
        if value and name not in chosen.options:
            raise UserError(f"--{name} is for {having(name)}, not {options.executor}")
    if options.wait and not chosen.queues and not options.probe:
        print(f"--wait changes nothing: executor {options.executor} always waits", file=sys.stderr)
    if options.then and chosen.queues and not options.wait and "then" not in chosen.options:
        raise UserError(f"--then without --wait is for {having('then')}, not {options.executor}")
    if options.slots not in (None, "auto") and not (
        options.slots.isdecimal() and int(options.slots) > 0
    ):
        raise UserError(f"--slots {options.slots}: give a number from 1 on, or auto")
    if options.pdb and options.slots not in (None, "1"):
        raise UserError("--pdb runs one trial at a time in this process; leave out --slots")
    if options.keep_weights is not None:
        choice(options.keep_weights, "--keep-weights")


def _cannot_stack(chosen: Sequence["Entry"]) -> str | None:
    """Why no two of the trials to train can be one stack; None if some can, or one is left."""
    from odecore.config.stacks import stack_key

    keys = [stack_key(one.trial.spec) for one in chosen if one.state == "pending"]
    possible = [key for key in keys if key]
    if len(keys) < 2 or len(set(possible)) < len(possible):
        return None
    why = (
        "they differ in more than seed, learning rate and weight decay"
        if len(possible) > 1
        else "only flat nets on points with fixed-step solvers can be stacked"
    )
    return f"stacked 0 of {len(keys)} trials: {why}"


def _in_flight(results: "Results", options: Options) -> "InFlight":
    """What any executor has of this folder. Frees stuck jobs of the chosen executor on the way."""
    from sweeps.execute.queues import Queues
    from sweeps.store import EventReader

    queues = Queues(results)
    queues.add(EventReader(results).poll())
    if options.executor in queues.schedulers and not options.dry_run:
        require(options.executor)
        for line in queues.schedulers[options.executor].release():
            print(line, file=sys.stderr)
    return queues.in_flight()


def _check_known(current: "Plan", flight: "InFlight", options: Options) -> None:
    lost = [entry for entry in current.of("pending") if entry.trial.trial_id in flight.unknown]
    if lost and options.train and not options.resubmit:
        raise InfrastructureError(
            f"cannot tell whether {len(lost)} trials are still queued: {flight.problem}; "
            "try again where it answers, or submit them once more with --resubmit"
        )


def _tasks(flight: "InFlight") -> str:
    if flight.problem:
        return f"as events tell; {flight.problem}"
    return (
        counts(Counter({state.lower(): n for state, n in flight.jobs.items()})) + " tasks"
        if flight.jobs
        else "sent a moment ago"
    )


def _summary(done: "Submitted", chosen: list["Entry"], results: "Results", plan_name: str) -> int:
    """Print the outcomes of the chosen trials; returns the exit code.

    Raises InfrastructureError after an infrastructure failure.
    """
    from sweeps.store import FINAL_OUTCOMES, StoreView

    report = done.report
    assert report is not None
    # The accepted rows decide. A report only knows why other trials have none.
    accepted = StoreView(results).accepted
    ids = [entry.trial.trial_id for entry in chosen]
    outcomes = {
        one: accepted[one].outcome if one in accepted else report.outcomes.get(one, "not finished")
        for one in ids
    }
    print(
        f"{plan_name}: {counts(Counter(outcomes.values()))}"
        + (f"; {report.evaluated} evaluated without training" if report.evaluated else "")
    )
    unsettled = {
        trial_id: outcome
        for trial_id, outcome in outcomes.items()
        if outcome not in FINAL_OUTCOMES or trial_id in report.unevaluated
    }
    for trial_id, outcome in unsettled.items():
        if detail := report.unevaluated.get(trial_id) or report.details.get(trial_id):
            print(f"  {outcome} {trial_id[:12]}: {detail}; see odesweep logs {trial_id[:12]}")
    if report.infrastructure:
        raise InfrastructureError(report.infrastructure)
    if report.stopped or "not finished" not in outcomes.values():
        _tell_end(results, done.submissions, report.stopped, counts(Counter(outcomes.values())))
    if report.stopped:
        print(
            f"ended early: {report.stopped}; run the same command again to resume", file=sys.stderr
        )
    return 1 if unsettled or report.stopped else 0


def _tell_end(
    results: "Results", submissions: Sequence[str], stopped: str | None, words: str
) -> None:
    """Tell the address of the profile, where no worker could: not all nodes see the network."""
    from sweeps.notify import Notifier
    from sweeps.store import read_submission

    for submission in submissions[:1]:
        notifier = Notifier.of(results, read_submission(results, submission))
        if stopped is None:
            notifier.tell("done", words)
        else:
            notifier.tell_end(stopped)


def _untrained(untrained: int, options: Options) -> int:
    if untrained:
        command = command_line(
            "run",
            options.study,
            *(options.overrides or ()),
            scale=options.scale,
            results=options.results,
        )
        are = "is" if untrained == 1 else "are"
        print(f"{count(untrained, 'trial')} {are} not trained yet; `{command}` trains them")
    return 1 if untrained else 0


run = command(
    _command,
    "Train pending trials and run missing evaluations.\n\n"
    "Run the command again to resume, or to compute what is new in a larger grid.",
    train=True,
)
evaluate = command(
    _command,
    "Run missing evaluations and probes of trained trials, from their saved weights. Never trains.",
    train=False,
)
probe = command(
    _probe,
    "Time 20 training steps of each net and solver of a study, so that `plan` predicts its cost."
    "\n\nIts rows are kept in a folder of their own and are no results. With --profile, they run "
    "on the device of that profile.",
    train=True,
)
