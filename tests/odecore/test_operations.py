"""The counts of operations, which predict costs without torch, against torch's own FLOP counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from odecore import gradients, solvers
from odecore.config import lookup
from odecore.config.catalog import catalog
from odecore.config.data import DataConfig, Spheres
from odecore.config.gradient import Backprop
from odecore.config.model import Work
from odecore.config.models.flat_node import LONGEST_DENSE
from odecore.config.solver import FixedStep
from odecore.config.spec import ModelConfig
from odecore.models.sizes import DATA, MODEL

SAMPLES = 2
# Enough of each model for all its branches.
CASES_PER_MODEL = 5


def cases() -> dict[str, tuple[DataConfig, ModelConfig]]:
    """Label -> data and model of catalog entries that differ in their counts."""
    chosen: dict[str, tuple[DataConfig, ModelConfig]] = {}
    seen: dict[str, set[Work]] = {}
    for entry in catalog():
        data, model = DATA.validate_python(entry.data), MODEL.validate_python(entry.model)
        # On short points the flat net multiplies by matrices, which takes more operations, less
        # time.
        short = isinstance(data, Spheres) and data.dimension <= LONGEST_DENSE
        counts = seen.setdefault(model.name, set())
        work = model.operations(data.shape, data.classes)
        if not short and work not in counts and len(counts) < CASES_PER_MODEL:
            counts.add(work)
            chosen[f"{entry.label}, {data.name}"] = data, model
    return chosen


CASES = cases()


def multiply_adds(data: DataConfig, model: ModelConfig, steps: int) -> float:
    """Of one forward pass per sample, with so many Euler steps."""
    ode = getattr(model, "ode_blocks", 1) > 0
    net = lookup.MODELS[model.name].load()(
        model,
        data.shape,
        data.classes,
        solvers.build(FixedStep(name="euler", steps=steps)) if ode else None,
        gradients.build(Backprop()) if ode else None,
    )
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        net.eval()(torch.zeros(SAMPLES, *data.shape))
    return counter.get_total_flops() / 2 / SAMPLES


@pytest.mark.parametrize("case", CASES)
def test_counts_are_those_of_torch_within_15_percent(case: str) -> None:
    data, model = CASES[case]
    work = model.operations(data.shape, data.classes)
    one = multiply_adds(data, model, steps=1)
    assert work.inside + work.outside == pytest.approx(one, rel=0.15)
    per_step = multiply_adds(data, model, steps=2) - one
    assert work.inside == pytest.approx(per_step, rel=0.15)
