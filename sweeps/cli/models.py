"""`odesweep models`: every model of the papers, with its printed and its counted parameters."""

import json
from typing import Any

from sweeps.cli import JsonOption
from sweeps.cli.output import console, table


def models(as_json: JsonOption = False) -> None:
    """List the models of the papers, with the parameters printed there and counted here."""
    from sweeps.cli.installed import check_installed

    check_installed()
    from odecore.models.sizes import sizes

    rows = [size._asdict() for size in sizes()]
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        _show(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    numbers = ("printed", "here", "without norms")
    shown = table(("model", "paper", "data set"), numbers, ("note",))
    for column in shown.columns[1:3]:
        column.no_wrap = True
    previous = ""
    for row in rows:
        paper = row["paper"] if row["paper"] != previous else ""
        previous = row["paper"]
        shown.add_row(
            row["label"],
            paper,
            row["data"],
            _number(row["printed"]),
            _number(row["here"]),
            _number(row["without_norms"]),
            row["note"],
        )
    console().print(shown)


def _number(value: int | str | None) -> str:
    return f"{value:,}" if isinstance(value, int) else value or ""
