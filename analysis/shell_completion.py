"""Shell completion: all names to choose from; typer offers those that begin like the word.

Nothing here loads torch.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import typer


def figure_names() -> Iterable[str]:
    """Papers and their figures."""
    return _names("FIGURES")


def table_names() -> Iterable[str]:
    """Papers and their tables."""
    return _names("TABLES")


def figure_and_table_names() -> Iterable[str]:
    """Papers and their figures and tables."""
    return _names("FIGURES", "TABLES")


def scale_names() -> Iterable[str]:
    """Scales that the papers' studies have."""
    return ("paper", "small", "smoke")


def study_names(ctx: typer.Context) -> Iterable[str]:
    """Studies and plans that the results folder has."""
    results = ctx.params.get("results") or os.environ.get("ODESWEEP_RESULTS", "results")
    files = sorted(Path(results, "plans").glob("*.parquet"))
    plans = [file.stem.replace("--", "/") for file in files]
    return dict.fromkeys([*(name.partition("@")[0] for name in plans), *plans])


def kinds() -> Iterable[str]:
    """Kinds of plots."""
    return ("line", "point", "box", "heat", "curve")


def _names(*kinds: str) -> Iterable[str]:
    from analysis.check import select

    found = [value.name for value in select(None, *kinds)]
    return dict.fromkeys([*(name.partition("/")[0] for name in found), *found])
