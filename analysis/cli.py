"""`odereport`: figures, tables, claims and the report from a results folder. Nothing heavy is imported before a command runs."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="PAPER[/NAME]", help="One paper, or one figure or table of it; all when left out."
    ),
]
ResultsFolder = Annotated[
    Path,
    typer.Option("--results", envvar="ODESWEEP_RESULTS", help="Folder that odesweep wrote to."),
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the files made.")]
ClaimTarget = Annotated[
    str | None,
    typer.Argument(
        metavar="PAPER[/KEY]", help="The claims of one paper, or one claim; all when left out."
    ),
]
ScaleName = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="Scale to read: paper, small or smoke; otherwise the first of these that is there.",
    ),
]
PlanName = Annotated[
    str | None,
    typer.Option(
        "--plan",
        help="Saved plan to read, such as demo or demo@demo; otherwise each figure's own study.",
    ),
]


@app.callback()
def odereport() -> None:
    """Figures, tables, claims and one report from a results folder, each number with n and an interval."""


@app.command()
def figures(
    target: Target = None,
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    plan: PlanName = None,
    scale: ScaleName = None,
) -> None:
    """Draw figures: PNG, PDF, CSV of the numbers, caption."""
    from analysis import make

    raise typer.Exit(make.figures(target, make.Reader(results, plan, scale), out))


@app.command()
def tables(
    target: Target = None,
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    plan: PlanName = None,
    scale: ScaleName = None,
) -> None:
    """Write tables as CSV and Markdown, and print them."""
    from analysis import make

    raise typer.Exit(make.tables(target, make.Reader(results, plan, scale), out))


@app.command()
def check(
    target: Target = None,
    results: ResultsFolder = Path("results"),
    plan: PlanName = None,
    scale: ScaleName = None,
) -> None:
    """Say for each figure and table what is missing and which command fills it."""
    from analysis import make

    raise typer.Exit(make.check(target, make.Reader(results, plan, scale)))


@app.command()
def claims(
    target: ClaimTarget = None,
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    plan: PlanName = None,
    scale: ScaleName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Judge each claim: reproduced, contradicted, inconclusive, not enough data; writes claims.csv and claims.md."""
    from analysis import judging, make

    raise typer.Exit(judging.claims(target, make.Reader(results, plan, scale), out, as_json))


@app.command()
def report(
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    scale: ScaleName = None,
) -> None:
    """Write report.html: verdicts, figures, tables, failures, cost and coverage on one page that needs no network."""
    from analysis import make
    from analysis.report import write_report

    raise typer.Exit(write_report(make.Reader(results, None, scale), out))


def main() -> None:
    """Entry point. Exit codes: 0 ok, 1 something could not be drawn or is missing, 2 usage, 3 infrastructure, 130 interrupted."""
    sys.exit(_exit_code())


def _exit_code() -> int:
    try:
        code = app(prog_name="odereport", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return _stop("interrupted", 130)
    except BrokenPipeError:
        # The reader has gone, as with `| head`; Python must not fail once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _stop(
            f"{error.filename or 'file system'}: {error.strerror or error}; free or repair that place, or give another with --out",
            3,
        )
    except Exception as error:
        # Errors that a user can do something about carry their exit code: ours, the store's, and typer's, whichever version of click it brings.
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        words = getattr(error, "format_message", None)
        return _stop(
            f"{' '.join(words().split())} (odereport --help)" if words else str(error), code
        )
    return code if isinstance(code, int) else 0


def _stop(message: str, code: int) -> int:
    print(f"odereport: {message}", file=sys.stderr)
    return code
