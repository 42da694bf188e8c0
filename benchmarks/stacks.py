"""Many small nets as one batched step, per net, against one net alone.

`python -m benchmarks stacks`. One thread. Both sides take the step that a trial takes: batch,
forward and backward pass, optimizer, and the sums of a row.
"""

from typing import Any

import torch

from benchmarks.machine import interleaved, ratio, show_ratio
from odecore import data as datasets
from odecore.config import TrialSpec
from odecore.training.fit import Training
from odecore.training.stack import Stack

STEPS = (1, 4, 16, 64)
NETS = (3, 5, 20)
ROUNDS = 5
STEPS_PER_TURN = 20


def main(_argv: list[str]) -> dict[str, Any]:
    """Measure and print the ratios; returns them with the seconds per step and net."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for steps in STEPS:
        alone = training(steps, 0)
        stacks = {nets: Stack([training(steps, seed) for seed in range(nets)]) for nets in NETS}
        seconds = interleaved(
            {"alone": alone.step, **{str(nets): stacks[nets].step for nets in NETS}},
            ROUNDS,
            STEPS_PER_TURN,
        )
        for nets in NETS:
            per_net = [value / nets for value in seconds[str(nets)]]
            measured = ratio(seconds["alone"], per_net)
            found[f"Euler {steps}, {nets} nets"] = {"ratio": measured, "seconds": per_net}
            print(
                f"Sphere2, Euler {steps}: alone {min(seconds['alone']) * 1e3:.2f} ms, {nets} nets "
                f"stacked {min(per_net) * 1e3:.2f} ms per net, {show_ratio(measured)}",
                flush=True,
            )
    return found


def training(steps: int, seed: int) -> Training:
    """The sphere net of Ott 2021, without an end."""
    spec = TrialSpec.model_validate(
        {
            "data": {"name": "spheres"},
            "model": {"name": "flat_node"},
            "solver": {"name": "euler", "steps": steps},
            "train": {
                "optimizer": {"name": "adam", "lr": 1e-4},
                "batch_size": 128,
                "iterations": 10**9,
                "record_every": 10**9,
            },
            "seed": seed,
        }
    )
    return Training(spec, datasets.load(spec.data, None), torch.device("cpu"))
