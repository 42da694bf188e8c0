"""Colours that colour-blind readers can tell apart, and names that are the spec's."""

from itertools import combinations

import numpy as np
import pytest

from analysis.drawing.style import (
    NORM_COLOURS,
    NORM_LABELS,
    SOLVER_LABELS,
    SOLVER_MARKERS,
    data_label,
)
from odecore.config.lookup import NORMS, SOLVERS

# Machado, Oliveira, Fernandes (2009), severity 1.0, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
# sRGB (D65) to CIE XYZ.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
OKABE_ITO = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"]


def lab(colour: str, sight: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as somebody with this sight sees it."""
    srgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.clip(
        sight @ np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4), 0, 1
    )
    x, y, z = (
        np.cbrt(part) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in TO_XYZ @ linear / [0.95047, 1.0, 1.08883]
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def closest(colours: list[str], sight: np.ndarray) -> float:
    return min(
        float(np.linalg.norm(lab(a, sight) - lab(b, sight))) for a, b in combinations(colours, 2)
    )


@pytest.mark.parametrize("sight", SIGHT)
def test_norms_are_as_distinct_as_okabe_and_itos_palette(sight: str) -> None:
    reference = min(closest(OKABE_ITO, SIGHT[one]) for one in SIGHT)
    assert closest(list(NORM_COLOURS.values()), SIGHT[sight]) >= reference


def test_names_are_the_specs() -> None:
    assert set(NORMS) <= set(NORM_COLOURS)
    assert set(NORM_COLOURS) == set(NORM_LABELS)
    fixed_or_adaptive = {name for name in SOLVERS if not name.startswith("adapted")}
    assert fixed_or_adaptive <= set(SOLVER_MARKERS)
    assert set(SOLVER_MARKERS) == set(SOLVER_LABELS)


def test_data_sets_are_written_as_in_the_papers() -> None:
    assert [data_label("spheres", 3.0), data_label("mnist", None), data_label("spheres", None)] == [
        "Sphere3",
        "MNIST",
        "spheres",
    ]
