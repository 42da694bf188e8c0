"""Interpolation weights against slow literal forms of each scheme."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odecore.norms.interpolation import INTERPOLATIONS, LENGTH_SCALE, NOISE_VARIANCE

TIMES = st.floats(0, 1)
GRIDS = st.integers(1, 30)
EVERY_SCHEME = pytest.mark.parametrize("name", INTERPOLATIONS)


def dense(name: str, t: float, intervals: int) -> np.ndarray:
    """The weight of every grid point."""
    first, values = INTERPOLATIONS[name](t, intervals)
    weights = np.zeros(intervals + 1)
    weights[first : first + len(values)] = values
    return weights


def interpolated(name: str, t: float, values: Sequence[float]) -> float:
    return float(dense(name, t, len(values) - 1) @ np.asarray(values))


@EVERY_SCHEME
@settings(max_examples=20)
@given(t=TIMES, intervals=GRIDS)
def test_constants_are_kept(name: str, t: float, intervals: int) -> None:
    assert dense(name, t, intervals).sum() == pytest.approx(1, abs=1e-10)


@EVERY_SCHEME
@given(t=st.one_of(st.floats(-5, 0), st.floats(1, 5)))
@settings(max_examples=10)
def test_end_values_hold_outside(name: str, t: float) -> None:
    assert INTERPOLATIONS[name](t, 9) == INTERPOLATIONS[name](0.0 if t <= 0 else 1.0, 9)


@settings(max_examples=20)
@given(t=TIMES, intervals=GRIDS)
def test_linear_by_its_definition(t: float, intervals: int) -> None:
    expected = np.zeros(intervals + 1)
    for m in range(intervals + 1):
        # The hat function of grid point m.
        expected[m] = max(0.0, 1 - abs(t - m / intervals) * intervals)
    np.testing.assert_allclose(dense("linear", t, intervals), expected, atol=1e-12)
    assert len(INTERPOLATIONS["linear"](t, intervals).values) == 2


def literal_spline(t: float, values: Sequence[float]) -> float:
    """Natural cubic spline by its tridiagonal system for the second derivatives (Burden & Faires,
    algorithm 3.4), elimination written out.
    """
    n, h = len(values) - 1, 1 / (len(values) - 1)
    second = [0.0] * (n + 1)
    diagonal, right = [0.0] * (n + 1), [0.0] * (n + 1)
    for i in range(1, n):
        diagonal[i], right[i] = 4.0, 6 * (values[i - 1] - 2 * values[i] + values[i + 1]) / h**2
        if i > 1:
            ratio = 1 / diagonal[i - 1]
            diagonal[i] -= ratio
            right[i] -= ratio * right[i - 1]
    for i in range(n - 1, 0, -1):
        second[i] = (right[i] - second[i + 1]) / diagonal[i]
    i = min(int(t * n), n - 1)
    a, b = (i + 1) - t * n, t * n - i
    return (
        a * values[i]
        + b * values[i + 1]
        + ((a**3 - a) * second[i] + (b**3 - b) * second[i + 1]) * h**2 / 6
    )


@settings(max_examples=20)
@given(t=TIMES, values=st.lists(st.floats(-3, 3), min_size=2, max_size=25))
def test_the_spline_solves_its_tridiagonal_system(t: float, values: list[float]) -> None:
    assert interpolated("cubic_spline", t, values) == pytest.approx(
        literal_spline(t, values), abs=1e-9
    )


@settings(max_examples=20)
@given(t=TIMES, values=st.lists(st.floats(-3, 3), min_size=2, max_size=25))
def test_the_kernel_average_by_loops(t: float, values: list[float]) -> None:
    weights = [
        math.exp(-0.5 * (t - m / (len(values) - 1)) ** 2 / 0.1**2) for m in range(len(values))
    ]
    expected = sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(
        weights
    )
    assert interpolated("kernel", t, values) == pytest.approx(expected, abs=1e-10)


@settings(max_examples=20)
@given(t=TIMES, intervals=st.integers(1, 25))
def test_the_gaussian_process_solves_the_kriging_system(t: float, intervals: int) -> None:
    # [[C, 1], [1^T, 0]] [w, multiplier] = [k, 1]: the unbiased weights of least variance.
    grid = np.arange(intervals + 1) / intervals
    system = np.ones((intervals + 2, intervals + 2))
    system[-1, -1] = 0
    right = np.ones(intervals + 2)
    for i, s in enumerate(grid):
        right[i] = math.exp(-((t - s) ** 2) / (2 * LENGTH_SCALE**2))
        for j, r in enumerate(grid):
            system[i, j] = math.exp(-((r - s) ** 2) / (2 * LENGTH_SCALE**2)) + (
                NOISE_VARIANCE if i == j else 0
            )
    np.testing.assert_allclose(
        dense("gaussian_process", t, intervals), np.linalg.solve(system, right)[:-1], atol=1e-8
    )


@pytest.mark.parametrize(
    ("name", "error"),
    [("linear", 4e-3), ("cubic_spline", 5e-4), ("gaussian_process", 5e-3), ("kernel", 0.4)],
)
def test_a_smooth_function_is_followed(name: str, error: float) -> None:
    values = [math.sin(5 * m / 50) for m in range(51)]
    worst = max(
        abs(interpolated(name, t, values) - math.sin(5 * t))
        for t in np.linspace(0, 1, 173).tolist()
    )
    assert error / 100 < worst < error


@pytest.mark.parametrize("name", ["linear", "cubic_spline"])
def test_grid_values_are_met(name: str) -> None:
    for intervals in (1, 7, 100):
        for m in range(intervals + 1):
            expected = np.eye(intervals + 1)[m]
            np.testing.assert_allclose(dense(name, m / intervals, intervals), expected, atol=1e-12)
