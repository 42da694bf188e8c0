"""What a world says: what became of each run and of each evaluation of a study's grid."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Run:
    """What became of a run.

    curve: test accuracy at each recorded row; None: rises to `accuracy`. columns: any others of the
    table `runs`.
    """

    accuracy: float = 0.8
    outcome: str = "completed"
    curve: Sequence[float] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A planned trial as worlds see it. axes: labels. spec: flattened as in the store's columns."""

    study: str
    axes: Mapping[str, str]
    seed: int
    spec: Mapping[str, Any]

    def __getitem__(self, axis: str) -> str:
        return self.axes.get(axis, "")


class World:
    """Every run completes at 0.8, a little different by seed. Subclass and override."""

    def run(self, cell: Cell) -> Run | None:
        """None: no row, the trial is missing."""
        return Run(0.8 + jitter(cell.seed))

    def test(
        self, cell: Cell, run: Run, test: Mapping[str, str], evaluation: Mapping[str, Any]
    ) -> float | str | None:
        """Accuracy of one evaluation, the name of an outcome if it failed, None if it is missing.

        test: axes. evaluation: the table's columns.
        """
        return run.accuracy

    def series(self, cell: Cell, run: Run) -> Mapping[str, Sequence[float]]:
        """Numbers by iteration, at equal distances over the training.

        Names as the training records them.
        """
        labels = [one["label"] for one in json.loads(cell.spec["train_also_test"] or "[]")]
        names = [
            f"{kind}.{label}"
            for label in labels
            for kind in ("accuracy", "loss", "evaluate_seconds")
        ]
        if (solver := str(cell.spec["solver_name"])).startswith("adapted"):
            names += (
                ["tolerance"]
                if solver in ("adapted_fehlberg2", "adapted_dopri5")
                else ["step_size", "steps"]
            )
        return {name: list(np.linspace(0.2, run.accuracy, 6)) for name in names}


def jitter(seed: int, scale: float = 0.01) -> float:
    """A small number that differs from seed to seed, zero on average over five."""
    return scale * ((seed * 2) % 5 - 2)


class Draws(World):
    """Normal accuracies of known means and spread; every `number` is another draw of all runs.

    means: label of `axis` -> mean. spread: standard deviation of a run.
    """

    def __init__(self, axis: str, means: Mapping[str, float], spread: float, number: int) -> None:
        self.axis, self.means, self.spread, self.number = axis, means, spread, number

    def run(self, cell: Cell) -> Run | None:
        """The same run whatever else is planned."""
        place = list(self.means).index(cell[self.axis])
        noise = np.random.default_rng((self.number, place, cell.seed)).normal(0, self.spread)
        return Run(self.means[cell[self.axis]] + float(noise))
