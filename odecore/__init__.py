"""Models, norms, solvers, gradients, data and training of the five papers.

It does not depend on sweeps, formats of results or clusters.

Shape letters of all modules: B batch, C channels, H height, W width, D features of a sample, K
classes, N samples of a data set, I and O input and output channels, k kernel size, T times, M
intervals of a time grid. "..." stands for any further axes. Lowercase letters are explained in the
docstring that uses them.
"""
