"""How gradients pass through a solve."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat

from odecore.config.section import Choice, by_name
from odecore.config.solver import FixedStep
from odecore.config.solver_methods import torchdiffeq_name


class Gradient(Choice):
    """A gradient method as one record.

    builder: build(config) -> odecore.gradients.base.Gradient.
    """

    @property
    def recomputes_blocks(self) -> bool:
        """Whether a whole ODE block is computed again for its gradient."""
        return False


class Backprop(Gradient):
    """Ordinary back-propagation through the solver's steps."""

    builder = "odecore.gradients.backprop:build"
    name: Literal["backprop"] = "backprop"


class Checkpoint(Gradient):
    """Back-propagation that recomputes instead of storing.

    It recomputes each block (ANODE, Gholami et al. 2019) or each solver step.
    """

    builder = "odecore.gradients.checkpoint:build"
    name: Literal["checkpoint"] = "checkpoint"
    every: Literal["block", "step"] = "block"

    @property
    def recomputes_blocks(self) -> bool:
        """See `Gradient.recomputes_blocks`."""
        return self.every == "block"

    def check(self, spec: Any) -> None:
        """Raise ValueError unless recomputation takes the same steps.

        If each step is recomputed separately, the solver must be our own.
        """
        if spec.fidelity.anode_side_effects and not isinstance(spec.solver, FixedStep):
            raise ValueError(
                "fidelity.anode_side_effects with gradient checkpoint needs fixed steps, since "
                "recomputation would take other steps"
            )
        if self.every == "step" and spec.solver and spec.solver.backend == "torchdiffeq":
            raise ValueError(
                "gradient.every = step needs our own loop; use solver.backend = odecore or "
                "gradient.every = block"
            )


class Adjoint(Gradient):
    """The continuous adjoint, solved from t=1 to 0 (Chen et al. 2018).

    tolerance: of the backward solve; null means that of the forward solve.
    """

    builder = "odecore.gradients.adjoint:build"
    name: Literal["adjoint"] = "adjoint"
    tolerance: PositiveFloat | None = None

    def check(self, spec: Any) -> None:
        """The solver must be one of torchdiffeq's."""
        if spec.solver is None:
            return
        try:
            torchdiffeq_name(spec.solver.name)
        except ValueError as error:
            raise ValueError(f"gradient.name = adjoint runs torchdiffeq: {error}") from None
        if isinstance(spec.solver, FixedStep) and self.tolerance is not None:
            raise ValueError(
                "gradient.tolerance is for adaptive solvers; a fixed-step adjoint takes the "
                "forward solve's steps"
            )


GRADIENTS = by_name(Gradient)
GradientConfig = Annotated[Backprop | Checkpoint | Adjoint, Field(discriminator="name")]
