"""`odesweep query`: SQL over the results."""

import csv
import json
import math
import sys
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import DEFAULT_RESULTS, JsonOption, ResultsOption, existing
from sweeps.cli.output import console, count
from sweeps.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

SqlArgument = Annotated[
    str,
    typer.Argument(
        metavar="SQL",
        help=(
            "One SELECT over the views runs, attempts, epochs, evaluations, probe_NAME and plans. "
            "`DESCRIBE runs` lists the columns of a view."
        ),
    ),
]
_ANY_WIDTH = 1_000_000
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def query(
    sql: SqlArgument,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Answer an SQL query (DuckDB) over the results.

    The view runs has one row per accepted run, epochs their curves,
    attempts every row of a run, accepted or not.

    Of which study and scale a run is, the view plans says:

    SELECT study, avg(accuracy_test) FROM runs
    JOIN plans USING (trial_id) GROUP BY ALL
    """
    from sweeps.store.query import query as ask

    folder = existing(results)
    if as_json and as_csv:
        raise UserError("--json and --csv exclude each other; give one")
    table = ask(folder, sql)
    if as_json:
        print(
            json.dumps(
                [dict(zip(table.column_names, row, strict=True)) for row in _rows(table)], indent=1
            )
        )
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.column_names)
        writer.writerows(_rows(table))
    else:
        _show(table)


def _rows(table: "pa.Table") -> "list[tuple[Any, ...]]":
    from sweeps.store.to_python import values

    return list(
        zip(*([_plain(value) for value in values(column)] for column in table.columns), strict=True)
    )


def _plain(value: Any) -> Any:
    """Convert to JSON: times become ISO text, NaN and infinity become null."""
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return str(value)


def _show(table: "pa.Table") -> None:
    from rich.markup import escape
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name, column in zip(table.column_names, table.columns, strict=True):
        number = str(column.type) in ("double", "float") or "int" in str(column.type)
        shown.add_column(escape(name), justify="right" if number else "left", no_wrap=True)
    for row in _rows(table):
        shown.add_row(
            *(
                f"{value:.6g}"
                if isinstance(value, float)
                else escape("" if value is None else str(value))
                for value in row
            )
        )
    out = console()
    needed = out.measure(shown, options=out.options.update(width=_ANY_WIDTH)).maximum
    if not out.is_terminal:
        out.width = max(out.width, needed)
    out.print(shown)
    out.print(count(table.num_rows, "row"), markup=False)
    if needed > out.width:
        out.print(
            f"the columns do not fit in {out.width} characters, so that some are cut or left out; "
            "use --csv",
            markup=False,
        )
