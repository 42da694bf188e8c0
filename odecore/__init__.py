"""Models, norms, solvers, gradients, data and training of the five papers.

It knows no sweep, no format of results and no cluster.

Shape letters of all modules: B batch, C channels, H height, W width, D features of a sample,
K classes, N samples of a data set, I and O input and output channels, k kernel size, T times,
M intervals of a time grid. "..." stands for any further axes. Lowercase letters in a docstring
are explained there.
"""
