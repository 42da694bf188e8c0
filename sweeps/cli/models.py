"""`odesweep models`: every model of the papers, with its printed and its counted parameters."""

import json
from typing import Any

from sweeps.cli import JsonOption


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
    from rich.table import Table

    from sweeps.cli.plan import console

    table = Table(
        "model",
        "paper",
        "data set",
        "printed",
        "here",
        "without norms",
        "note",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for column in table.columns[1:6]:
        column.no_wrap = True
    for column in table.columns[3:6]:
        column.justify = "right"
    previous = ""
    for row in rows:
        paper = row["paper"] if row["paper"] != previous else ""
        previous = row["paper"]
        table.add_row(
            row["label"],
            paper,
            row["data"],
            _number(row["printed"]),
            _number(row["here"]),
            _number(row["without_norms"]),
            row["note"],
        )
    console().print(table)


def _number(value: int | str | None) -> str:
    return f"{value:,}" if isinstance(value, int) else value or ""
