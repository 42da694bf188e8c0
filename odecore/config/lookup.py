"""The registries: name -> (config, "module:builder", revision). Plain dicts, full on import, free of torch; builders load it when called.

A builder's signature: solvers `build(config) -> Solver`; gradients `build(config) -> Gradient`; data `load(config, root) -> Dataset`;
models `build(config, shape, classes, solver, gradient) -> nn.Module`, solver and gradient None for a model without ODE; norms
`build(config, layer) -> (layer, norm)`, see `odecore.norms`.
`revision` goes up by one when a fix changes what a name computes: rows of what used it become stale, all others stay.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from odecore.config import norm
from odecore.config.augmented_node import AugmentedNode
from odecore.config.data import IMAGE_SETS, Fan, Images, Line, Spheres
from odecore.config.dense import Dense
from odecore.config.flat_node import FlatNode
from odecore.config.gradient import Adjoint, Backprop, Checkpoint
from odecore.config.groupnorm_odenet import GroupnormOdenet
from odecore.config.idle import Idle
from odecore.config.input_layer_node import InputLayerNode
from odecore.config.methods import METHODS
from odecore.config.second_order_node import SecondOrderNode
from odecore.config.section import Section
from odecore.config.solver import AdaptedStep, AdaptedTolerance, Adaptive, FixedStep
from odecore.config.stacked_odenet import StackedOdenet
from odecore.config.toy import Crossing, WindermereFan
from odecore.config.unmixed_node import UnmixedNode


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
    "stacked_odenet": Entry(StackedOdenet, "odecore.models.stacked_odenet:build"),
    "unmixed_node": Entry(UnmixedNode, "odecore.models.unmixed_node:build"),
    "flat_node": Entry(FlatNode, "odecore.models.flat_node:build"),
    "groupnorm_odenet": Entry(GroupnormOdenet, "odecore.models.groupnorm_odenet:build"),
    "dense": Entry(Dense, "odecore.models.dense:build"),
    "augmented_node": Entry(AugmentedNode, "odecore.models.augmented_node:build"),
    "input_layer_node": Entry(InputLayerNode, "odecore.models.input_layer_node:build"),
    "second_order_node": Entry(SecondOrderNode, "odecore.models.second_order_node:build"),
    "windermere_fan": Entry(WindermereFan, "odecore.models.toy:build_fan"),
    "crossing": Entry(Crossing, "odecore.models.toy:build_crossing"),
    "idle": Entry(Idle, "odecore.models.idle:build"),
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
