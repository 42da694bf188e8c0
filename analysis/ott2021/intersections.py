"""Which trajectories in the plane cross.

Ott 2021, conclusion: of an autonomous ODE no two can, at any pair of times.
"""

import numpy as np
from numpy.typing import NDArray

# Pairs of pieces that are compared together. This limits memory and does not change the result.
CHUNK_PAIRS = 2_000_000


def crossing_pairs(paths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether pairs of poly-lines have pieces that properly intersect (touching does not count).

    Result: (P, P), symmetric. paths: (P, S + 1, 2).
    """
    count, states, _ = paths.shape
    start, end = (part.reshape(-1, 2) for part in (paths[:, :-1], paths[:, 1:]))
    owner = np.repeat(np.arange(count), states - 1)
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.argsort(low[:, 0], kind="stable")
    start, end, low, high = (part[order] for part in (start, end, low, high))
    owner = owner[order]
    # Pieces are sorted by their left end: only those that begin before another's right end can meet
    # it.
    partners = np.searchsorted(low[:, 0], high[:, 0], side="right") - np.arange(len(start)) - 1
    crossed = np.zeros((count, count), dtype=bool)
    first = 0
    while first < len(start):
        last = max(
            first + 1,
            int(np.searchsorted(np.cumsum(partners[first:]), CHUNK_PAIRS, side="right")) + first,
        )
        here = partners[first:last]
        i = np.repeat(np.arange(first, last), here)
        j = i + 1 + np.arange(here.sum()) - np.repeat(np.cumsum(here) - here, here)
        near = (owner[i] != owner[j]) & (low[i, 1] <= high[j, 1]) & (low[j, 1] <= high[i, 1])
        i, j = i[near], j[near]
        meets = _opposite(start[i], end[i], start[j], end[j]) & _opposite(
            start[j], end[j], start[i], end[i]
        )
        crossed[owner[i[meets]], owner[j[meets]]] = True
        first = last
    return crossed | crossed.T


def _opposite(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], d: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether c and d lie on opposite sides of the line through a and b; all (n, 2)."""
    return _side(a, b, c) * _side(a, b, d) < 0


def _side(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.sign(
        (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    )


def crossing_fractions(
    paths: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[float, float]:
    """The fraction of pairs of trajectories with at least one crossing.

    Of different class and of the same class; NaN without such pairs.
    """
    crossed = crossing_pairs(paths)
    pairs = np.triu(np.ones_like(crossed), 1)
    different = labels[:, None] != labels[None, :]
    fractions = [
        crossed[pairs & kind].mean() if (pairs & kind).any() else np.nan
        for kind in (different, ~different)
    ]
    return float(fractions[0]), float(fractions[1])
