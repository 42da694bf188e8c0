"""Models, norms, solvers, gradients, data and training of the five papers; knows no sweep, no results format, no cluster."""
