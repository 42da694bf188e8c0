"""`odesweep run` and `odesweep evaluate`: submit what is missing to an executor and show how it goes."""

import shlex
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import DEFAULT_RESULTS, DryRunOption, OverridesArgument, ResultsOption, ScaleOption, StudyArgument
from sweeps.cli.data import DataOption, check
from sweeps.cli.installed import check_installed
from sweeps.errors import InfrastructureError, UserError

if TYPE_CHECKING:
    from sweeps.plan import Entry, Plan
    from sweeps.profiles import Profile
    from sweeps.store import Results
    from sweeps.worker.report import ShardReport

ExecutorOption = Annotated[str, typer.Option("--executor", help="Where to run: inline (one slot here) or ray (Ray Tune, here or on a cluster).")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Submit at most this many trials.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of one slot; else OMP_NUM_THREADS, else all CPUs.")]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="CPUs and GPUs of one slot: a TOML file or a name (executor ray).")]
AddressOption = Annotated[str | None, typer.Option("--address", help="An existing Ray cluster, such as auto or host:6379 (executor ray).")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Show what the worker prints.")]
PdbOption = Annotated[bool, typer.Option("--pdb", help="Run in this very process and stop in the debugger at an exception (executor inline).")]


@dataclass(frozen=True)
class _Options:
    """The options of both commands."""

    executor: str
    limit: int | None
    threads: int | None
    data_root: Path | None
    verbose: bool
    dry_run: bool
    profile: str | None
    address: str | None
    train: bool
    pdb: bool = False


def run(
    study: StudyArgument,
    overrides: OverridesArgument = None,
    executor: ExecutorOption = "inline",
    scale: ScaleOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    limit: LimitOption = None,
    threads: ThreadsOption = None,
    data_root: DataOption = None,
    profile: ProfileOption = None,
    address: AddressOption = None,
    verbose: VerboseOption = False,
    pdb: PdbOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Train what is pending, evaluate what is not, publish every row. Run it again to resume, or to fill a grid that has grown."""
    options = _Options(executor, limit, threads, data_root, verbose, dry_run, profile, address, train=True, pdb=pdb)
    return _submit(study, overrides, scale, results, options)


def evaluate(
    study: StudyArgument,
    overrides: OverridesArgument = None,
    executor: ExecutorOption = "inline",
    scale: ScaleOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    limit: LimitOption = None,
    threads: ThreadsOption = None,
    data_root: DataOption = None,
    profile: ProfileOption = None,
    address: AddressOption = None,
    verbose: VerboseOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Fill missing evaluations and probes from kept weights; never trains."""
    options = _Options(executor, limit, threads, data_root, verbose, dry_run, profile, address, train=False)
    return _submit(study, overrides, scale, results, options)


def _submit(reference: str, overrides: list[str] | None, scale: str | None, folder: Path, options: _Options) -> int:
    from sweeps.execute import EXECUTORS
    from sweeps.overrides import select
    from sweeps.plan import look, save
    from sweeps.profiles import load
    from sweeps.store import Results
    from sweeps.studies import find

    if options.executor not in EXECUTORS:
        raise UserError(f"unknown executor {options.executor!r}; choose from {', '.join(EXECUTORS)}")
    if options.pdb and options.executor != "inline":
        raise UserError(f"--pdb needs the trial in this process; use --executor inline instead of {options.executor}")
    if options.executor != "ray" and (options.profile or options.address):
        raise UserError(f"--profile and --address are for executor ray, not {options.executor}")
    profile = load(options.profile)
    results = Results(folder)
    selection = select(find(reference), scale, overrides or ())
    current, costs = look(results, selection)
    if not options.dry_run:
        save(results, selection, costs, reference)
    chosen = [entry for entry in current.entries if entry.submits and (options.train or entry.state == "done")][: options.limit]
    untrained = 0 if options.train else len(current.of("pending"))
    if not chosen:
        print(f"{selection.plan_name}: nothing to do; {_counts(Counter(e.outcome or 'not trained' for e in current.entries))}")
        return _untrained(untrained, reference)
    words = f"{sum(e.state == 'pending' for e in chosen)} to train, {sum(e.state == 'done' for e in chosen)} to evaluate only"
    if options.dry_run:
        print(f"{selection.plan_name}: would submit {words}, about {sum(e.seconds for e in chosen) / 60:.1f} core-minutes")
        return 0
    check_installed()
    check((entry.trial.spec for entry in chosen), options.data_root)
    print(f"{selection.plan_name}: {words}; results in {results.path}", file=sys.stderr)
    report = _execute(current, chosen, results, options, profile)
    return max(_summary(report, chosen, results, selection.plan_name), _untrained(untrained, reference))


def _execute(current: "Plan", chosen: list["Entry"], results: "Results", options: _Options, profile: "Profile") -> "ShardReport":
    from datetime import UTC, datetime
    from importlib import import_module

    from sweeps.cli.progress import RunDisplay
    from sweeps.execute import EXECUTORS
    from sweeps.execute.base import Job
    from sweeps.limits import Limits
    from sweeps.shards import balance, shard_count
    from sweeps.store import write_submission
    from sweeps.worker.tasks import Task

    limits = Limits.from_environment()
    tasks = [Task.from_entry(entry) for entry in chosen]
    metadata = {
        "study": current.selection.study.name,
        "scale": current.selection.scale,
        "executor": options.executor,
        "command": shlex.join(["odesweep", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    module, _, function = EXECUTORS[options.executor].partition(":")
    try:
        execute = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        extra = f"odesweep[{options.executor}]"
        raise UserError(f"executor {options.executor} needs {error.name}, which is not installed: pip install '{extra}'") from None
    shards = balance(tasks, shard_count(len(tasks), options.executor, profile))
    rows = [task.to_row(shard, index) for shard, members in enumerate(shards) for index, task in enumerate(members)]
    submission = write_submission(results, rows, metadata)
    with RunDisplay(len(tasks), follow=options.verbose, bars=not options.pdb) as display:
        job = Job(
            results,
            submission,
            options.executor,
            display,
            limits,
            options.data_root,
            options.threads,
            debug=options.pdb,
            profile=profile,
            address=options.address,
        )
        try:
            return execute(job)
        except (UserError, KeyboardInterrupt):
            raise
        except Exception:
            if options.pdb:
                import pdb  # noqa: T100 - this is what --pdb asks for
                import traceback

                traceback.print_exc()
                pdb.post_mortem()
            raise


def _summary(report: "ShardReport", chosen: list["Entry"], results: "Results", plan_name: str) -> int:
    """Say what came out of the chosen trials; the exit code. Raises InfrastructureError when the machine was in the way."""
    from sweeps.store import FINAL_OUTCOMES, StoreView

    # What is accepted decides; a report only knows why the others are not.
    accepted = StoreView(results).accepted
    ids = [entry.trial.trial_id for entry in chosen]
    outcomes = {one: accepted[one].outcome if one in accepted else report.outcomes.get(one, "not finished") for one in ids}
    print(f"{plan_name}: {_counts(Counter(outcomes.values()))}" + (f"; {report.evaluated} evaluated without training" if report.evaluated else ""))
    unsettled = {trial_id: outcome for trial_id, outcome in outcomes.items() if outcome not in FINAL_OUTCOMES or trial_id in report.unevaluated}
    for trial_id, outcome in unsettled.items():
        if detail := report.unevaluated.get(trial_id) or report.details.get(trial_id):
            print(f"  {outcome} {trial_id[:12]}: {detail}; see odesweep logs {trial_id[:12]}")
    if report.infrastructure:
        raise InfrastructureError(report.infrastructure)
    if report.stopped:
        print(f"ended early: {report.stopped}; the same command goes on from here", file=sys.stderr)
    return 1 if unsettled or report.stopped else 0


def _untrained(count: int, reference: str) -> int:
    if count:
        print(f"{count} trials are not trained yet: odesweep run {reference}")
    return 1 if count else 0


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counter.most_common())
