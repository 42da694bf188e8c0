"""Back-propagation that recomputes: fewer stored states, more calls of f, the same gradient.

Shapes: states x, x0, x1 are (B, ...), B samples of a batch.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from odecore.config.gradient import Checkpoint
from odecore.gradients.base import Field
from odecore.norms import side_effects
from odecore.solvers.base import Solution, Solver
from odecore.solvers.explicit_rk import AdaptiveRungeKutta, FixedStepRungeKutta


def recompute(segment: Callable[..., Any], *tensors: Tensor) -> Any:
    """segment(*tensors), stored as its arguments and run again in the backward pass.

    In the second run norms replay what they did and change nothing.
    """
    done: list[Any] | None = None

    def run(*tensors: Tensor) -> Any:
        nonlocal done
        handler = side_effects.record(done := []) if done is None else side_effects.replay(done)
        with side_effects.handled_by(handler):
            return segment(*tensors)

    # Fields draw no random numbers, and saving the generators' states costs a copy from the device
    # each time.
    # Stopping early, with the last tensor that is needed, would leave out a change of norms where
    # recomputation is meant to make it.
    return checkpoint(
        run, *tensors, use_reentrant=False, preserve_rng_state=False, early_stop=False
    )


@dataclass(frozen=True)
class CheckpointGradient:
    """every `block`: recompute the whole solve (ANODE, Gholami et al. 2019, section 4).

    every `step`: recompute each step separately.

    Memory: `block` keeps x0 until the backward pass and then all of it, `step` one state per step.
    NFE of the backward pass: `block` those of the forward pass; `step` those of its steps,
    rejected ones left out.
    """

    config: Checkpoint

    def __call__(self, field: Field, x0: Tensor, solver: Solver, t1: float = 1.0) -> Solution:
        """Solve over [0, t1]. Raises ValueError for every = step without access to the steps."""
        f = field.bind()
        if not torch.is_grad_enabled():
            return solver(f, x0, t1=t1)
        if self.config.every == "step":
            return _step_by_step(solver)(f, x0, t1=t1)
        solution: Solution | None = None

        def solve(x: Tensor) -> Tensor:
            nonlocal solution
            # Detached: this one is for its counts, and the graph of x1 belongs to checkpoint.
            attached = solver(f, x, t1=t1)
            solution = dataclasses.replace(attached, x1=attached.x1.detach())
            return attached.x1

        x1 = recompute(solve, x0)
        assert isinstance(x1, Tensor)
        assert solution is not None
        return dataclasses.replace(solution, x1=x1)


def _step_by_step(solver: Solver) -> Solver:
    if isinstance(solver, FixedStepRungeKutta | AdaptiveRungeKutta):
        return dataclasses.replace(solver, run_step=recompute)
    raise ValueError(
        f"gradient.every = 'step' needs a solver with backend 'odecore', "
        f"not {type(solver).__name__}; or use every = 'block'"
    )


build = CheckpointGradient
