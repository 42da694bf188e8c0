"""One training run, completely described: everything that changes the result and nothing about where it runs."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from odecore.config.data import DataConfig
from odecore.config.flat_node import FlatNode
from odecore.config.gradient import Adjoint, Backprop, Checkpoint, GradientConfig
from odecore.config.idle import Idle
from odecore.config.section import Section
from odecore.config.solver import FixedStep, SolverConfig
from odecore.config.train import Fidelity, Precision, Train

ModelConfig = Annotated[FlatNode | Idle, Field(discriminator="name")]


class TrialSpec(Section):
    """The spec of one trial. Identity, cell and storage are derived from it in `sweeps.spec`."""

    data: DataConfig
    model: ModelConfig
    solver: SolverConfig
    gradient: GradientConfig = Backprop()
    train: Train
    precision: Precision = "float32"
    fidelity: Fidelity = Fidelity()
    seed: int = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        """Combinations that no solver or gradient can do are refused when planned, not when trained."""
        solver, gradient = self.solver, self.gradient
        if isinstance(gradient, Adjoint):
            if solver.name == "rk4":
                raise ValueError("gradient adjoint runs torchdiffeq, which has no classical rk4; use rk4_38 or another solver")
            if isinstance(solver, FixedStep) and gradient.tolerance is not None:
                raise ValueError("gradient.tolerance is for adaptive solvers; a fixed-step adjoint takes the forward solve's steps")
        if isinstance(gradient, Checkpoint) and gradient.every == "step" and solver.backend == "torchdiffeq":
            raise ValueError("gradient.every = step needs our own loop; use solver.backend = odecore or gradient.every = block")
        return self
