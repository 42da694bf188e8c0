"""Whether a straight line can separate the end points of two classes.

Ott 2021, Figure 3, Lady Windermere's fan.
"""

import numpy as np
from numpy.typing import ArrayLike

ANGLES = 720


def margin(points: ArrayLike, labels: ArrayLike) -> float:
    """Largest gap between the classes along any direction w, relative to the points' mean norm.

    Above 0: separable. It is the maximum over 720 directions of (min over class 1 of w.z - max over
    class 0 of w.z) / mean |z|. points: (n, 2). labels: (n,), 0 or 1, both present.
    """
    points, labels = np.asarray(points, dtype=float), np.asarray(labels)
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    along = points @ np.stack([np.cos(angle), np.sin(angle)])
    gap = along[labels == 1].min(axis=0) - along[labels == 0].max(axis=0)
    return float(gap.max() / np.linalg.norm(points, axis=1).mean())
