"""Every choice that a spec can name: name -> its record, free of torch.

The records stand in `solver_methods.py` and `solver.py`, `norm.py`, `gradient.py`, `data.py` and
`models/`. A record's `load()` gives its builder.
"""

from odecore.config.data import DATA
from odecore.config.gradient import GRADIENTS
from odecore.config.models import MODELS
from odecore.config.norm import NORMS
from odecore.config.solver import SOLVERS

__all__ = ["DATA", "GRADIENTS", "MODELS", "NORMS", "SOLVERS"]

# Revision of the training loop itself (odecore.training): raise it when a fix changes what it
# computes; all rows become stale.
TRAINING_REVISION = 1
