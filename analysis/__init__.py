"""From Parquet to numbers, figures, tables and claims.

It needs neither torch nor the code that made the rows. For scripts and notebooks, this package has
the names of `__all__`. Each is loaded when it is first used.
"""

from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.errors import ReportError
    from analysis.results import Picture, Results

__all__ = ["Picture", "ReportError", "Results", "open_results"]


def open_results(path: str | PathLike[str], scale: str | None = None) -> "Results":
    """A results folder as data frames and pictures.

    scale: of the plans that are read, instead of the first of paper, small, smoke. Raises
    ReportError if there is no such folder.
    """
    from analysis.results import Results

    return Results(path, scale)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    home = "analysis.errors" if name == "ReportError" else "analysis.results"
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
