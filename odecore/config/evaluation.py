"""What is done with trained weights: evaluations under any solver, and probes, the data of figures."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from odecore.config.section import Section, added_later
from odecore.config.solver import TestSolverConfig


class Evaluation(Section):
    """Accuracy and loss of kept weights under `solver`, null for the one of the training (or for a model without ODE).

    limit: the first so many samples of the split, null for all. noise `one_image`: one image of each batch is replaced by uniform noise of ten
    times the data's deviation (Zheng 2024, Figure 3 middle).
    """

    solver: TestSolverConfig | None
    split: Literal["test", "train"] = "test"
    limit: PositiveInt | None = None
    batch_size: PositiveInt = 256
    precision: Literal["float32", "tf32", "bf16", "float64"] = "float32"
    noise: Literal["none", "one_image"] = added_later(neutral="none")


class Trajectory(Section):
    """States after every solver step of the first `points` test samples, data of one or two dimensions only (Ott 2021, Figures 1 and 2)."""

    name: Literal["trajectory"] = "trajectory"
    solver: TestSolverConfig
    points: PositiveInt = 200


class DecisionGrid(Section):
    """Probability of class 1 that the head gives to states on a square grid, two-dimensional data only (Ott 2021, Figure 2).

    resolution: points a side. The square covers every trajectory end point under `solver`, with `margin` of its width around.
    """

    name: Literal["decision_grid"] = "decision_grid"
    solver: TestSolverConfig
    resolution: PositiveInt = 101
    margin: PositiveFloat = 0.1


class LayerStatistics(Section):
    """Mean and variance over batch and space of each channel of each layer's output within the ODE, at every evaluation's time.

    Taken before that layer's norm, on the first `samples` test samples in eval mode (Zheng 2024, Figure 3 right: the first layer).
    """

    name: Literal["layer_statistics"] = "layer_statistics"
    solver: TestSolverConfig
    samples: PositiveInt = 256


class Series(Section):
    """Numbers that the training recorded by iteration: adapted step sizes, scores of `train.also_test`. Written with the run, never from weights."""

    name: Literal["series"] = "series"


ProbeConfig = Annotated[
    Trajectory | DecisionGrid | LayerStatistics | Series, Field(discriminator="name")
]
