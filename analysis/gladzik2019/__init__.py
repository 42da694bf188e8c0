"""Gladzik (2019), engineering thesis at AGH: neural ODE nets against residual nets."""

FIGURES = tuple(f"figure5_{number}" for number in range(1, 11))
TABLES = ("d1", "d2", "d3", "d4", "d5", "d6", "d7")
