"""The project's own study of normalization, solver and depth.

It also has the tables that need rows of several papers.
"""

FIGURES: tuple[str, ...] = (
    "accuracy",
    "solver_gap",
    "evaluations",
    "outcomes",
    "pareto",
    "transfer",
)
TABLES: tuple[str, ...] = ("front", "dependence", "smoothness", "bugs")
