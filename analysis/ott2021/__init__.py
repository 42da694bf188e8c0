"""Ott, Katiyar, Hennig, Tiemann (2021), ResNet After All: Neural ODEs and Their Numerical Solution."""

FIGURES = (
    "figure1",
    "figure2",
    "figure3",
    "figure4",
    "figure4_adaptive",
    "figure5",
    "supplement_fixed",
    "supplement_adaptive",
    "supplement_adaptation",
    "tolerance_adaptation",
)
TABLES = ("table1", "critical_step_size", "crossing")
