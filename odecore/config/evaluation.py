"""What can be done with trained weights: evaluations under any solver, and probes for figures."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from odecore.config.data import Split
from odecore.config.section import Section, added_later
from odecore.config.solver import TestSolverConfig
from odecore.config.train import Noise, Precision

# Weights can also be evaluated in float64. Training has no float64.
EvaluationPrecision = Literal[Precision, "float64"]


class Evaluation(Section):
    """Accuracy and loss of saved weights under `solver`.

    solver: null for the one of the training (or for a model without ODE). limit: the first so many
    samples of the split, null for all. noise `one_image`: one image of each batch is replaced by
    uniform noise of ten times the data's deviation (Zheng 2024, Figure 3 middle).
    """

    solver: TestSolverConfig | None
    split: Split = "test"
    limit: PositiveInt | None = None
    batch_size: PositiveInt = 256
    precision: EvaluationPrecision = "float32"
    noise: Noise = added_later(neutral="none")


class Trajectory(Section):
    """States after every solver step of the first `points` test samples.

    Only for data of one or two dimensions (Ott 2021, Figures 1 and 2).
    """

    name: Literal["trajectory"] = "trajectory"
    solver: TestSolverConfig
    points: PositiveInt = 200


class DecisionGrid(Section):
    """Probability of class 1 that the head gives to states on a square grid (Ott 2021, Figure 2).

    Only for two-dimensional data. resolution: points per side. The square covers all end points of
    trajectories under `solver`, with a border of `margin` times its width.
    """

    name: Literal["decision_grid"] = "decision_grid"
    solver: TestSolverConfig
    resolution: PositiveInt = 101
    margin: PositiveFloat = 0.1


class LayerStatistics(Section):
    """Mean and variance over batch and space of each channel of each layer's output in the ODE.

    Recorded at the time of every call of f, before that layer's norm, on the first `samples` test
    samples in eval mode (Zheng 2024, Figure 3 right: the first layer).
    """

    name: Literal["layer_statistics"] = "layer_statistics"
    solver: TestSolverConfig
    samples: PositiveInt = 256


class Series(Section):
    """Numbers that the training recorded by iteration.

    Adapted step sizes, scores of `train.also_test`.

    They are written with the run and cannot be computed from weights.
    """

    name: Literal["series"] = "series"


ProbeConfig = Annotated[
    Trajectory | DecisionGrid | LayerStatistics | Series, Field(discriminator="name")
]
