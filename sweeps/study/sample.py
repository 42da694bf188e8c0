"""A random part of a selection, the same in every call."""

import hashlib
import json
from dataclasses import replace

from sweeps.errors import UserError
from sweeps.study.grid import PlannedTrial
from sweeps.study.overrides import Selection


def draw(selection: Selection, size: int | None, seed: int | None) -> Selection:
    """`size` of the selected trials, drawn without replacement; None: all of them.

    A larger size with the same seed keeps the trials of a smaller one. seed: None is 0. Raises
    UserError if there are fewer trials.
    """
    if size is None:
        if seed is not None:
            raise UserError("--sample-seed has no meaning without --sample N")
        return selection
    if size > len(selection.selected):
        raise UserError(f"--sample {size}: the selection has {len(selection.selected)} trials")
    ranked = sorted(selection.selected, key=lambda trial: _rank(trial, seed or 0))
    drawn = {trial.trial_id for trial in ranked[:size]}
    return replace(
        selection, selected=[trial for trial in selection.selected if trial.trial_id in drawn]
    )


def _rank(trial: PlannedTrial, seed: int) -> bytes:
    """Depends on what the trial is called, so that a fix of a component draws the same trials."""
    name = json.dumps([seed, trial.spec.seed, trial.axes], sort_keys=True)
    return hashlib.blake2b(name.encode(), digest_size=16).digest()
