"""Zheng, Gao et al. (2024), Temporal Adaptive Batch Normalization in Neural ODEs, NeurIPS."""

from analysis.zheng2024 import (
    curves_by_norm,
    figure1,
    figure3,
    figure4,
    figure6,
    figure10,
    interpolations,
    quirks,
    table1,
    tables,
)

FIGURES = (
    figure1.FIGURE,
    figure3.FIGURE,
    figure4.FIGURE,
    *curves_by_norm.FIGURES,
    figure6.FIGURE,
    interpolations.FIGURE7,
    figure10.FIGURE,
)
TABLES = (table1.TABLE, quirks.TABLE, *tables.TABLES)
