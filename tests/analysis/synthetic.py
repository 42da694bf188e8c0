"""Rows of any study in a given world, for tests of figures and claims.

They are over the study's true grid and go through the real store. A world says the result of each
run and of each evaluation; the rest is generated smoothly. So a test reads: write the rows of study
X at scale smoke under this world, run figure Y, compare its numbers with the world's.
"""

from collections.abc import Sequence
from pathlib import Path

from synthetic_rows import write_trial
from worlds import Cell, Run, World, jitter

from analysis.claims.claim import select as select_claims
from analysis.claims.verdict import Verdict, weigh
from analysis.make import Reader
from analysis.rows.data import Data
from analysis.rows.read import load
from sweeps import store
from sweeps.planning import plan as planning
from sweeps.planning.cost import Costs
from sweeps.spec import flatten
from sweeps.studies import find
from sweeps.study import Study
from sweeps.study.overrides import select

__all__ = ["Cell", "Run", "World", "data_of", "jitter", "verdict_on", "write"]


def write(
    results: Path,
    study: str | Study,
    world: World | None = None,
    scale: str = "smoke",
    overrides: Sequence[str] = (),
    *,
    save_only: bool = False,
    shuffled: bool = False,
) -> str:
    """Save the study's plan and write all rows of this world; gives the plan's name.

    save_only: only the plan. shuffled: backwards, in more files.
    """
    study = find(study) if isinstance(study, str) else study
    selection = select(study, scale, overrides)
    folder = store.Results(results)
    folder.create()
    planning.save(folder, selection, Costs())
    if save_only:
        return selection.plan_name
    workers = ("c", "b", "a") if shuffled else ("w",)
    stem = f"{study.name.replace('/', '-')}-{scale}-{len(store.list_folder(folder.merged('runs')))}"
    writers = [store.Writer(folder, f"{worker}-{stem}") for worker in workers]
    trials = list(enumerate(selection.declared))
    for number, trial in reversed(trials) if shuffled else trials:
        axes = {axis: store.label(value) for axis, value in trial.axes.items()}
        cell = Cell(study.name, axes, trial.spec.seed, store.spec_columns(flatten(trial.spec)))
        write_trial(writers[number % len(writers)], cell, trial, world or World(), number)
    for writer in writers:
        writer.close()
    return selection.plan_name


def data_of(
    results: Path,
    study: str | Sequence[str],
    world: World | None = None,
    scale: str = "smoke",
    overrides: Sequence[str] = (),
) -> Data:
    """`write` for one study or several, then what a figure of them gets."""
    studies = [study] if isinstance(study, str) else list(study)
    names = [write(results, one, world, scale, overrides) for one in studies]
    return load(
        results, study, plan=names[0] if overrides else None, scale=None if overrides else scale
    )


def verdict_on(name: str, results: Path, world: World, scale: str = "paper") -> Verdict:
    """The verdict on claim `paper/key` when all its studies came out as in this world."""
    (claim,) = select_claims(name)
    for study in claim.studies:
        write(results, study, world, scale)
    return weigh(claim, Reader(results))
