"""Numbers of trainable parameters of every model in the catalog: printed and counted."""

from typing import NamedTuple

import torch
from pydantic import TypeAdapter
from torch import nn

from odecore import gradients, solvers
from odecore.config import lookup
from odecore.config.catalog import catalog
from odecore.config.data import DataConfig
from odecore.config.gradient import Backprop
from odecore.config.solver import FixedStep
from odecore.config.spec import ModelConfig
from odecore.models import parameter_count
from odecore.norms import Norm

DATA: TypeAdapter[DataConfig] = TypeAdapter(DataConfig)
MODEL: TypeAdapter[ModelConfig] = TypeAdapter(ModelConfig)


class Size(NamedTuple):
    """One row of the list. printed: as in the paper or None. without_norms: norms left out.

    source: the place in the paper.
    """

    label: str
    paper: str
    data: str
    printed: int | str | None
    here: int
    without_norms: int
    note: str
    source: str


def sizes() -> list[Size]:
    """The catalog with counts. Models are on the meta device: no memory for parameters."""
    rows = []
    for entry in catalog():
        data, config = DATA.validate_python(entry.data), MODEL.validate_python(entry.model)
        ode = getattr(config, "ode_blocks", 1)
        solver = solvers.build(FixedStep(name="euler", steps=1)) if ode else None
        gradient = gradients.build(Backprop()) if ode else None
        with torch.device("meta"):
            model = lookup.MODELS[config.name].load()(
                config, data.shape, data.classes, solver, gradient
            )
        here = parameter_count(model)
        rows.append(
            Size(
                entry.label,
                entry.paper,
                data.name,
                entry.printed,
                here,
                here - _norm_parameters(model),
                entry.note,
                entry.source,
            )
        )
    return rows


def _norm_parameters(model: nn.Module) -> int:
    """Scales and shifts of output norms. Gains of weight norms count as weights."""
    return sum(
        parameter_count(module)
        for module in model.modules()
        if isinstance(module, Norm | nn.GroupNorm)
    )
