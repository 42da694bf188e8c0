"""Gradient methods, built from their configs; `odecore.config.lookup.GRADIENTS` lists the names."""

from odecore.config import lookup
from odecore.config.gradient import GradientConfig
from odecore.gradients.base import Field, Gradient

__all__ = ["Field", "Gradient", "build"]


def build(config: GradientConfig) -> Gradient:
    """The gradient method that `config` names."""
    return lookup.GRADIENTS[config.name].load()(config)
