"""`odesweep diff`: what differs between two trials, cells, submissions or plans."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import (
    DEFAULT_RESULTS,
    JsonOption,
    ResultsOption,
    SavedScaleOption,
    existing,
    shell_completion,
)
from sweeps.cli.output import console, count

if TYPE_CHECKING:
    from sweeps.inspection.compare import Difference, Side

_WHAT = (
    "A saved plan, a study with one saved plan, or at least the first 4 digits of the id of a "
    "trial, cell or submission."
)


def diff(
    a: Annotated[
        str, typer.Argument(metavar="A", help=_WHAT, autocompletion=shell_completion.study_names)
    ],
    b: Annotated[
        str, typer.Argument(metavar="B", help=_WHAT, autocompletion=shell_completion.study_names)
    ],
    scale: SavedScaleOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Show only what differs between two trials, cells, submissions or plans.

    Axes, spec, outcome, metrics, tests, time and provenance. Of several trials: the values that
    occur, and the mean of numbers with n.
    """
    from sweeps.inspection.compare import differences, side
    from sweeps.inspection.status import Watch

    watch = Watch(existing(results))
    first, second = side(watch, a, scale), side(watch, b, scale)
    found = differences(first, second)
    if as_json:
        both = {"a": _named(first), "b": _named(second)}
        print(json.dumps(both | {"differences": [asdict(one) for one in found]}, indent=1))
    else:
        _show(first, second, found)


def _named(one: "Side") -> dict[str, object]:
    return {"kind": one.kind, "name": one.name, "trials": len(one.trials)}


def _show(a: "Side", b: "Side", found: "list[Difference]") -> None:
    from rich.markup import escape
    from rich.table import Table

    out = console()
    out.print(f"A: {a}\nB: {b}", markup=False)
    for one in (a, b):
        trials = one.trials.values()
        if lacking := sum(not trial.row for trial in trials):
            unknown = sum(not trial.spec for trial in trials)
            more = f", {unknown} of them no known spec" if unknown else ""
            out.print(f"{one}: {count(lacking, 'trial')} without a row{more}", markup=False)
    if not found:
        out.print("no difference in axes, spec, outcome, metrics, tests, time and provenance")
        return
    table = Table("", "", "A", "B", "B - A", box=None, pad_edge=False, header_style="bold")
    table.columns[-1].justify = "right"
    for column in table.columns:
        column.overflow = "fold"
    section = ""
    for one in found:
        change = "" if one.change is None else f"{one.change:+.4g}"
        shown = one.section if one.section != section else ""
        section = one.section
        table.add_row(shown, *map(escape, (one.name, one.a, one.b)), change)
    out.print(table)
