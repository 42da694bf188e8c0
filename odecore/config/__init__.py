"""The part of odecore without torch: the choices and their names."""

from odecore.config.evaluation import (
    DecisionGrid,
    Evaluation,
    LayerStatistics,
    ProbeConfig,
    Series,
    Trajectory,
)
from odecore.config.section import Section
from odecore.config.spec import TrialSpec

__all__ = [
    "DecisionGrid",
    "Evaluation",
    "LayerStatistics",
    "ProbeConfig",
    "Section",
    "Series",
    "Trajectory",
    "TrialSpec",
]
