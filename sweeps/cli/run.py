"""`odesweep run`, `evaluate` and `probe`: pass what is missing of a study to an executor."""

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sweeps.cli import (
    DEFAULT_RESULTS,
    DryRunOption,
    KeepWeightsOption,
    OverridesArgument,
    ResultsOption,
    SampleOption,
    SampleSeedOption,
    ScaleOption,
    StudyArgument,
    shell_completion,
)
from sweeps.cli.data import DataOption, check
from sweeps.cli.installed import check_installed
from sweeps.cli.options import Options
from sweeps.errors import InfrastructureError, UserError
from sweeps.execute.registry import executor, executors, having, require
from sweeps.keep_weights import choice, effective
from sweeps.stop import Undaunted

if TYPE_CHECKING:
    from sweeps.execute.scheduler import InFlight
    from sweeps.plan import Entry, Plan
    from sweeps.store import Results
    from sweeps.worker.report import ShardReport

ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        help="Where to run: "
        + ", ".join(f"{name} ({known.words})" for name, known in executors().items())
        + ".",
        autocompletion=shell_completion.executor_names,
    ),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="Submit at most this many trials.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads of one trial. Default: OMP_NUM_THREADS if set, otherwise all CPUs.",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help=(
            "Name or TOML file of a profile: CPUs and GPUs of one trial, and a scheduler's own "
            f"options ({having('profile')})."
        ),
        autocompletion=shell_completion.profile_names,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help=f"Address of a running cluster, such as auto or host:6379 ({having('address')}).",
    ),
]
WaitOption = Annotated[
    bool,
    typer.Option(
        "--wait",
        help=(
            "Wait until all submitted trials have finished "
            f"({having('wait')}; the other executors always wait)."
        ),
    ),
]
ResubmitOption = Annotated[
    bool,
    typer.Option(
        "--resubmit",
        help=f"Resubmit trials whose queue state is unknown ({having('resubmit')}).",
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("-v", "--verbose", help="Show what the worker prints.")
]
PdbOption = Annotated[
    bool,
    typer.Option(
        "--pdb",
        help="Run trials in this process and stop in the debugger at an exception "
        f"({having('pdb')}).",
    ),
]

EagerOption = Annotated[
    bool,
    typer.Option(
        "--eager",
        help="On a GPU: launch every kernel of a training step by itself, not as a CUDA graph.",
    ),
]
SlotsOption = Annotated[
    str | None,
    typer.Option(
        "--slots",
        metavar="N|auto",
        help=(
            "How many trials run at the same time, each in its own process; auto measures for a "
            f"few seconds what is best ({having('slots')}). Default: one for inline, otherwise "
            "what the profile says."
        ),
    ),
]


def _command(help_text: str, *, train: bool, probe: bool = False) -> Callable[..., int]:
    """A command with the options of all of them."""

    def command(
        study: StudyArgument,
        overrides: OverridesArgument = None,
        executor: ExecutorOption = "inline",
        scale: ScaleOption = None,
        results: ResultsOption = DEFAULT_RESULTS,
        sample: SampleOption = None,
        sample_seed: SampleSeedOption = None,
        limit: LimitOption = None,
        threads: ThreadsOption = None,
        data_root: DataOption = None,
        keep_weights: KeepWeightsOption = None,
        profile: ProfileOption = None,
        address: AddressOption = None,
        wait: WaitOption = False,
        resubmit: ResubmitOption = False,
        verbose: VerboseOption = False,
        pdb: PdbOption = False,
        eager: EagerOption = False,
        slots: SlotsOption = None,
        dry_run: DryRunOption = False,
    ) -> int:
        # Whoever reads what this prints may go; the trials go on.
        with redirect_stdout(cast(Any, Undaunted(sys.stdout))):
            return _run(
                results,
                Options(
                    study=study,
                    overrides=overrides or [],
                    executor=_of_profile(profile) if probe and profile else executor,
                    scale=scale,
                    sample=sample,
                    sample_seed=sample_seed,
                    limit=limit,
                    threads=threads,
                    data_root=data_root,
                    profile=profile,
                    address=address,
                    wait=wait or probe,
                    resubmit=resubmit,
                    verbose=verbose,
                    pdb=pdb,
                    eager=eager,
                    slots=slots,
                    dry_run=dry_run,
                    train=train,
                    keep_weights=keep_weights,
                    probe=probe,
                ),
            )

    command.__doc__ = help_text
    return command


run = _command(
    "Train pending trials and run missing evaluations.\n\n"
    "Run the command again to resume, or to compute what is new in a larger grid.",
    train=True,
)
evaluate = _command(
    "Run missing evaluations and probes of trained trials, from their saved weights. Never trains.",
    train=False,
)
probe = _command(
    "Time 20 training steps of each net and solver of a study, so that `plan` predicts its cost."
    "\n\nIts rows are kept in a folder of their own and are no results. With --profile, they run "
    "on the device of that profile.",
    train=True,
    probe=True,
)


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


def _run(folder: Path, options: Options) -> int:
    from sweeps.cli.plan import out_of_reach
    from sweeps.device import of_profile
    from sweeps.execute.worker import host_name
    from sweeps.overrides import select
    from sweeps.plan import current_plan, forecast_of, save
    from sweeps.profiles import load
    from sweeps.sample import draw
    from sweeps.store import Results
    from sweeps.studies import find
    from sweeps.timing import timed

    _check_options(options)
    known = executor(options.executor)
    profile = load(options.profile)
    if (profile.container or profile.python) and "container" not in known.options:
        raise UserError(
            f"container and python in a profile are for {having('container')}, not "
            f"{options.executor}: start odesweep itself in the container"
        )
    results = Results(folder)
    selection = draw(
        select(find(options.study), options.scale, options.overrides),
        options.sample,
        options.sample_seed,
    )
    if options.probe:
        results = results.timings(Path(options.profile).stem if options.profile else host_name())
        selection = timed(selection)
    flight = _in_flight(results, options)
    device = of_profile(profile) if options.profile else None
    current, costs = current_plan(results, selection, flight.trials, device)
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
    lost = out_of_reach(current, options.study)
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
        return max(1 if lost else 0, _untrained(untrained, options.study))
    words = (
        f"{sum(e.state == 'pending' for e in chosen)} to train, "
        f"{sum(e.state == 'done' for e in chosen)} to evaluate only"
    )
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
    check((entry.trial.spec for entry in chosen), options.data_root)
    print(f"{selection.plan_name}: {words}; results in {results.path}", file=sys.stderr)
    from sweeps.cli.submit import submit

    done = submit(current, chosen, flying if options.wait else [], results, options, profile)
    if done.report is None:
        print(
            f"{selection.plan_name}: {done.words}; `odesweep status {options.study} --watch` shows "
            "the progress"
        )
        return max(1 if done.left_out or lost else 0, _untrained(untrained, options.study))
    watched = [*chosen, *(flying if options.wait else [])]
    return max(
        _summary(done.report, watched, results, selection.plan_name),
        _untrained(untrained, options.study),
        1 if lost else 0,
    )


def _check_options(options: Options) -> None:
    chosen = executor(options.executor)
    given = {
        "pdb": options.pdb,
        "address": options.address,
        "profile": options.profile,
        "slots": options.slots,
    }
    for name, value in given.items():
        if value and name not in chosen.options:
            raise UserError(f"--{name} is for {having(name)}, not {options.executor}")
    if options.slots not in (None, "auto") and not (
        options.slots.isdecimal() and int(options.slots) > 0
    ):
        raise UserError(f"--slots {options.slots}: give a number from 1 on, or auto")
    if options.pdb and options.slots not in (None, "1"):
        raise UserError("--pdb runs one trial at a time in this process; leave out --slots")
    if options.keep_weights is not None:
        choice(options.keep_weights, "--keep-weights")


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


def _summary(
    report: "ShardReport", chosen: list["Entry"], results: "Results", plan_name: str
) -> int:
    """Print the outcomes of the chosen trials; returns the exit code.

    Raises InfrastructureError after an infrastructure failure.
    """
    from sweeps.store import FINAL_OUTCOMES, StoreView

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
    if report.stopped:
        print(
            f"ended early: {report.stopped}; run the same command again to resume", file=sys.stderr
        )
    return 1 if unsettled or report.stopped else 0


def _untrained(count: int, reference: str) -> int:
    if count:
        print(f"{count} trials are not trained yet; `odesweep run {reference}` trains them")
    return 1 if count else 0


def counts(counter: Counter[str]) -> str:
    """A text such as "3 completed, 1 crashed"."""
    return ", ".join(f"{n} {name}" for name, n in counter.most_common())
