"""The recipe: optimizer, batches, length, and how often metrics are recorded."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from odecore.config.section import Section, added_later

Precision = Literal["float32", "tf32", "bf16"]


class Adam(Section):
    """Adam (Kingma & Ba 2015), torch's defaults for betas and eps. weight_decay is added to the gradient (L2)."""

    name: Literal["adam"] = "adam"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0


class Sgd(Section):
    """Stochastic gradient descent with classical momentum."""

    name: Literal["sgd"] = "sgd"
    lr: PositiveFloat = 0.1
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: NonNegativeFloat = 0.0


OptimizerConfig = Annotated[Adam | Sgd, Field(discriminator="name")]


class Train(Section):
    """How long and in which batches. Exactly one of iterations and epochs is given.

    record_every: iterations between two recorded rows (accuracy, loss, cost); null records once an epoch.
    drop_last: leave out the last, smaller batch of an epoch.
    """

    optimizer: OptimizerConfig = Adam()
    batch_size: PositiveInt = 128
    iterations: PositiveInt | None = None
    epochs: PositiveInt | None = None
    drop_last: bool = False
    record_every: PositiveInt | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.iterations is None) == (self.epochs is None):
            raise ValueError("give exactly one of train.iterations and train.epochs")
        return self


class Fidelity(Section):
    """Where a paper's code and text differ, both are named here. The defaults are the correct ones.

    accuracy_divisor: `count` divides by the number of images; `batch_size` divides every batch by the full batch size, the last partial one
    too, as Ott's code does (facts: maximum attainable accuracy .9766 on 1,000 points in batches of 128).
    """

    accuracy_divisor: Literal["count", "batch_size"] = added_later(neutral="count")
