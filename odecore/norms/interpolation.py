"""Interpolation weights on the grid t_m = m end / M, m = 0 .. M; end is 1 where not said.

Shapes: grids and arrays of weights are (M + 1,), matrices (M + 1, M + 1).

value(t) = sum_m w_m(t) a_m for any grid values a. The weights depend on t and M alone and sum to 1;
outside of [0, end] the end values hold.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

# A third of a second to import, at the start of every worker, and few norms use it: imported by
# those that do.
if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

# b of the kernel exp(-(t - t_i)^2 / (2 b^2)) (Zheng 2024, paper: 0.1 T); the Gaussian process,
# whose own kernel is not given, has it too.
LENGTH_SCALE = 0.1
# Of the Gaussian process, in units of its variance. Not given in the paper. Without noise its
# matrix is singular in float64 on 101 points.
NOISE_VARIANCE = 1e-4
# All norms of a field ask for the same times, and a fixed-step solve for the same ones again.
CACHED = 1024


class Weights(NamedTuple):
    """Weights of the grid points first, first + 1, ..., as plain numbers: no device sync."""

    first: int
    values: tuple[float, ...]


class Interpolation(Protocol):
    """(t, M, end) -> weights."""

    def __call__(self, t: float, intervals: int, end: float = 1.0, /) -> Weights: ...  # noqa: D102


# A time this close to a grid point, in units of the spacing, is that point for `mirrored`, which
# jumps there: times are float32 numbers in an adaptive solve.
SNAP = 1e-4


def linear(t: float, intervals: int, end: float = 1.0) -> Weights:
    """Weights of the two neighbours t_l <= t <= t_l+1 (Zheng 2024, Algorithm 1).

    w_l = (t_l+1 - t) M, w_l+1 = (t - t_l) M.
    """
    position = _clamp(t, end) * intervals / end
    first = min(int(position), intervals - 1)
    upper = position - first
    return Weights(first, (1 - upper, upper))


def mirrored(t: float, intervals: int, end: float = 1.0) -> Weights:
    """The linear weights exchanged: w_l = (t - t_l) M, w_l+1 = (t_l+1 - t) M (Zheng 2024, code).

    At or beyond an end that end alone counts. A grid point inside belongs to the cell on its right,
    so its value is the next point's.
    """
    if t <= 0:
        return Weights(0, (1.0,))
    position = _clamp(t, end) * intervals / end
    if position > intervals - SNAP:
        return Weights(intervals, (1.0,))
    nearest = round(position)
    first = nearest if abs(position - nearest) < SNAP else int(position)
    upper = max(position - first, 0.0)
    return Weights(first, (upper, 1 - upper))


@lru_cache(maxsize=CACHED)
def through(times: tuple[float, ...], intervals: int, end: float = 1.0) -> NDArray[np.float64]:
    """Weights (M + 1, n) of values at n times for each grid point, linear between the times.

    Beyond the first and last time the values there hold. Values at equal times count by their mean.
    """
    distinct, place, counts = np.unique(times, return_inverse=True, return_counts=True)
    points = grid(intervals, end)
    columns = [np.interp(points, distinct, row) for row in np.eye(len(distinct))]
    return np.stack(columns, axis=1)[:, place] / counts[place]


@lru_cache(maxsize=CACHED)
def cubic_spline(t: float, intervals: int, end: float = 1.0) -> Weights:
    """The natural cubic spline through all grid values. Weights can be negative."""
    return _all(_spline(intervals, end)(_clamp(t, end)))


@lru_cache
def _spline(intervals: int, end: float) -> "CubicSpline":
    from scipy.interpolate import CubicSpline

    return CubicSpline(grid(intervals, end), np.eye(intervals + 1), bc_type="natural")


@lru_cache(maxsize=CACHED)
def kernel(t: float, intervals: int, end: float = 1.0) -> Weights:
    """w_m = K(t, t_m) / sum_i K(t, t_i), K(t, s) = exp(-(t - s)^2 / (2 b^2)) (Zheng 2024, paper).

    It smooths: the value at a grid point is not the grid value.
    """
    values = _covariance(_clamp(t, end), grid(intervals, end))
    return _all(values / values.sum())


@lru_cache(maxsize=CACHED)
def gaussian_process(t: float, intervals: int, end: float = 1.0) -> Weights:
    """Posterior mean of a Gaussian process with unknown constant mean (ordinary kriging).

    The kernel K is squared exponential, with noise.

    w = C^-1 (k + 1 (1 - 1^T C^-1 k) / (1^T C^-1 1)), C = K(T, T) + noise, k = K(T, t) (Rasmussen &
    Williams 2006, section 2.7).
    The unknown mean makes the weights sum to 1, so that constants are kept and no prior value is
    needed. Weights can be negative.
    """
    return _all(_of_one_time(_clamp(t, end), grid(intervals, end), *_kriging(intervals, end)))


def kriging(times: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (len(at), len(times)) of the same Gaussian process, observed at any times."""
    inverse, of_ones = _inverse(times)
    return np.stack([_of_one_time(t, times, inverse, of_ones) for t in at.tolist()])


def _of_one_time(
    t: float,
    times: NDArray[np.float64],
    inverse: NDArray[np.float64],
    of_ones: NDArray[np.float64],
) -> NDArray[np.float64]:
    k = _covariance(t, times)
    return inverse @ k + of_ones * ((1 - of_ones @ k) / of_ones.sum())


@lru_cache
def _kriging(intervals: int, end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _inverse(grid(intervals, end))


def _inverse(times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """C^-1 and C^-1 1."""
    from scipy.linalg import cho_factor, cho_solve

    covariance = _covariance(times[:, None], times) + NOISE_VARIANCE * np.eye(len(times))
    inverse = cho_solve(cho_factor(covariance), np.eye(len(times)))
    return inverse, inverse.sum(axis=1)


def _all(values: NDArray[np.float64]) -> Weights:
    return Weights(0, tuple(values.tolist()))


def grid(intervals: int, end: float = 1.0) -> NDArray[np.float64]:
    """The grid's times (M + 1,)."""
    return np.arange(intervals + 1) * end / intervals


def _covariance(t: float | NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-0.5 * ((t - s) / LENGTH_SCALE) ** 2)


def _clamp(t: float, end: float) -> float:
    return min(max(t, 0.0), end)


INTERPOLATIONS: dict[str, Interpolation] = {
    "linear": linear,
    "cubic_spline": cubic_spline,
    "kernel": kernel,
    "gaussian_process": gaussian_process,
}
