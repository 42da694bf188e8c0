"""The solvers and their accuracy.

Fixed-step methods take a number of steps, adaptive ones a tolerance.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from odecore.config.section import Choice, added_later, by_name
from odecore.config.solver_methods import EMBEDDED_PAIRS, FIXED_STEP, REVISIONS, torchdiffeq_name

Backend = Literal["odecore", "torchdiffeq"]

# The valid names come from the records, where a type checker cannot read them.
if TYPE_CHECKING:
    FixedStepName = str
    AdaptiveName = str
else:
    FixedStepName = Literal[tuple(FIXED_STEP)]
    AdaptiveName = Literal[tuple(EMBEDDED_PAIRS)]


class Solver(Choice):
    """A kind of solver as one record. builder: build(config) -> odecore.solvers.base.Solver."""

    revisions = REVISIONS
    changes_in_training: ClassVar[bool] = False

    def check(self, spec: Any) -> None:
        """Steps that change in training need ordinary back-propagation."""
        if self.changes_in_training and spec.gradient.name != "backprop":
            raise ValueError(
                f"solver.name = {self.name} changes its steps in training and needs gradient.name "
                "= backprop"
            )


class FixedStep(Solver):
    """`steps` equal steps over [0, 1].

    `rk4` is the classical method. `rk4_38` is the 3/8 rule, which torchdiffeq calls rk4.
    """

    builder = "odecore.solvers:build_fixed_step"
    name: FixedStepName
    steps: PositiveInt
    backend: Backend = added_later(neutral="odecore")

    @model_validator(mode="after")
    def _exists_there(self) -> Self:
        if self.backend == "torchdiffeq":
            torchdiffeq_name(self.name)
        return self


class Adaptive(Solver):
    """Embedded pair with rtol = atol = `tolerance` (Ott 2021 and Zheng 2024, code).

    Gladzik 2019 names a relative tolerance alone; Gusak 2020 and ENorm 2019 have no such solver.

    More than `max_evaluations` of f end the solve as failed. fallback_steps: a failed forward solve
    is repeated with this number of Euler steps, and counted; null for no repetition (Zheng 2024,
    code).
    """

    builder = "odecore.solvers:build_adaptive"
    name: AdaptiveName
    tolerance: PositiveFloat
    max_evaluations: PositiveInt = 10_000
    backend: Backend = added_later(neutral="odecore")
    fallback_steps: PositiveInt | None = added_later(neutral=None)

    @model_validator(mode="after")
    def _exists_there(self) -> Self:
        if self.backend == "torchdiffeq":
            torchdiffeq_name(self.name)
        return self


class AdaptedStep(Solver):
    """Step size adapted in training.

    Halved when a better solver disagrees on the batch, else enlarged (Ott 2021, algorithm 1 and
    code).

    It is halved if a better solver disagrees on the batch, otherwise enlarged. test: the better
    solver. The first step size follows Hairer, Norsett & Wanner I, p. 169. Trained nets are
    evaluated with the last step size.
    """

    builder = "odecore.solvers.adaptation:build_step"
    changes_in_training = True
    name: Literal["adapted_euler", "adapted_midpoint"]
    test: Literal["midpoint", "rk4_38"] = "midpoint"

    @model_validator(mode="after")
    def _is_better(self) -> Self:
        if self.name == "adapted_midpoint" and self.test == "midpoint":
            raise ValueError(
                "solver.name = adapted_midpoint needs a test solver that is better than itself: "
                "solver.test = rk4_38"
            )
        return self


class AdaptedTolerance(Solver):
    """Tolerance adapted in training (Ott 2021, supplement and code).

    It starts at `tolerance` and is compared with dopri5 at a smaller tolerance.
    """

    builder = "odecore.solvers.adaptation:build_tolerance"
    changes_in_training = True
    name: Literal["adapted_fehlberg2", "adapted_dopri5"]
    tolerance: PositiveFloat = 1e-6
    max_evaluations: PositiveInt = 10_000


SOLVERS = by_name(Solver)
# The solvers with which a trained net can be tested, and those with which it can be trained.
TestSolverConfig = Annotated[FixedStep | Adaptive, Field(discriminator="name")]
SolverConfig = Annotated[
    FixedStep | Adaptive | AdaptedStep | AdaptedTolerance, Field(discriminator="name")
]
