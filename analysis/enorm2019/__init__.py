"""Reproducibility report of Equi-Normalization of neural networks (2019), fully connected nets on CIFAR-10."""

FIGURES: tuple[str, ...] = ("figure2", "figure3", "bias_gradients")
TABLES: tuple[str, ...] = ("table1", "controls")
