"""The torch-free half of odecore: what can be asked for, and what it is called."""

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
