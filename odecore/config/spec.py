"""One training run, completely described: everything that changes the result and nothing about where it runs."""

from typing import Self

from pydantic import Field, model_validator

from odecore.config.backbone import NARROWEST, BackboneSection, has_last_norm
from odecore.config.data import DataConfig, Fan, Images, Line
from odecore.config.gradient import Adjoint, Backprop, Checkpoint, GradientConfig
from odecore.config.methods import torchdiffeq_name
from odecore.config.models import ModelConfig
from odecore.config.models.augmented_node import AugmentedNode
from odecore.config.models.dense import Dense
from odecore.config.models.flat_node import FlatNode
from odecore.config.models.idle import Idle
from odecore.config.models.input_layer_node import InputLayerNode
from odecore.config.models.second_order_node import SecondOrderNode
from odecore.config.models.toy import Crossing, WindermereFan
from odecore.config.models.unmixed_node import UnmixedNode
from odecore.config.norm import NoNorm, check_groups
from odecore.config.section import Section
from odecore.config.solver import AdaptedStep, AdaptedTolerance, FixedStep, SolverConfig
from odecore.config.train import Fidelity, Precision, Train


class TrialSpec(Section):
    """The spec of one trial. Identity, cell and storage are derived from it in `sweeps.spec`. solver: null for a model without ODE."""

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
        if isinstance(self.model, Idle):
            return self
        if self.ode_blocks and self.solver is None:
            raise ValueError(
                f"model {self.model.name} solves an ODE: give solver.name and solver.steps or solver.tolerance"
            )
        if not self.ode_blocks:
            if self.solver is not None:
                raise ValueError(
                    f"this {self.model.name} has no ODE block, so it takes no solver; set solver = null"
                )
            if not isinstance(self.gradient, Backprop):
                raise ValueError(
                    f"this {self.model.name} has no ODE block, so gradient.name = {self.gradient.name} has no meaning; use backprop"
                )
            if self.fidelity.anode_side_effects:
                raise ValueError(
                    f"this {self.model.name} has no ODE block, so fidelity.anode_side_effects has no meaning; leave it false"
                )
        return self

    @model_validator(mode="after")
    def _gradient_can(self) -> Self:
        """Combinations that no solver or gradient can do are refused when planned, not when trained."""
        solver, gradient = self.solver, self.gradient
        if isinstance(solver, AdaptedStep | AdaptedTolerance):
            if not isinstance(gradient, Backprop):
                raise ValueError(
                    f"solver.name = {solver.name} changes its steps in training and needs gradient.name = backprop"
                )
        elif isinstance(gradient, Adjoint) and solver is not None:
            try:
                torchdiffeq_name(solver.name)
            except ValueError as error:
                raise ValueError(f"gradient.name = adjoint runs torchdiffeq: {error}") from None
            if isinstance(solver, FixedStep) and gradient.tolerance is not None:
                raise ValueError(
                    "gradient.tolerance is for adaptive solvers; a fixed-step adjoint takes the forward solve's steps"
                )
        elif (
            isinstance(gradient, Checkpoint)
            and self.fidelity.anode_side_effects
            and not isinstance(solver, FixedStep)
        ):
            raise ValueError(
                "fidelity.anode_side_effects with gradient checkpoint needs fixed steps: recomputation would take other ones"
            )
        elif (
            isinstance(gradient, Checkpoint)
            and gradient.every == "step"
            and solver is not None
            and solver.backend == "torchdiffeq"
        ):
            raise ValueError(
                "gradient.every = step needs our own loop; use solver.backend = odecore or gradient.every = block"
            )
        return self

    @model_validator(mode="after")
    def _gradient_is_anodes(self) -> Self:
        """ANODE differentiates its second pass. Where that is another function than the first, only recomputation does so too."""
        norm = getattr(self.model, "ode_norm", getattr(self.model, "norm", NoNorm()))
        recomputed = isinstance(self.gradient, Checkpoint) and self.gradient.every == "block"
        if self.fidelity.anode_side_effects and norm.state_enters_training and not recomputed:
            raise ValueError(
                f"fidelity.anode_side_effects with norm {norm.name} needs gradient.name = checkpoint and gradient.every = block: "
                "the norm's state moves on in ANODE's second pass, whose gradient is taken"
            )
        return self

    @model_validator(mode="after")
    def _model_takes_the_data(self) -> Self:
        """Image models need images, the flat net takes points too, and each toy field has its own points."""
        needed = {Fan: WindermereFan, Line: Crossing}.get(type(self.data))
        toy = isinstance(self.model, WindermereFan | Crossing)
        if needed is not None and not isinstance(self.model, needed | FlatNode | Idle):
            raise ValueError(
                f"data {self.data.name} goes with model {needed.model_fields['name'].default} or flat_node, not {self.model.name}"
            )
        if toy and needed is not type(self.model):
            raise ValueError(
                f"model {self.model.name} goes with the data {'fan' if isinstance(self.model, WindermereFan) else 'line'} only"
            )
        if toy and self.train.iterations != 0:
            raise ValueError(
                f"model {self.model.name} has no parameters to train: set train.iterations = 0"
            )
        if (
            not isinstance(self.model, FlatNode | Idle)
            and not toy
            and not isinstance(self.data, Images)
        ):
            raise ValueError(
                f"model {self.model.name} takes images, not {self.data.name}; use model flat_node"
            )
        return self

    @model_validator(mode="after")
    def _layers_fit_the_image(self) -> Self:
        model, shape = self.model, self.data.shape
        if not isinstance(model, UnmixedNode | BackboneSection):
            return self
        pooled = model.layout == "released" and model.backbone == "unet18"
        if pooled and any(side % 8 for side in shape[1:]):
            raise ValueError(
                f"model.layout = released halves a U-Net's maps three times by pooling, which "
                f"{shape[1]} pixels cannot: take images whose sides are multiples of 8"
            )
        if has_last_norm(model.last_layer):
            channels = model.channels if isinstance(model, SecondOrderNode) else shape[0]
            channels += model.channels if isinstance(model, AugmentedNode) else 0
            check_groups(model.norm, "model.last_layer: model.norm", channels)
        if model.layout == "released" and shape[0] == 1:
            check_groups(model.norm, "model.layout: model.norm", NARROWEST // 2)
        return self

    @model_validator(mode="after")
    def _batches_can_train(self) -> Self:
        """What could only crash in every trial is refused when planned."""
        samples, batch = self.data.train_samples, self.train.batch_size
        if self.train.drop_last and batch > samples:
            raise ValueError(
                f"train.batch_size = {batch} with train.drop_last leaves no batch of {samples:,} samples"
            )
        last = 0 if self.train.drop_last else samples % batch
        if (
            isinstance(self.model, Dense)
            and self.model.norm.name in ("batch", "mini_batch")
            and 1 in (min(batch, samples), last)
        ):
            raise ValueError(
                f"train.batch_size = {batch} of {samples:,} samples makes a batch of one, which has no statistics for "
                f"norm {self.model.norm.name}; use another train.batch_size or train.drop_last"
            )
        return self

    @model_validator(mode="after")
    def _state_holds_the_image(self) -> Self:
        model, channels = self.model, self.data.shape[0]
        if isinstance(model, SecondOrderNode) and model.start == "image":
            if model.channels != channels:
                raise ValueError(
                    f"model.start = image needs as many model.channels as {self.data.name} has, "
                    f"{channels}, not {model.channels}"
                )
        elif isinstance(model, SecondOrderNode) and model.channels < channels:
            raise ValueError(
                f"model.channels = {model.channels} cannot hold the {channels} channels of {self.data.name}"
            )
        if isinstance(model, InputLayerNode) and model.stem == "zeros" and model.width < channels:
            raise ValueError(
                f"model.width = {model.width} cannot hold the {channels} channels of {self.data.name}"
            )
        return self
