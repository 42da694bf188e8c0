"""Means with intervals: Student t over seeds, paired t for differences, Clopper-Pearson for shares.

Below n = 3 there is no interval (NaN): figures show the single values, which are then the columns
`minimum` and `maximum`.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95
MIN_N_INTERVAL = 3
# The least n whose smallest one-sided p, 2^-n, is below the 2.5 % of a verdict.
MIN_N_SIGN_FLIP = 6
SIGN_FLIPS = 4_096
Ends = tuple[float, float]
SHARE, DIFFERENCE, ANYWHERE = (0.0, 1.0), (-1.0, 1.0), (-math.inf, math.inf)
AMOUNT = (0.0, math.inf)
# Columns of fractions, and of differences of two accuracies. A gap's size is its absolute value.
SHARES = {"fraction", "gap_size"}
DIFFERENCES = {"gap", "drop", "gain", "difference", "change", "effect"}


def t_interval(values: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """Two-sided interval of the mean, mean ± t_(n-1) s / sqrt(n) (Student 1908, Biometrika 6).

    (NaN, NaN) for n < 3. values: (n,).
    """
    sample = np.asarray(values, dtype=float)
    if sample.size < MIN_N_INTERVAL:
        return math.nan, math.nan
    mean, deviation = float(sample.mean()), float(sample.std(ddof=1))
    half = t_quantile(sample.size, level) * deviation / math.sqrt(sample.size)
    return mean - half, mean + half


@cache
def t_quantile(n: int, level: float = LEVEL) -> float:
    """How many standard errors the interval of a mean of n numbers reaches to each side."""
    return float(stats.t.ppf(0.5 + level / 2, n - 1))


def paired_difference(first: ArrayLike, second: ArrayLike) -> tuple[float, float, float]:
    """Mean of first - second with its paired t interval.

    Both are (n,), one value per seed in the same order.
    """
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    low, high = t_interval(difference)
    return float(difference.mean()), low, high


def summarise(frame: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """One row per group: n, mean, low, high, minimum, maximum of `value`.

    The interval is 95 % Student t over seeds, as far as it lies within the `ends` of `value`.
    Missing values do not count. frame: one row per group and seed, with a column `seed`; a seed
    that occurs twice in a group counts once, with its mean.
    """
    by = list(by)
    present = frame.dropna(subset=[value])
    per_seed = pd.DataFrame(present.groupby([*by, "seed"])[value].mean()).reset_index()
    columns = {
        "n": "size",
        "mean": "mean",
        "low": "std",
        "high": "std",
        "minimum": "min",
        "maximum": "max",
    }
    numbers = pd.DataFrame(
        per_seed.groupby(by)[value].agg(["size", "mean", "std", "min", "max"])
    ).reset_index()
    numbers = numbers.filter([*by]).assign(
        **{name: numbers[found] for name, found in columns.items()}
    )
    # Like `t_interval`, for all groups at once: one call of the quantile per group would take
    # minutes for curves over epochs (measured).
    n = numbers["n"].where(numbers["n"] >= MIN_N_INTERVAL).astype(float)
    half = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * numbers["low"].astype(float) / np.sqrt(n)
    least, most = ends(value)
    return numbers.assign(
        low=(numbers["mean"] - half).clip(lower=least),
        high=(numbers["mean"] + half).clip(upper=most),
    )


def ends(name: str) -> Ends:
    """Where numbers of this name lie, and so their means.

    Accuracies and fractions lie between 0 and 1, differences of two between -1 and 1. NFE, seconds
    and bytes are at least 0.
    """
    name = name.removeprefix("run.")
    if name.startswith("accuracy") or name in SHARES:
        return SHARE
    if name.startswith("nfe") or "seconds" in name or name.endswith("_bytes"):
        return AMOUNT
    return DIFFERENCE if name in DIFFERENCES else ANYWHERE


def limited(low: float, high: float, within: Ends) -> tuple[float, float]:
    """The part of an interval that lies where its number can lie.

    It covers the truth exactly as often as the whole interval does.
    """
    return max(low, within[0]), min(high, within[1])


def clopper_pearson(count: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval of a probability from `count` successes in n trials.

    Clopper & Pearson 1934, Biometrika 26; the coverage is at least `level`.
    """
    if not n:
        return math.nan, math.nan
    interval = stats.binomtest(count, n).proportion_ci(confidence_level=level, method="exact")
    return float(interval.low), float(interval.high)


def sign_flip_p(differences: ArrayLike) -> float:
    """One-sided p that the mean is above zero, by flipping signs.

    It is the share of all 2^n choices of signs with a mean at least as large, of 4,096 drawn ones
    for n > 12. Fisher's randomization test (Fisher 1935, The Design of Experiments, section 21);
    its only assumption is symmetry about the mean. At least 2^-n: .125 for n = 3, .031 for n = 5,
    .016 for n = 6. NaN for n < 2. differences: (n,).
    """
    sample = np.asarray(differences, dtype=float)
    if sample.size < 2:
        return math.nan
    drawn = {"n_resamples": SIGN_FLIPS, "rng": 0}
    test = stats.permutation_test(
        (sample,), np.mean, permutation_type="samples", alternative="greater", **drawn
    )
    return float(test.pvalue)
