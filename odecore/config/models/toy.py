"""Vector fields without parameters, for figures that need no training.

These are Lady Windermere's fan and the one-dimensional crossing.
"""

from typing import Literal

from odecore.config.model import Model, Work


class WindermereFan(Model):
    """z' = A(z) z with A = [[alpha, 1], [-gamma |z|^delta, beta]] (Ott 2021, Figure 3a and b).

    The paper gives no constants. These separate the classes with 316 Euler steps and not with 3,162
    (found by search).
    """

    builder = "odecore.models.toy:build_fan"
    takes = ("fan",)
    trains = False
    name: Literal["windermere_fan"] = "windermere_fan"
    alpha: float = 0.75
    beta: float = 1.0
    gamma: float = 75.0
    delta: float = 0.75

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """Almost no work."""
        return Work()

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        return 0


class Crossing(Model):
    """z' = -2 z on a line (Gladzik 2019, Figure 5.10).

    One Euler step takes z to -z, so paths cross. The exact solution goes to z e^-2, and no paths
    cross.
    """

    builder = "odecore.models.toy:build_crossing"
    takes = ("line",)
    trains = False
    name: Literal["crossing"] = "crossing"

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """Almost no work."""
        return Work()

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        return 0
