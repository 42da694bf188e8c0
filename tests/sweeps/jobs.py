"""Trials of which only the predicted time matters, for tests of how they are divided."""

from dataclasses import dataclass

from odecore.config import TrialSpec

ALIKE = TrialSpec.model_validate(
    {
        "data": {"name": "spheres"},
        "model": {"name": "flat_node"},
        "solver": {"name": "euler", "steps": 2},
        "train": {"iterations": 1},
    }
)


@dataclass(frozen=True)
class Job:
    predicted_seconds: float
    number: int
    first: bool = False
    spec: TrialSpec = ALIKE
