"""Ott, Katiyar, Hennig, Tiemann (2021), ResNet After All: Neural ODEs and Their Numerical Solution."""

FIGURES = ("figure1", "figure2", "figure4")
TABLES = ("critical_step_size",)
