"""The project's own study: normalization, solver and depth, all three at once; and what only several papers' rows together can say."""

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
