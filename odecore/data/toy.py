"""Points for vector fields without parameters: Lady Windermere's fan and two points on a line."""

from pathlib import Path

import torch

from odecore.config.data import Fan, Line
from odecore.data import dataset


def load_fan(_config: Fan, _root: Path | None) -> dataset.Dataset:
    """The corners of the unit square; opposite corners share a class (Ott 2021, Figure 3).

    The same four points (4, 2) are in both splits.
    """
    corners = (
        torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),
        torch.tensor([0, 0, 1, 1]),
    )
    return dataset.make(corners, corners)


def load_line(_config: Line, _root: Path | None) -> dataset.Dataset:
    """-1 of class 0 and 1 of class 1, in both splits (Gladzik 2019, Figure 5.10)."""
    points = torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1])
    return dataset.make(points, points)
