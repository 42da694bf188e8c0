"""Models, built from specs; `odecore.config.lookup.MODELS` lists the names.

Every model maps a batch to logits (B, K) and has depth_layers and blocks, the numbers of
weight layers and of ODE blocks.
"""

from torch import nn

from odecore import gradients, solvers
from odecore.config import TrialSpec, lookup
from odecore.models import initial_values

__all__ = ["build_model", "parameter_count"]


def build_model(spec: TrialSpec) -> nn.Module:
    """The model of a trial, on the CPU, with its initial values."""
    build = lookup.MODELS[spec.model.name].load()
    # A model without ODE block gets neither.
    solver, gradient = (
        (solvers.build(spec.solver), gradients.build(spec.gradient))
        if spec.solver is not None
        else (None, None)
    )
    model = build(spec.model, spec.data.shape, spec.data.classes, solver, gradient)
    initial_values.draw(model, spec.seed)
    return model


def parameter_count(model: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
