"""Which trainings can be one batched step, decided without torch."""

import json

from odecore.config.gradient import Backprop
from odecore.config.solver import FixedStep
from odecore.config.spec import TrialSpec

# What members of a stack may differ in, besides the seed: each has its own.
OF_EACH_MEMBER = ("lr", "weight_decay")


def stack_key(spec: TrialSpec) -> str | None:
    """What trainings share that can be one batched step; None for one that cannot be stacked.

    They differ in seed, learning rate and weight decay. The solver takes fixed steps, so that all
    members take the same ones.
    """
    train = spec.train
    can = (
        spec.model.can_stack(spec.data.shape)
        and isinstance(spec.solver, FixedStep)
        and spec.solver.backend == "odecore"
        and isinstance(spec.gradient, Backprop)
        and spec.precision == "float32"
        and train.gradient_clip is None
        and train.iterations != 0
    )
    if not can:
        return None
    values = spec.model_dump(mode="json", exclude={"seed"})
    for name in OF_EACH_MEMBER:
        values["train"]["optimizer"].pop(name, None)
    return json.dumps(values, sort_keys=True)
