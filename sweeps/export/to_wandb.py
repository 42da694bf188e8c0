"""Offline runs for Weights & Biases. Nothing is sent: `wandb sync` does that when you call it."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from sweeps.export.runs import ExportedRun


def write(runs: Sequence[ExportedRun], folder: Path) -> None:
    """Write `wandb/offline-run-*`. `wandb sync FOLDER/wandb/offline-run-*` uploads them."""
    wandb = import_module("wandb")  # by name: types are checked without it
    settings = wandb.Settings(
        mode="offline",
        silent=True,
        console="off",
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )
    for one in runs:
        run = wandb.init(
            project=folder.name,
            dir=str(folder),
            id=one.trial_id,
            name=one.name,
            config=one.settings | {"axes": one.axes, "provenance": one.provenance},
            settings=settings,
        )
        for step, numbers in one.points():
            run.log(numbers, step=step)
        run.summary.update(one.metrics | {"outcome": one.outcome, "trial_id": one.trial_id})
        run.finish(exit_code=0 if one.outcome == "completed" else 1)
