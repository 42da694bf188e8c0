"""The registries: name -> (config, "module:builder", revision). Plain dicts, full on import, free of torch; builders load it when called.

A builder's signature: solvers `build(config) -> Solver`; gradients `build(config) -> Gradient`; data `load(config, root) -> Dataset`;
models `build(config, shape, classes, solver, gradient) -> nn.Module`.
`revision` goes up by one when a fix changes what a name computes: rows of what used it become stale, all others stay.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from odecore.config.data import Images, Spheres
from odecore.config.flat_node import FlatNode
from odecore.config.gradient import Adjoint, Backprop, Checkpoint
from odecore.config.idle import Idle
from odecore.config.section import Section
from odecore.config.solver import Adaptive, FixedStep


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
    "flat_node": Entry(FlatNode, "odecore.models.flat_node:build"),
    "idle": Entry(Idle, "odecore.models.idle:build"),
}

SOLVERS = {name: Entry(FixedStep, "odecore.solvers:build_fixed_step") for name in ("euler", "midpoint", "heun", "heun3", "rk4", "rk4_38")} | {
    name: Entry(Adaptive, "odecore.solvers:build_adaptive") for name in ("bosh3", "fehlberg2", "dopri5")
}

GRADIENTS = {
    "backprop": Entry(Backprop, "odecore.gradients.backprop:build"),
    "checkpoint": Entry(Checkpoint, "odecore.gradients.checkpoint:build"),
    "adjoint": Entry(Adjoint, "odecore.gradients.adjoint:build"),
}

DATA = {
    "spheres": Entry(Spheres, "odecore.data.spheres:load"),
    "mnist": Entry(Images, "odecore.data.images:load"),
    "cifar10": Entry(Images, "odecore.data.images:load"),
}

# Revision of the training loop itself (odecore.training); see the module docstring.
TRAINING_REVISION = 1
