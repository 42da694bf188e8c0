"""`odereport`: figures, tables, claims and the report from a results folder.

Heavy packages are imported when a command runs.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from analysis import shell_completion

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)

FigureTarget = Annotated[
    str | None,
    typer.Argument(
        metavar="PAPER[/NAME]",
        help="A paper, or one figure of it. Default: all figures.",
        autocompletion=shell_completion.figure_names,
    ),
]
TableTarget = Annotated[
    str | None,
    typer.Argument(
        metavar="PAPER[/NAME]",
        help="A paper, or one table of it. Default: all tables.",
        autocompletion=shell_completion.table_names,
    ),
]
Target = Annotated[
    str | None,
    typer.Argument(
        metavar="PAPER[/NAME]",
        help="A paper, or one figure or table of it. Default: all.",
        autocompletion=shell_completion.figure_and_table_names,
    ),
]
ResultsFolder = Annotated[
    Path,
    typer.Option("--results", envvar="ODESWEEP_RESULTS", help="The results folder of odesweep."),
]
OutFolder = Annotated[Path, typer.Option("--out", help="The folder to write to.")]
ClaimTarget = Annotated[
    str | None,
    typer.Argument(metavar="PAPER[/KEY]", help="A paper, or one claim of it. Default: all claims."),
]
ScaleName = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="Scale to read. Default: the largest that the folder has; smoke last.",
        autocompletion=shell_completion.scale_names,
    ),
]
PlanName = Annotated[
    str | None,
    typer.Option(
        "--plan",
        help="Saved plan to read, such as demo or demo@demo. Default: the study of each figure.",
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser of this desktop.")]


@app.callback()
def odereport() -> None:
    """Make figures, tables, claims and a report from a results folder.

    Each number comes with the number of runs n and an interval.
    """


@app.command()
def figures(
    target: FigureTarget = None,
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    plan: PlanName = None,
    scale: ScaleName = None,
) -> int:
    """Draw figures. Writes PNG, PDF, the numbers as CSV, and a caption."""
    from analysis import make

    return make.figures(target, make.Reader(results, plan, scale), out)


@app.command()
def plot(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="A study, the name of a saved plan, or a study's file.",
            autocompletion=shell_completion.study_names,
        ),
    ],
    y: Annotated[str | None, typer.Option("--y", help="Metric. Default: accuracy_test.")] = None,
    x: Annotated[str | None, typer.Option("--x", help="Axis of the study, or epoch.")] = None,
    hue: Annotated[str | None, typer.Option("--hue", help="Axis of the colours.")] = None,
    col: Annotated[
        list[str] | None, typer.Option("--col", help="Axis of the panels; may be repeated.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            autocompletion=shell_completion.kinds,
            help="line, point, box, heat (x by hue) or curve. Default: by the axis.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="KEY=VALUE", help="Only these runs; may be repeated."),
    ] = None,
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    scale: ScaleName = None,
) -> int:
    """Plot any study, also one of your own.

    By itself it draws curves, each axis, a heat map, outcomes and cost. With options, one picture.

    An axis that you do not name becomes the colour or the panels; nothing is averaged but seeds.
    Writes PNG, PDF, the numbers as CSV, and a caption.
    """
    from analysis import make
    from analysis.plot.chart import Wish
    from analysis.plot.command import plot as draw

    wish = Wish(y=y, x=x, hue=hue, col=tuple(col or ()), kind=kind)
    return draw(study, wish, where or (), make.Reader(results, None, scale), out)


@app.command()
def tables(
    target: TableTarget = None,
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    plan: PlanName = None,
    scale: ScaleName = None,
) -> int:
    """Write tables as CSV and Markdown, and print them."""
    from analysis import make

    return make.tables(target, make.Reader(results, plan, scale), out)


@app.command()
def check(
    target: Target = None,
    results: ResultsFolder = Path("results"),
    plan: PlanName = None,
    scale: ScaleName = None,
    decide: Annotated[
        bool,
        typer.Option("--decide", help="Show how many more seeds would decide each claim instead."),
    ] = False,
) -> int:
    """Show which rows are missing.

    For each figure and table, with the command that computes them. With --decide for each
    inconclusive claim: the seeds that would decide it, their cost, and the command.
    """
    from analysis import make
    from analysis.claims import decide as more_seeds

    command = more_seeds.check if decide else make.check
    return command(target, make.Reader(results, plan, scale))


@app.command()
def claims(
    target: ClaimTarget = None,
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    plan: PlanName = None,
    scale: ScaleName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> int:
    """Judge the claims of the papers.

    A verdict is one of: reproduced, contradicted, inconclusive, not enough data. Also writes
    claims.csv and claims.md.
    """
    from analysis import make
    from analysis.claims import command as claims_command

    return claims_command.claims(target, make.Reader(results, plan, scale), out, as_json)


@app.command()
def report(
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("figures"),
    scale: ScaleName = None,
    show: Open = False,
) -> int:
    """Write everything to one HTML page.

    report.html has verdicts, figures, tables, failures, cost and coverage, and works without a
    network. Ends with 1 while figures or verdicts lack data; the page says which.
    """
    from analysis import make
    from analysis.report import write_report

    return write_report(make.Reader(results, None, scale), out, show)


@app.command()
def site(
    results: ResultsFolder = Path("results"),
    out: OutFolder = Path("site"),
    scale: ScaleName = None,
) -> int:
    """Write pages of results: one per paper, as HTML and as Markdown.

    They show verdicts, figures and tables without a script, with their pictures and numbers as
    files in the same folder.
    """
    from analysis import make
    from analysis.report.site import write_site

    return write_site(make.Reader(results, None, scale), out)


@app.command()
def archive(
    results: ResultsFolder = Path("results"),
    out: Annotated[Path, typer.Option("--out", help="The zip file to write.")] = Path(
        "odesweep-results.zip"
    ),
) -> int:
    """Pack rows, plans, report and environment into one zip file, with its SHA-256 beside it.

    Ready for a repository that gives a DOI: hosts become node-1, node-2 and so on; weights, logs
    and events stay behind.
    """
    from analysis.archive import archive as pack

    return pack(results, out)


@app.command()
def serve(
    results: ResultsFolder = Path("results"),
    scale: ScaleName = None,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Where to listen. Others than this machine need the token printed."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 8765,
    show: Open = False,
) -> int:
    """Show the report in the browser while a sweep runs.

    The page of `report` over HTTP, drawn again when rows changed. It only reads. By default only
    this machine reaches it; with another --host, only who knows the token in its address.
    """
    from analysis import make
    from analysis.report.page import gather, interactive
    from analysis.report.sections import Pictures
    from analysis.report.serve import serve as listen

    drawn = Pictures()

    def draw(version: int) -> str:
        reader = make.Reader(results, None, scale)
        return interactive(reader, gather(reader, drawn, quiet=True), version)

    return listen(results, host, port, draw, show)


def main() -> None:
    """Run the command line and exit.

    Exit codes: 0 done, 1 something is missing or could not be drawn, 2 wrong usage,
    3 infrastructure failure, 130 interrupted.
    """
    sys.exit(_exit_code())


def _exit_code() -> int:
    for before, word in zip(sys.argv, sys.argv[1:], strict=False):
        name, is_set, value = word.partition("=")
        # An empty folder would be the current one.
        if not word or (name.startswith("--") and is_set and not value):
            what = name or (before if before.startswith("-") else "an argument")
            return _stop(f"{what} has an empty value; give one, or leave it out", 2)
    try:
        code = app(prog_name="odereport", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return _stop("interrupted", 130)
    except (BrokenPipeError, SystemExit):
        # The reader has gone, as with `| head`: typer ends so. Python flushes once more when it
        # ends, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _stop(
            f"{error.filename or 'file system'}: {error.strerror or error}; repair this, or give "
            "another folder with --out",
            3,
        )
    except Exception as error:
        # Errors that a user can act on carry their exit code: ours, the store's, and usage errors
        # of typer, which have no public base class.
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        words = getattr(error, "format_message", None)
        return _stop(f"{_usage(words())} (odereport --help)" if words else str(error), code)
    return code if isinstance(code, int) else 0


def _usage(words: str) -> str:
    """A usage error of typer in one line."""
    return " ".join(words.split()).replace(": Value error, ", ": ")


def _stop(message: str, code: int) -> int:
    print(f"odereport: {message}", file=sys.stderr)
    return code
