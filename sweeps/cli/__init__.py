"""The command line `odesweep`.

One file per command, which imports heavy packages only when called.
"""

import errno
import os
import shlex
import sys
from contextlib import redirect_stderr
from gc import set_threshold
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from sweeps.cli import shell_completion
from sweeps.errors import UserError
from sweeps.keep_weights import KEEP
from sweeps.stop_signals import Undaunted

if TYPE_CHECKING:
    from sweeps.store import Results

# Command -> module of this package with a function of that name, in the order of `--help`.
COMMANDS = {
    "studies": "studies",
    "new": "new",
    "models": "models",
    "plan": "plan",
    "probe": "run",
    "run": "run",
    "evaluate": "run",
    "status": "status",
    "logs": "logs",
    "hold": "hold",
    "release": "hold",
    "show": "show",
    "diff": "diff",
    "top": "top",
    "cancel": "cancel",
    "retry": "retry",
    "compact": "compact",
    "merge": "merge",
    "gc": "gc",
    "query": "query",
    "export": "export",
    "data": "data",
    "doctor": "doctor",
}
# Those that may start processes that train, which choose their threads themselves.
TRAINING = ("run", "evaluate", "probe")

# Parameters that several commands share.
StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help=(
            "A study's name (`odesweep studies` lists them) or a file: ./my_study.toml or "
            "./my_study.py."
        ),
        autocompletion=shell_completion.study_names,
    ),
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]…",
        help=(
            "On an axis, key=a,b keeps only these values and +key=c adds one. On any other key, "
            "key=a sets a value and key=a,b makes an axis. Ranges: seed=0..4, "
            "'key=logspace(1e-4,1e-1,7)', 'key=linspace(0,1,5)'."
        ),
    ),
]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="One of the study's scales, such as paper, small or smoke. Default: its first.",
        autocompletion=shell_completion.scale_names,
    ),
]
AnyScaleOption = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="Only this scale of the study. Default: all.",
        autocompletion=shell_completion.scale_names,
    ),
]
SavedScaleOption = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="The scale of the study's saved plan. Default: the only one.",
        autocompletion=shell_completion.scale_names,
    ),
]
SampleOption = Annotated[
    int | None,
    typer.Option("--sample", min=1, help="Only so many of the selected trials, drawn at random."),
]
SampleSeedOption = Annotated[
    int | None,
    typer.Option(
        "--sample-seed",
        min=0,
        help="Which sample. Default: 0. The same seed draws the same trials.",
    ),
]
FirstOption = Annotated[
    list[str] | None,
    typer.Option(
        "--first",
        metavar="KEY=VALUE…",
        help="Trials with all of these values of axes come first, such as --first seed=0,1 size=8.",
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="HOURS",
        help="Begin no other trial once this command's trials have used so much: 500coreh (CPU "
        "cores) or 40gpuh (GPUs).",
    ),
]
ResultsOption = Annotated[
    Path,
    typer.Option(
        "--results", envvar="ODESWEEP_RESULTS", help="The results folder.", file_okay=False
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")
]
KeepWeightsOption = Annotated[
    str | None,
    typer.Option(
        "--keep-weights",
        metavar="|".join(KEEP),
        help=(
            "Which trained nets keep their weights: those with an ODE, which a test solver added "
            "later needs; all; or none. Default: what the profile or else the study says."
        ),
        autocompletion=shell_completion.keep_weights,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DEFAULT_RESULTS = Path("results")


def command_line(
    action: str,
    *words: str,
    scale: str | None = None,
    results: Path | None = None,
    data_root: Path | None = None,
) -> str:
    """The command `odesweep ACTION` with the options that were given, for a hint.

    Folders that the environment or the default names are left out.
    """
    from sweeps.store.folders import default_folder

    typed = ["odesweep", action, *words, *(("--scale", scale) if scale else ())]
    if results and results.absolute() != default_folder().absolute():
        typed += ["--results", str(results)]
    if data_root and str(data_root) != os.environ.get("ODESWEEP_DATA"):
        typed += ["--data-root", str(data_root)]
    return shlex.join(typed)


def existing(results: Path) -> "Results":
    """The results folder. Raises UserError if there is none."""
    from sweeps.store import Results

    folder = Results(results)
    if not folder.path.is_dir():
        raise UserError(
            f"no results folder {results}; give the one that `odesweep run` wrote to with --results"
        )
    return folder


class _Command(TyperCommand):
    """Takes several words behind --first: --first a=1 b=2 is --first a=1 --first b=2.

    Refuses an empty value of an option: the folder "" would be the current one.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with_value = {
            name
            for one in self.params
            if one.param_type_name == "option" and not getattr(one, "is_flag", False)
            for name in one.opts
        }
        for word, after in zip(args, [*args, None][1:], strict=True):
            name, is_set, value = word.partition("=")
            if name in with_value and not (value if is_set else after is None or after):
                raise UserError(f"{name} has an empty value; give one, or leave {name} out")
        words: list[str] = []
        first = False
        for word in args:
            value = first and "=" in word and word[0] not in "+-"
            if value and words[-1] != "--first":
                words.append("--first")
            first = value or word.partition("=")[0] == "--first"
            words.append(word)
        return super().parse_args(ctx, words)


class _LazyCommands(TyperGroup):
    """Loads a command's module when the command is called or its help is shown."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in TRAINING:
            # Before numpy: it would start a thread for each CPU, and a login node has many.
            for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
                os.environ.setdefault(variable, "1")
            # Imports make many objects and hardly any garbage: looking for it costs 5 % of a query.
            set_threshold(100_000)
        single = typer.Typer(add_completion=False)
        single.command(cmd_name, cls=_Command)(
            getattr(import_module(f"{__name__}.{COMMANDS[cmd_name]}"), cmd_name)
        )
        return typer.main.get_command(single)

    def invoke(self, ctx: Any) -> Any:
        """Handle Ctrl-C and a closed pipe here, because typer would handle them differently."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            print("odesweep: interrupted", file=sys.stderr)
            return 130
        except OSError as error:
            # The reader has gone, as with `| head`, or the terminal.
            if error.errno not in (errno.EPIPE, errno.EIO) or error.filename:
                raise
            # Python flushes once more when it ends, which must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return code


app = typer.Typer(cls=_LazyCommands, pretty_exceptions_enable=False)


@app.callback()
def odesweep() -> None:
    """Run sweeps over normalization, solver and depth of neural ODEs.

    odesweep plans a grid of trials, runs it on this machine or on a cluster, resumes it after an
    interruption, and keeps every result as Parquet.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done, 1 some trials are not final, 2 wrong usage, 3 infrastructure failure,
    130 interrupted.
    """
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    if not (sys.argv[1:] if arguments is None else arguments):
        arguments = ["--help"]
    with redirect_stderr(cast(Any, Undaunted(sys.stderr))):
        return _called(arguments)


def _called(arguments: list[str] | None) -> int:
    try:
        code = app(arguments, prog_name="odesweep", standalone_mode=False)
    except UserError as error:
        print(f"odesweep: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit as ended:
        # So typer ends, with 1, when whoever reads its help has gone.
        if ended.code != 1:
            raise
        return 0
    except Exception as error:
        # Usage errors of typer have no public base class: typer brings its own copy of click.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        words = " ".join(message().split()).replace(": Value error, ", ": ")
        print(f"odesweep: {words} (odesweep --help)", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0
