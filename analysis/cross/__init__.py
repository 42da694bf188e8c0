"""The project's own study of normalization, solver and depth.

It also has the tables that need rows of several papers.
"""

from analysis.cross import (
    accuracy,
    bugs,
    dependence,
    evaluations,
    front,
    outcomes,
    pareto,
    smoothness,
    solver_gap,
    transfer,
)

FIGURES = (
    accuracy.FIGURE,
    solver_gap.FIGURE,
    evaluations.FIGURE,
    outcomes.FIGURE,
    pareto.FIGURE,
    transfer.FIGURE,
)
TABLES = (front.TABLE, dependence.TABLE, smoothness.TABLE, bugs.TABLE)
