"""Which figures and tables exist, what each lacks, and the commands that compute it."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from analysis.errors import ReportError, did_you_mean
from analysis.figure import Figure, Table
from analysis.papers import PAPERS
from sweeps.store import label

if TYPE_CHECKING:
    import pandas as pd

    from analysis.data import Data

# If there are more cells than this, they are counted, not listed: directly after `plan`, all of
# them are missing.
MAX_LISTED = 12


def select(target: str | None, *kinds: str) -> list[Figure | Table]:
    """Of FIGURES or TABLES those that `target` means: None all, a paper its own, `paper/name` one.

    They come in the papers' order. Raises ReportError that lists the valid names.
    """
    every = [value for kind in kinds for paper in PAPERS for value in values(paper, kind)]
    papers = dict.fromkeys(value.name.partition("/")[0] for value in every)
    chosen = [
        value for value in every if target in (None, value.name, value.name.partition("/")[0])
    ]
    if not chosen:
        words = " or ".join(kind.lower()[:-1] for kind in kinds)
        paper = str(target).partition("/")[0]
        valid = [value.name for value in every]
        listed = [name for name in valid if name.startswith(f"{paper}/")] or papers
        raise ReportError(
            f"no {words} {target!r}{did_you_mean(str(target), [*papers, *valid])}; "
            f"choose from {', '.join(listed)}"
        )
    return chosen


def values(paper: str, kind: str) -> tuple[Figure | Table, ...]:
    """FIGURES or TABLES of one paper."""
    return getattr(import_module(f"analysis.{paper}"), kind)


def find(name: str) -> Any:
    """The figure or table of this name, `paper/name`."""
    (value,) = select(name, "FIGURES", "TABLES")
    return value


@dataclass(frozen=True)
class Finding:
    """What one figure, table or claim lacks.

    summary: one sentence. cells: one line each. commands: the commands that compute it, one per
    study.
    """

    summary: str
    cells: list[str]
    commands: list[str]


def examine(data: "Data", needs: tuple[str, ...]) -> Finding:
    """The cells that `needs` asks of the plans and that have no row.

    A run that failed has its row and lacks nothing.
    """
    from analysis.caption import missing_text

    missing = data.missing(needs)
    studies = len(data.plans) > 1
    cells = [_cell(row, studies) for row in missing.to_dict("records")]
    if len(cells) > MAX_LISTED:
        cells = [*cells[:MAX_LISTED], f"and {len(cells) - MAX_LISTED} more"]
    summary = missing_text(data, needs) or f"complete, {len(data.planned_trials(needs))} trials."
    return Finding(summary, cells, filling_commands(data, missing))


def _cell(row: dict[Any, Any], studies: bool) -> str:
    study = f"{row['study']} " if studies else ""
    return f"{row['kind']}: {study}{row['axes']} seed={row['seed']}" + (
        f", {row['what']}" if row["what"] else ""
    )


def filling_commands(data: "Data", missing: "pd.DataFrame") -> list[str]:
    """One command per study that computes what is missing.

    It trains if trials are missing, otherwise it only evaluates.
    """
    commands = []
    for study, rows in missing.groupby("study", sort=False):
        # Of the whole study, so that the command says which variant is meant.
        trials = data.with_variants.trials.query("study == @study")
        plan = next(plan for plan in data.plans if plan.study == study)
        action = "run" if "trial" in set(rows["kind"]) else "evaluate"
        words = restriction(trials, rows)
        commands.append(plan.command(action, *words, "--results", data.results))
    return commands


def restriction(trials: "pd.DataFrame", wanted: "pd.DataFrame") -> list[str]:
    """`axis=value,...` words that select at least the `wanted` ones of the `trials`.

    Nothing for an axis of which all values are wanted.
    """
    words = []
    for axis in _axes(wanted):
        there, chosen = (list(dict.fromkeys(rows[f"axis.{axis}"])) for rows in (trials, wanted))
        if (
            "" not in chosen
            and not any("," in label(value) for value in chosen)
            and len(chosen) < len(there)
        ):
            words.append(f"{axis}={','.join(map(label, chosen))}")
    seeds = sorted(set(wanted["seed"]))
    return (
        [*words, f"seed={','.join(map(str, seeds))}"]
        if len(seeds) < len(set(trials["seed"]))
        else words
    )


def _axes(rows: "pd.DataFrame") -> list[str]:
    return [
        name.removeprefix("axis.")
        for name in rows.columns
        if name.startswith("axis.") and set(rows[name]) != {""}
    ]
