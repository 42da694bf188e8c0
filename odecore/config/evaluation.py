"""What is done with trained weights: evaluations under any solver, and probes, the data of figures."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from odecore.config.section import Section
from odecore.config.solver import SolverConfig
from odecore.config.train import Precision


class Evaluation(Section):
    """Accuracy and loss of kept weights under `solver`. limit: the first so many samples of the split, null for all."""

    solver: SolverConfig
    split: Literal["test", "train"] = "test"
    limit: PositiveInt | None = None
    batch_size: PositiveInt = 256
    precision: Precision = "float32"


class Trajectory(Section):
    """States after every solver step of the first `points` test samples, two-dimensional data only (Ott 2021, Figures 1 and 2)."""

    name: Literal["trajectory"] = "trajectory"
    solver: SolverConfig
    points: PositiveInt = 200


class DecisionGrid(Section):
    """Probability of class 1 that the head gives to states on a square grid, two-dimensional data only (Ott 2021, Figure 2).

    resolution: points a side. The square covers every trajectory end point under `solver`, with `margin` of its width around.
    """

    name: Literal["decision_grid"] = "decision_grid"
    solver: SolverConfig
    resolution: PositiveInt = 101
    margin: PositiveFloat = 0.1


ProbeConfig = Annotated[Trajectory | DecisionGrid, Field(discriminator="name")]
