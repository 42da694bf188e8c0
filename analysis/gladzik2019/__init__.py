"""Gladzik (2019), engineering thesis at AGH: neural ODE nets against residual nets."""

from analysis.gladzik2019 import by_epoch, crossing, quantities

FIGURES = (*by_epoch.FIGURES, crossing.FIGURE)
TABLES = quantities.TABLES
