"""The project's own study: normalization, solver and depth, all three at once; and what only several papers' rows together can say."""

FIGURES: tuple[str, ...] = (
    "accuracy",
    "solver_gap",
    "evaluations",
    "outcomes",
    "pareto",
    "transfer",
)
TABLES: tuple[str, ...] = ("front", "dependence", "smoothness", "bugs")
