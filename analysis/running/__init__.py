"""What the sweep itself did: cost, failures, coverage of every grid."""

FIGURES: tuple[str, ...] = ("coverage",)
TABLES: tuple[str, ...] = ("cost", "failures")
