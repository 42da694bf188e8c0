"""The options of `odesweep run` and `odesweep evaluate`: each is declared here, and only here."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, get_origin

import typer

from sweeps.cli import (
    DEFAULT_RESULTS,
    BudgetOption,
    DryRunOption,
    FirstOption,
    KeepWeightsOption,
    OverridesArgument,
    ResultsOption,
    SampleOption,
    SampleSeedOption,
    ScaleOption,
    StudyArgument,
    shell_completion,
)
from sweeps.cli.data import DataOption
from sweeps.execute.registry import executors, having

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
ThenOption = Annotated[
    str | None,
    typer.Option(
        "--then",
        metavar="COMMAND",
        help="A command of the shell that runs after the trials, however they end: in a job of its "
        f"own that depends on theirs ({having('then')}), otherwise here.",
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
            "How many trials run at the same time (in a queue: in each task), each in its own "
            f"process; auto measures for a few seconds what is best ({having('slots')}). Default: "
            "one for inline, otherwise what the profile says."
        ),
    ),
]
StackOption = Annotated[
    int | None,
    typer.Option(
        "--stack",
        min=1,
        metavar="N",
        help=(
            "Train up to N trials that differ only in seed, learning rate or weight decay as one "
            "batched step: flat nets on points with fixed-step solvers, 2 to 4 times faster per "
            "net. Results agree up to rounding."
        ),
    ),
]


@dataclass(frozen=True)
class Options:
    """The values that were given. Every annotated field is a parameter of both commands.

    train: whether pending trials are trained. If not, only missing evaluations and probes are
    computed. command: what submissions record as their origin; None for the words of this process.
    probe: train 20 steps of each net and solver instead, to learn what they cost.
    """

    train: bool
    study: StudyArgument
    overrides: OverridesArgument = None
    executor: ExecutorOption = "inline"
    scale: ScaleOption = None
    results: ResultsOption = DEFAULT_RESULTS
    sample: SampleOption = None
    sample_seed: SampleSeedOption = None
    first: FirstOption = None
    limit: LimitOption = None
    budget: BudgetOption = None
    threads: ThreadsOption = None
    data_root: DataOption = None
    keep_weights: KeepWeightsOption = None
    profile: ProfileOption = None
    address: AddressOption = None
    wait: WaitOption = False
    then: ThenOption = None
    resubmit: ResubmitOption = False
    verbose: VerboseOption = False
    pdb: PdbOption = False
    eager: EagerOption = False
    slots: SlotsOption = None
    stack: StackOption = None
    dry_run: DryRunOption = False
    command: str | None = None
    probe: bool = False


def command(run: Callable[[Options], int], help_text: str, *, train: bool) -> Callable[..., int]:
    """A command for typer whose parameters are those of `Options`. It calls `run` with them."""

    def called(**given: Any) -> int:
        return run(Options(train=train, **given))

    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=field.type,
        )
        for field in fields(Options)
        if get_origin(field.type) is Annotated
    ]
    called.__signature__ = inspect.Signature(parameters)
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    called.__doc__ = help_text
    return called
