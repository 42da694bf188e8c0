"""Reproducibility report of Equi-Normalization of Neural Networks (2019), nets on CIFAR-10."""

from analysis.enorm2019 import bias_gradients, controls, depths, table1

FIGURES = (*depths.FIGURES, bias_gradients.FIGURE)
TABLES = (table1.TABLE, controls.TABLE)
