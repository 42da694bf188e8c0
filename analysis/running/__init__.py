"""About the sweep itself: cost, failures, coverage of every grid."""

from analysis.running import cost, coverage, failures

FIGURES = (coverage.FIGURE,)
TABLES = (cost.TABLE, failures.TABLE)
