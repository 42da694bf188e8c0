"""Any spec reduced to two tiny steps, interrupted between them in the middle of an epoch.

The result is compared with the same run without interruption.
"""

import math
from typing import Any

import torch

from odecore import data as datasets
from odecore.config import TrialSpec
from odecore.training.fit import Training
from sweeps.spec import parse

CPU = torch.device("cpu")


def shrunk(spec: TrialSpec) -> TrialSpec:
    """The same model, norms, solver, gradient and recipe on four generated samples.

    An epoch has two steps; tolerances are loose.
    """
    values: dict[str, Any] = spec.model_dump(mode="json")
    data = values["data"]
    if data["name"] == "spheres":
        data |= {"train_size": 8, "test_size": 4}
    elif "source" in data:
        data |= {"source": "generated", "train_limit": 8, "test_limit": 4}
    train = values["train"]
    if train["iterations"] != 0:
        train |= {
            "batch_size": 4,
            "drop_last": False,
            "record_every": 2,
            "also_test": [{**one, "limit": 2} for one in train["also_test"]],
        }
        train |= (
            {"epochs": 2, "iterations": None}
            if train["epochs"]
            else {"iterations": 3, "epochs": None}
        )
    if values["solver"] and "tolerance" in values["solver"]:
        values["solver"]["tolerance"] = max(values["solver"]["tolerance"], 1e-2)
    return parse(values)


def check(spec: TrialSpec) -> Training:
    """Train `spec` twice, once interrupted after its first step, and return the uninterrupted run.

    Fails unless both runs are bit-identical.
    """
    uncut, cut = (Training(spec, datasets.load(spec.data, None), CPU) for _ in range(2))
    outcome = uncut.run(lambda _: False)
    if cut.run(lambda training: training.iteration == 1) is None:
        resumed = Training(spec, datasets.load(spec.data, None), CPU)
        resumed.load_state(cut.state())
        cut = resumed
        cut.run(lambda _: False)
    assert outcome in ("completed", "diverged", "solver_failed")
    assert cut.outcome == outcome
    ours, theirs = uncut.model.state_dict(), cut.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name].nan_to_num(), theirs[name].nan_to_num()) for name in ours)
    losses = [[record["loss_train"] for record in training.records] for training in (uncut, cut)]
    assert losses[0] == losses[1] or any(map(math.isnan, losses[0]))
    return uncut
