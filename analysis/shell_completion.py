"""Shell completion: the names that begin like the typed word. Nothing here loads torch."""

import os
from pathlib import Path

import typer


def figure_names(incomplete: str) -> list[str]:
    """Papers and their figures."""
    return _beginning(incomplete, "FIGURES")


def table_names(incomplete: str) -> list[str]:
    """Papers and their tables."""
    return _beginning(incomplete, "TABLES")


def figure_and_table_names(incomplete: str) -> list[str]:
    """Papers and their figures and tables."""
    return _beginning(incomplete, "FIGURES", "TABLES")


def scale_names(incomplete: str) -> list[str]:
    """Scales that the papers' studies have."""
    return [name for name in ("paper", "small", "smoke") if name.startswith(incomplete)]


def study_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Studies and plans that the results folder has."""
    results = ctx.params.get("results") or os.environ.get("ODESWEEP_RESULTS", "results")
    files = sorted(Path(results, "plans").glob("*.parquet"))
    plans = [file.stem.replace("--", "/") for file in files]
    studies = dict.fromkeys(name.partition("@")[0] for name in plans)
    return [name for name in (*studies, *plans) if name.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """Kinds of plots."""
    known = ("line", "point", "box", "heat", "curve")
    return [name for name in known if name.startswith(incomplete)]


def _beginning(incomplete: str, *kinds: str) -> list[str]:
    from analysis.check import select

    found = [value.name for value in select(None, *kinds)]
    papers = dict.fromkeys(name.partition("/")[0] for name in found)
    return [name for name in (*papers, *found) if name.startswith(incomplete)]
