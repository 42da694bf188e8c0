"""Which figures and tables exist, what each lacks, and the commands that compute it."""

import re
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from analysis.drawing.figure import Figure, Table
from analysis.errors import ReportError, did_you_mean
from analysis.papers import PAPERS
from sweeps.store import label

if TYPE_CHECKING:
    import pandas as pd

    from analysis.rows.data import Data

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
    from analysis.drawing.caption import missing_text

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
        action = "run" if "trial" in set(rows["kind"]) else "evaluate"
        words = [*axis_words(trials, rows), *_seed_words(trials, rows)]
        commands.append(command(data, str(study), action, words))
    return commands


def command(data: "Data", study: str, action: str, words: list[str]) -> str:
    """`odesweep ACTION` for the plan of this study here, with further words.

    Seeds that plan and words add stand in one word.
    """
    plan = next(plan for plan in data.plans if plan.study == study)
    seeds = [word.removeprefix("+seed=") for word in (*plan.overrides, *words) if _adds_seeds(word)]
    others = [word for word in words if not _adds_seeds(word)]
    added = [f"+seed={','.join(seeds)}"] if seeds else []
    plan = replace(plan, overrides=tuple(one for one in plan.overrides if not _adds_seeds(one)))
    return plan.command(action, *added, *others, "--results", data.results)


def _adds_seeds(word: str) -> bool:
    return word.startswith("+seed=")


def chosen(trials: "pd.DataFrame", wanted: "pd.DataFrame") -> dict[str, list[Any]]:
    """Axis -> the values that select at least the `wanted` ones of the `trials`.

    Without axes of which all values are wanted, that some wanted trial lacks, or whose values
    cannot be typed.
    """
    found = {}
    for axis in _axes(wanted):
        there, values = (list(dict.fromkeys(rows[f"axis.{axis}"])) for rows in (trials, wanted))
        if "" not in values and len(values) < len(there) and all(map(_typable, values)):
            found[axis] = values
    return found


def _typable(value: Any) -> bool:
    """Whether the command line reads the label as one value.

    Of a label with a comma it puts names together again, but not numbers and lists.
    """
    text = label(value)
    return "," not in text or all(re.search("[A-Za-z]", piece) for piece in text.split(","))


def axis_words(trials: "pd.DataFrame", wanted: "pd.DataFrame") -> list[str]:
    """`axis=value,...` words that select at least the `wanted` ones of the `trials`."""
    return [
        f"{axis}={','.join(map(label, values))}" for axis, values in chosen(trials, wanted).items()
    ]


def _seed_words(trials: "pd.DataFrame", wanted: "pd.DataFrame") -> list[str]:
    added = sorted(set(wanted.loc[wanted["added"].astype(bool), "seed"]))
    seeds = sorted(set(wanted["seed"]))
    words = [f"+seed={','.join(map(str, added))}"] if added else []
    if len(seeds) < len(set(trials["seed"])):
        words.append(f"seed={','.join(map(str, seeds))}")
    return words


def _axes(wanted: "pd.DataFrame") -> list[str]:
    return [
        name.removeprefix("axis.")
        for name in wanted.columns
        if name.startswith("axis.") and set(wanted[name]) != {""}
    ]
