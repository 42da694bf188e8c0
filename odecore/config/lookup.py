"""The registries: name -> (config, "module:builder", revision), free of torch; builders load it when called.

Most entries come from the records: solvers in `methods.py`, norms in `norm.py`, image sets in
`data.py`, models in `models/`. Adapted solvers, gradients and generated data are listed here.

A builder's signature: solvers `build(config) -> Solver`; gradients `build(config) -> Gradient`; data `load(config, root) -> Dataset`;
models `build(config, shape, classes, solver, gradient) -> nn.Module`, solver and gradient None for a model without ODE; norms
`build(config, layer) -> (layer, norm)`, see `odecore.norms`.
`revision` goes up by one when a fix changes what a name computes: rows of what used it become stale, all others stay.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from odecore.config import models, norm
from odecore.config.data import IMAGE_SETS, Fan, Images, Line, Spheres
from odecore.config.gradient import Adjoint, Backprop, Checkpoint
from odecore.config.methods import METHODS
from odecore.config.section import Section
from odecore.config.solver import AdaptedStep, AdaptedTolerance, Adaptive, FixedStep


class Entry(NamedTuple):
    """One choice. builder: "module:function", imported when first built."""

    config: type[Section]
    builder: str
    revision: int = 1

    def load(self) -> Callable[..., Any]:
        """The builder itself; imports its module, and with it torch."""
        module, _, function = self.builder.partition(":")
        return getattr(import_module(module), function)


MODELS = {
    name: Entry(model, model.builder, model.revision) for name, model in models.MODELS.items()
}

NORMS = {
    name: Entry(record, record.builder, record.revision) for name, record in norm.NORMS.items()
}

SOLVERS = {
    **{
        method.name: Entry(FixedStep, "odecore.solvers:build_fixed_step", method.revision)
        if method.tableau.error is None
        else Entry(Adaptive, "odecore.solvers:build_adaptive", method.revision)
        for method in METHODS
    },
    "adapted_euler": Entry(AdaptedStep, "odecore.solvers.adaptation:build_step"),
    "adapted_midpoint": Entry(AdaptedStep, "odecore.solvers.adaptation:build_step"),
    "adapted_fehlberg2": Entry(AdaptedTolerance, "odecore.solvers.adaptation:build_tolerance"),
    "adapted_dopri5": Entry(AdaptedTolerance, "odecore.solvers.adaptation:build_tolerance"),
}

GRADIENTS = {
    "backprop": Entry(Backprop, "odecore.gradients.backprop:build"),
    "checkpoint": Entry(Checkpoint, "odecore.gradients.checkpoint:build"),
    "adjoint": Entry(Adjoint, "odecore.gradients.adjoint:build"),
}

DATA = {
    "spheres": Entry(Spheres, "odecore.data.spheres:load"),
    **{name: Entry(Images, "odecore.data.images:load") for name in IMAGE_SETS},
    "fan": Entry(Fan, "odecore.data.toy:load_fan"),
    "line": Entry(Line, "odecore.data.toy:load_line"),
}

# Revision of the training loop itself (odecore.training); see the module docstring.
TRAINING_REVISION = 1
