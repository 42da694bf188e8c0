"""The recipe: optimizer, batches, length, and how often metrics are recorded."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from odecore.config.data import Split
from odecore.config.section import Section, added_later

Precision = Literal["float32", "tf32", "bf16"]
Noise = Literal["none", "one_image"]


class Adam(Section):
    """Adam (Kingma & Ba 2015), torch's defaults for betas and eps.

    weight_decay is added to the gradient (L2).
    """

    name: Literal["adam"] = "adam"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0


class Sgd(Section):
    """Stochastic gradient descent with classical momentum."""

    name: Literal["sgd"] = "sgd"
    lr: PositiveFloat = 0.1
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: NonNegativeFloat = 0.0


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), default betas and eps."""

    name: Literal["adamw"] = "adamw"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01


class RmsProp(Section):
    """RMSprop (Tieleman & Hinton 2012), torch's defaults."""

    name: Literal["rmsprop"] = "rmsprop"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0


OptimizerConfig = Annotated[Adam | Sgd | AdamW | RmsProp, Field(discriminator="name")]


class StepSchedule(Section):
    """lr * factor^k in epoch e = 0, 1, ..., where k is the number of `drops` that are at most e."""

    name: Literal["steps"] = "steps"
    drops: tuple[PositiveInt, ...]
    factor: PositiveFloat = 0.1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.drops or list(self.drops) != sorted(set(self.drops)):
            raise ValueError(
                f"train.schedule.drops = {list(self.drops)}; give at least one epoch, in rising "
                "order, each once"
            )
        return self


class LinearSchedule(Section):
    """lr - start e / epochs in epoch e (ENorm 2019, section 2).

    start: null for lr, so that the learning rate goes to zero. The report's code has start = 0.1
    for every lr: with a smaller lr the learning rate becomes negative (ENorm 2019, code).
    """

    name: Literal["linear"] = "linear"
    start: PositiveFloat | None = None


class GeometricSchedule(Section):
    """lr * factor^floor(n / every), with n counted in epochs or in iterations.

    Massaroli et al. 2020 and Xia et al. 2021, code.
    """

    name: Literal["geometric"] = "geometric"
    factor: PositiveFloat
    every: PositiveInt
    unit: Literal["epochs", "iterations"] = "epochs"


class HalfwaySchedule(Section):
    """lr * factor from the middle of the epochs on, lr before (Zheng 2024, code)."""

    name: Literal["halfway"] = "halfway"
    factor: PositiveFloat = 0.1


ScheduleConfig = Annotated[
    StepSchedule | LinearSchedule | GeometricSchedule | HalfwaySchedule,
    Field(discriminator="name"),
]


class AlsoTest(Section):
    """One more score of every recorded row, kept as the series accuracy.<label> and loss.<label>.

    batch_size: null for that of the training. noise `one_image`: one image of each batch is
    replaced by noise (Zheng 2024, Figure 3).
    """

    label: str = Field(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")
    split: Split = "test"
    batch_size: PositiveInt | None = None
    limit: PositiveInt | None = None
    noise: Noise = "none"


class Train(Section):
    """Length and batches of the training. Exactly one of iterations and epochs is given.

    record_every: iterations between two recorded rows (accuracy, loss, cost); null records once an
    epoch. drop_last: leave out the last, smaller batch of an epoch. iterations = 0 trains nothing,
    for fields without parameters. schedule: of the learning rate, null for a constant one.
    gradient_clip: largest norm of the whole gradient. grid_clip: afterwards, the largest norm of
    the gradient of all of TA-BN's scales, and of all its shifts. decay_grids: weight decay acts on
    these too. Both are of the code of Zheng 2024.
    """

    optimizer: OptimizerConfig = Adam()
    batch_size: PositiveInt = 128
    iterations: NonNegativeInt | None = None
    epochs: PositiveInt | None = None
    drop_last: bool = False
    record_every: PositiveInt | None = None
    schedule: ScheduleConfig | None = added_later(neutral=None)
    gradient_clip: PositiveFloat | None = added_later(neutral=None)
    also_test: tuple[AlsoTest, ...] = added_later(neutral=())
    grid_clip: PositiveFloat | None = added_later(neutral=None)
    decay_grids: bool = added_later(neutral=False)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.iterations is None) == (self.epochs is None):
            raise ValueError("give exactly one of train.iterations and train.epochs")
        return self

    @model_validator(mode="after")
    def _schedule_has_epochs(self) -> Self:
        if isinstance(self.schedule, LinearSchedule) and self.epochs is None:
            raise ValueError(
                "train.schedule = linear needs train.epochs, since the learning rate is zero at "
                "their end"
            )
        if isinstance(self.schedule, HalfwaySchedule) and self.epochs is None:
            raise ValueError(
                "train.schedule = halfway needs train.epochs, in whose middle the rate drops"
            )
        labels = [one.label for one in self.also_test]
        if len(set(labels)) < len(labels):
            raise ValueError(f"train.also_test: give each label once, not {', '.join(labels)}")
        return self


class Fidelity(Section):
    """Options for differences between a paper's code and its text. The defaults are correct.

    accuracy_divisor: `count` divides by the number of images; `batch_size` divides every batch by
    the full batch size, also the last, partial one, as Ott's code does (with 1,000 points in
    batches of 128 the accuracy is at most .9766).

    anode_side_effects: norms inside ODE blocks update their statistics, and spectral norm its
    vector, a second time in each training step, as the recomputation of ANODE does (Gusak 2020,
    section 3 and code). Off: recomputation and the adjoint's backward solve change nothing.

    momentum_reset: a new optimizer state each epoch (Gusak 2020, code).
    """

    accuracy_divisor: Literal["count", "batch_size"] = added_later(neutral="count")
    anode_side_effects: bool = added_later(neutral=False)
    momentum_reset: bool = added_later(neutral=False)
