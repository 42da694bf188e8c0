"""Ott, Katiyar, Hennig, Tiemann (2021), ResNet After All.

Neural ODEs and Their Numerical Solution.
"""

from analysis.ott2021 import (
    adaptation,
    critical_step_size,
    crossing,
    figure1,
    figure2,
    figure3,
    figure5,
    solver_panels,
    table1,
)

FIGURES = (
    figure1.FIGURE,
    figure2.FIGURE,
    figure3.FIGURE,
    *solver_panels.FIGURES,
    figure5.FIGURE,
    *adaptation.FIGURES,
)
TABLES = (table1.TABLE, critical_step_size.TABLE, crossing.TABLE)
