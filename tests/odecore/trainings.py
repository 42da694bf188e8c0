"""Small trainings for tests, and what of them must be equal bit for bit."""

from typing import Any

import torch

from odecore import data as datasets
from odecore.config import TrialSpec
from odecore.training.fit import Training

CPU = torch.device("cpu")
EULER = {"name": "euler", "steps": 3}
DOPRI5 = {"name": "dopri5", "tolerance": 1e-3}
POINTS = {"name": "spheres", "train_size": 100, "test_size": 50}
IMAGES = {"name": "cifar10", "source": "generated", "train_limit": 24, "test_limit": 10}
TIMES = {"train_seconds", "evaluate_seconds", "peak_memory_bytes"}


def make(train: dict[str, Any] | None = None, **sections: Any) -> Training:
    values: dict[str, Any] = {
        "data": POINTS,
        "model": {"name": "flat_node", "width": 4},
        "solver": EULER,
        "train": {
            "optimizer": {"name": "adam", "lr": 1e-2},
            "batch_size": 32,
            "iterations": 11,
            "record_every": 4,
        }
        | (train or {}),
    }
    spec = TrialSpec.model_validate(values | sections)
    return Training(spec, datasets.load(spec.data, None), CPU)


def run(training: Training) -> Training:
    training.run(lambda _: False)
    return training


def without_times(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in record.items() if name not in TIMES} for record in records
    ]


def results(training: Training) -> tuple[Any, ...]:
    """Everything that a cut must not change; compare with ==, no value of it being NaN in the
    tests.
    """
    counts = (
        training.iteration,
        training.outcome,
        training.nfe_forward,
        training.nfe_backward,
    )
    weights = {name: value.tolist() for name, value in training.model.state_dict().items()}
    series = [row for row in training.series if row[1].partition(".")[0] not in TIMES]
    return counts, weights, without_times(training.records), series
