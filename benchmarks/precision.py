"""Accuracy of nets trained in bf16 (and tf32 on a GPU) against float32, with the same seeds.

`python -m benchmarks precision`. On a GPU if there is one. Only the matrix products and
convolutions of f and of the layers around the ODE change; see docs/gpu.md.
"""

from typing import Any

import torch

from analysis.rows.stats import paired_difference
from odecore import data as datasets
from odecore.config import TrialSpec
from odecore.training.fit import Training

SEEDS = range(5)
NETS: dict[str, dict[str, Any]] = {
    "Sphere2, Euler 16": {
        "data": {"name": "spheres"},
        "model": {"name": "flat_node"},
        "solver": {"name": "euler", "steps": 16},
        "train": {
            "optimizer": {"name": "adam", "lr": 1e-3},
            "batch_size": 128,
            "iterations": 600,
            "record_every": 600,
        },
    },
    "CNN-4, TA-BN, Euler 8, generated digits": {
        "data": {
            "name": "mnist",
            "source": "generated",
            "train_limit": 2000,
            "test_limit": 1000,
        },
        "model": {"name": "unmixed_node", "backbone": "cnn4", "norm": {"name": "ta_bn"}},
        "solver": {"name": "euler", "steps": 8},
        "train": {
            "optimizer": {"name": "adam", "lr": 1e-3},
            "batch_size": 100,
            "iterations": 24,
            "record_every": 24,
        },
    },
}


def main(_argv: list[str]) -> dict[str, Any]:
    """Train and print the differences; returns them with the accuracies."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lower = ("tf32", "bf16") if device.type == "cuda" else ("bf16",)
    found: dict[str, Any] = {}
    for name, spec in NETS.items():
        trained = {
            precision: [scores(spec, precision, seed, device) for seed in SEEDS]
            for precision in ("float32", *lower)
        }
        for precision in lower:
            for place, score in enumerate(("accuracy", "loss")):
                ours, exact = (
                    [one[place] for one in trained[which]] for which in (precision, "float32")
                )
                change, low, high = paired_difference(ours, exact)
                found[f"{name}, {precision}, {score}"] = {
                    "float32": exact,
                    precision: ours,
                    "change": [change, low, high],
                }
                print(
                    f"{name}: {score} {sum(exact) / len(exact):.4f} in float32, {precision} "
                    f"{change:+.4f} (95 % interval {low:+.4f} to {high:+.4f}, n = {len(SEEDS)})",
                    flush=True,
                )
    return found


def scores(
    values: dict[str, Any], precision: str, seed: int, device: torch.device
) -> tuple[float, float]:
    """Test accuracy and loss after the training; NaN for a training that failed."""
    spec = TrialSpec.model_validate({**values, "precision": precision, "seed": seed})
    training = Training(spec, datasets.load(spec.data, None), device)
    if training.run(lambda _: False) != "completed":
        return float("nan"), float("nan")
    last = training.records[-1]
    return last["accuracy_test"], last["loss_test"]
