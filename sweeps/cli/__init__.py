"""The command line `odesweep`. One file per command; nothing heavy is imported before a command needs it."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from sweeps.errors import UserError

# Command -> the module of this package that has a function of the command's name, in the order of `--help`.
COMMANDS = {
    "studies": "studies",
    "models": "models",
    "plan": "plan",
    "run": "run",
    "evaluate": "run",
    "status": "status",
    "logs": "logs",
    "cancel": "cancel",
    "retry": "retry",
    "compact": "compact",
    "query": "query",
    "data": "data",
    "doctor": "doctor",
}

# Parameters that several commands share.
StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A study's name (`odesweep studies` lists them) or a file such as ./my_study.py.",
    ),
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]…",
        help="key=a,b keeps these grid values; +key=c adds one; any other key sets a value. seed=0..4 is a range.",
    ),
]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="paper, small or smoke, as far as the study has them; its first scale if not given.",
    ),
]
ResultsOption = Annotated[
    Path,
    typer.Option(
        "--results", envvar="ODESWEEP_RESULTS", help="The results folder.", file_okay=False
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DEFAULT_RESULTS = Path("results")


class _LazyCommands(TyperGroup):
    """Loads a command's module when the command is called or its help is shown."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's signature
        if cmd_name not in COMMANDS:
            return None
        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(
            getattr(import_module(f"{__name__}.{COMMANDS[cmd_name]}"), cmd_name)
        )
        return typer.main.get_command(single)

    def invoke(self, ctx: Any) -> Any:
        """Here rather than in `main`, because typer ends both cases in its own way."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            print("odesweep: interrupted", file=sys.stderr)
            return 130
        except BrokenPipeError:
            # The reader has gone, as with `| head`; Python must not fail once more when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return code


app = typer.Typer(cls=_LazyCommands, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def odesweep() -> None:
    """Sweeps over normalization, solver and depth of neural ODEs: plan, run anywhere, resume, and keep every result as Parquet."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 some trials are not final, 2 usage, 3 infrastructure failure, 130 interrupted."""
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str] | None) -> int:
    # Usage errors of typer, whichever version of click it brings.
    usage_error: type[Exception] = cast(Any, typer.BadParameter.__mro__[1])
    if not (sys.argv[1:] if arguments is None else arguments):
        arguments = ["--help"]
    try:
        code = app(arguments, prog_name="odesweep", standalone_mode=False)
    except UserError as error:
        print(f"odesweep: {error}", file=sys.stderr)
        return error.exit_code
    except usage_error as error:
        print(f"odesweep: {' '.join(_message(error).split())} (odesweep --help)", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0


def _message(error: Any) -> str:
    return error.format_message()
