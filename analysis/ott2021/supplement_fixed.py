"""Ott 2021, supplement: test accuracy of nets trained with fixed steps on the other data sets, and with adjoint gradients."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.caption import compose
from analysis.data import Data
from analysis.ott2021 import solver_panels
from analysis.style import FULL_INCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "ott2021/supplement_fixed"
STUDY = (
    *(
        f"ott2021/{name}-fixed"
        for name in ("sphere2", "sphere3", "sphere10", "sphere900", "mnist", "cifar10")
    ),
    "ott2021/sphere2-adjoint",
)
NEEDS = ("evaluations:figure4",)
PANELS = (7, 2)
SIZE_INCHES = (FULL_INCHES, 9.6)
SOLVERS = ("euler", "rk4_38")
CAPTION = (
    "Ott 2021, supplement, as Figure 4; what the paper's own panels show beyond that is not known. "
    "Colour: K, the number of steps in training (step size 1/K), all that were trained. Each net is tested with K/2 to 2K steps. "
    "Left: trained with Euler; right: with the 3/8 rule. Circle: solver of training; other markers, set slightly aside: other solvers. "
    "Dark: tested as trained; light: tested otherwise. Only nets that trained successfully (final train accuracy > 0.9, on CIFAR-10 0.3); "
    "where none of a data set did, all are shown."
)


def table(data: Data) -> pd.DataFrame:
    """The numbers of Figure 4 for each study, with `study` and `data`; column drawn: those that the panels show."""
    numbers = solver_panels.by_study(data, STUDY, "steps")
    return numbers.assign(drawn=solver_panels.drawn_by_study(numbers))


def panels(numbers: pd.DataFrame) -> tuple[int, int]:
    """One row for each data set that there is."""
    return len(set(numbers["study"])), len(SOLVERS)


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return compose(CAPTION, data, NEEDS, numbers.loc[numbers["drawn"], "n"])


def draw(numbers: pd.DataFrame, axes: Sequence["Axes"]) -> None:
    """Rows: data sets; columns: training solvers."""
    solver_panels.draw_studies(numbers, axes, SOLVERS, "steps")
