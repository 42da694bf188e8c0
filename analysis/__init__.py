"""From Parquet to numbers, figures, tables and claims.

It needs neither torch nor the code that made the rows.
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.results import Results


def open_results(path: str | PathLike[str], scale: str | None = None) -> "Results":
    """A results folder as data frames and pictures.

    scale: of the plans that are read, instead of the first of paper, small, smoke. Raises
    ReportError if there is no such folder.
    """
    from analysis.results import Results

    return Results(path, scale)
