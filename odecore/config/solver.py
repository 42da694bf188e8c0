"""Which solver, and how accurate: fixed-step methods take a number of steps, adaptive ones a tolerance."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from odecore.config.section import Section, added_later

Backend = Literal["odecore", "torchdiffeq"]


class FixedStep(Section):
    """`steps` equal steps over [0, 1]. `rk4` is the classical method; `rk4_38` is the 3/8 rule, which torchdiffeq calls rk4."""

    name: Literal["euler", "midpoint", "heun", "heun3", "rk4", "rk4_38"]
    steps: PositiveInt
    backend: Backend = added_later(neutral="odecore")

    @model_validator(mode="after")
    def _exists_there(self) -> Self:
        if self.name == "rk4" and self.backend == "torchdiffeq":
            raise ValueError("torchdiffeq has no classical rk4 (its rk4 is our rk4_38); use solver.backend = odecore or solver.name = rk4_38")
        return self


class Adaptive(Section):
    """Embedded pair with rtol = atol = `tolerance`, as in all five papers. More than `max_evaluations` of f end the solve as failed."""

    name: Literal["bosh3", "fehlberg2", "dopri5"]
    tolerance: PositiveFloat
    max_evaluations: PositiveInt = 10_000
    backend: Backend = added_later(neutral="odecore")


SolverConfig = Annotated[FixedStep | Adaptive, Field(discriminator="name")]
