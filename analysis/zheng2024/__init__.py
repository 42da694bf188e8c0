"""Zheng, Gao et al. (2024), Temporal Adaptive Batch Normalization in Neural ODEs, NeurIPS."""

FIGURES: tuple[str, ...] = (
    "figure1",
    "figure3",
    "figure4",
    "figure5",
    "figure6",
    "figure7",
    "figure8_9",
    "figure10",
)
TABLES: tuple[str, ...] = ("table1", "table2", "table4", "table5", "quirks", "batches", "steer")
