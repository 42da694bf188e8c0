"""One training run, completely described.

A spec contains everything that changes the result, and nothing about where it runs.
"""

from typing import Self

from pydantic import Field, model_validator

from odecore.config.data import DataConfig
from odecore.config.gradient import Backprop, GradientConfig
from odecore.config.models import MODELS, ModelConfig
from odecore.config.norm import NoNorm
from odecore.config.section import Section
from odecore.config.solver import SolverConfig
from odecore.config.train import Fidelity, Precision, Train


class TrialSpec(Section):
    """The spec of one trial.

    `sweeps.spec` derives identity, cell and storage from it. solver: null for a model without ODE.
    """

    data: DataConfig
    model: ModelConfig
    solver: SolverConfig | None = None
    gradient: GradientConfig = Backprop()
    train: Train
    precision: Precision = "float32"
    fidelity: Fidelity = Fidelity()
    seed: int = Field(default=0, ge=0, lt=2**31)

    @property
    def ode_blocks(self) -> int:
        """Number of ODE blocks of the model."""
        return self.model.ode_blocks

    @model_validator(mode="after")
    def _solver_where_there_is_an_ode(self) -> Self:
        model = self.model
        if model.takes_any_solver:
            return self
        if self.ode_blocks and self.solver is None:
            raise ValueError(
                f"model {model.name} solves an ODE; give solver.name and solver.steps or "
                "solver.tolerance"
            )
        if not self.ode_blocks:
            without = f"this {model.name} has no ODE block, so"
            if self.solver is not None:
                raise ValueError(f"{without} it takes no solver; set solver = null")
            if self.gradient.name != "backprop":
                raise ValueError(
                    f"{without} gradient.name = {self.gradient.name} has no meaning; use backprop"
                )
            if self.fidelity.anode_side_effects:
                raise ValueError(
                    f"{without} fidelity.anode_side_effects has no meaning; leave it false"
                )
        return self

    @model_validator(mode="after")
    def _gradient_can(self) -> Self:
        """Refuse, when planning, combinations that no solver or gradient can do."""
        if self.solver is not None:
            self.solver.check(self)
        self.gradient.check(self)
        return self

    @model_validator(mode="after")
    def _gradient_is_anodes(self) -> Self:
        """ANODE differentiates its second pass.

        Where that is another function than the first, only recomputation does so too.
        """
        norm = getattr(self.model, "ode_norm", getattr(self.model, "norm", NoNorm()))
        recomputed = self.gradient.recomputes_blocks
        if self.fidelity.anode_side_effects and norm.state_enters_training and not recomputed:
            raise ValueError(
                f"fidelity.anode_side_effects with norm {norm.name} needs gradient.name = "
                "checkpoint and gradient.every = block: "
                "the norm's state moves on in ANODE's second pass, whose gradient is taken"
            )
        return self

    @model_validator(mode="after")
    def _model_takes_the_data(self) -> Self:
        model, data = self.model, self.data
        if data.kind not in model.takes:
            valid = [name for name, record in MODELS.items() if data.kind in record.takes]
            raise ValueError(
                f"model {model.name} takes {' or '.join(model.takes)}, not {data.name}; "
                f"models for {data.name}: {', '.join(valid)}"
            )
        if not model.trains and self.train.iterations != 0:
            raise ValueError(
                f"model {model.name} has no parameters to train: set train.iterations = 0"
            )
        model.check(self)
        return self

    @model_validator(mode="after")
    def _batches_can_train(self) -> Self:
        """What could only crash in every trial is refused when planned."""
        samples, batch = self.data.train_samples, self.train.batch_size
        if self.train.drop_last and batch > samples:
            raise ValueError(
                f"train.batch_size = {batch} with train.drop_last leaves no batch of "
                f"{samples:,} samples"
            )
        return self
