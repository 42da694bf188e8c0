"""Solvers of initial value problems, built from their configs.

`odecore.config.lookup.SOLVERS` lists the names.
"""

from odecore.config import lookup
from odecore.config.solver import Adaptive, FixedStep, SolverConfig, TestSolverConfig
from odecore.solvers.base import Solution, SolveFailed, Solver, SolveStatus, VectorField
from odecore.solvers.explicit_rk import AdaptiveRungeKutta, FixedStepRungeKutta

__all__ = [
    "Solution",
    "SolveFailed",
    "SolveStatus",
    "Solver",
    "VectorField",
    "build",
    "build_adaptive",
    "build_fixed_step",
]


def build(config: SolverConfig) -> Solver:
    """The solver that `config` names."""
    return lookup.SOLVERS[config.name].load()(config)


def build_fixed_step(config: FixedStep) -> Solver:
    """A fixed-step solver. Raises ValueError for a method that the backend does not have."""
    return FixedStepRungeKutta(config) if config.backend == "odecore" else _torchdiffeq(config)


def build_adaptive(config: Adaptive) -> Solver:
    """A solver with step-size control."""
    return AdaptiveRungeKutta(config) if config.backend == "odecore" else _torchdiffeq(config)


def _torchdiffeq(config: TestSolverConfig) -> Solver:
    # Imported here: torchdiffeq takes a while to import and most runs do not use it.
    from odecore.solvers.torchdiffeq_solver import TorchdiffeqSolver

    return TorchdiffeqSolver(config)
