import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.rows.stats import (
    clopper_pearson,
    ends,
    paired_difference,
    sign_flip_p,
    summarise,
    t_interval,
)


def test_t_interval_of_three_values_by_hand() -> None:
    # t quantile 0.975 with 2 degrees of freedom is 4.302653 (any table); the standard deviation of
    # 1, 2, 3 is 1.
    low, high = t_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx(
        (2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), abs=1e-6
    )


@pytest.mark.parametrize("values", [[], [0.5], [0.1, 0.9]])
def test_no_interval_below_three_values(values: list[float]) -> None:
    assert all(math.isnan(end) for end in t_interval(values))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_t_interval_covers_at_its_level(n: int) -> None:
    samples = np.random.default_rng(0).normal(size=(4000, n))
    covered = np.mean([low <= 0 <= high for low, high in map(t_interval, samples)])
    # Four standard errors of 4000 draws are 1.4 %, inside the 93 to 97 % that a 95 % interval may
    # have.
    assert covered == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


def test_clopper_pearson_covers_at_least_its_level() -> None:
    # Exact coverage at p: the probability of the counts whose interval holds p.
    for n, p in ((3, 0.5), (5, 0.1), (10, 0.7)):
        intervals = [clopper_pearson(count, n) for count in range(n + 1)]
        covered = sum(
            math.comb(n, k) * p**k * (1 - p) ** (n - k)
            for k, (low, high) in enumerate(intervals)
            if low <= p <= high
        )
        assert covered >= 0.95
    assert clopper_pearson(0, 4) == pytest.approx((0.0, 1 - 0.025**0.25))


def test_sign_flip_p_counts_the_choices_of_signs_by_hand() -> None:
    # Sums of 1, 2, 3 with signs: 6, 4, 2, 0, 0, -2, -4, -6.
    assert sign_flip_p([1, 2, 3]) == 1 / 8
    assert sign_flip_p([-1, 2, 3]) == 2 / 8
    assert sign_flip_p([-1, -2, 3]) == 5 / 8
    assert sign_flip_p([0.1, 0.1, 0.1, 0.1, 0.1]) == 1 / 32
    assert sign_flip_p([0.0, 0.0]) == 1.0
    assert math.isnan(sign_flip_p([1.0]))


def test_sign_flip_p_of_many_values_is_drawn() -> None:
    # The 2^20 choices of signs are not all tried; the same are drawn each time.
    sample = np.random.default_rng(0).normal(0.3, 1.0, 20)
    found = sign_flip_p(sample)
    assert found == sign_flip_p(sample)
    t = sample.mean() / (sample.std(ddof=1) / math.sqrt(20))
    assert found == pytest.approx(float(stats.t.sf(t, 19)), abs=0.02)


def test_summarise_gives_the_interval_of_every_group() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"group": np.repeat(range(6), 5), "seed": np.tile(range(5), 6), "loss": rng.random(30)}
    )
    frame = frame.loc[(frame["group"] != 5) | (frame["seed"] < 2)]
    for row in summarise(frame, ["group"], "loss").to_dict("records"):
        values = frame.loc[frame["group"] == row["group"], "loss"]
        assert (row["low"], row["high"]) == pytest.approx(t_interval(values), nan_ok=True)
        assert (row["n"], row["minimum"], row["maximum"]) == (
            len(values),
            values.min(),
            values.max(),
        )


@pytest.mark.parametrize("name", ["accuracy", "accuracy_test", "run.accuracy_train", "fraction"])
def test_intervals_of_shares_end_at_0_and_1(name: str) -> None:
    values = {"a": [0.9, 1.0, 1.0], "b": [0.0, 0.1, 0.0], "c": [0.5, 0.6, 0.7]}
    rows = [(group, seed, value) for group in values for seed, value in enumerate(values[group])]
    frame = pd.DataFrame(rows, columns=["group", "seed", name])
    found = summarise(frame, ["group"], name).set_index("group")
    assert found.loc["a", "high"] == 1
    assert found.loc["a", "low"] == pytest.approx(t_interval(values["a"])[0])
    assert found.loc["b", "low"] == 0
    assert found.loc["b", "high"] == pytest.approx(t_interval(values["b"])[1])
    ends = [found.loc["c", "low"], found.loc["c", "high"]]
    assert ends == pytest.approx(list(t_interval(values["c"])))
    loss = summarise(frame.rename(columns={name: "loss"}), ["group"], "loss")
    assert loss["low"].to_numpy(float).min() < 0
    assert loss["high"].to_numpy(float).max() > 1


def test_intervals_of_differences_of_accuracies_end_at_minus_1_and_1() -> None:
    changes = {"low": [-1.0, -0.9, -1.0], "high": [1.0, 0.9, 1.0], "middle": [-0.1, 0.1, 0.0]}
    rows = [(group, seed, value) for group in changes for seed, value in enumerate(changes[group])]
    frame = pd.DataFrame(rows, columns=["group", "seed", "change"])
    found = summarise(frame, ["group"], "change").set_index("group")
    assert found.loc["low", "low"] == -1
    assert found.loc["high", "high"] == 1
    assert found.loc["middle", "low"] == pytest.approx(t_interval(changes["middle"])[0])
    names = ("gap", "gap_size", "run.nfe_forward", "train_seconds", "loss_test")
    assert [ends(name) for name in names] == [
        (-1, 1),
        (0, 1),
        (0, math.inf),
        (0, math.inf),
        (-math.inf, math.inf),
    ]


def test_pairing_removes_what_seeds_share() -> None:
    seeds = np.array([0.0, 5.0, 10.0])
    mean, low, high = paired_difference(seeds + np.array([1.0, 1.1, 0.9]), seeds)
    assert mean == pytest.approx(1.0)
    assert (low, high) == pytest.approx(
        (1 - 4.302653 * 0.1 / math.sqrt(3), 1 + 4.302653 * 0.1 / math.sqrt(3)), abs=1e-6
    )


def test_summarise_counts_seeds_and_skips_missing_values() -> None:
    frame = pd.DataFrame(
        [
            ("x", 0, 0.2),
            ("x", 1, 0.4),
            ("x", 2, 0.9),
            ("y", 0, 0.5),
            ("y", 1, math.nan),
            ("z", 0, 0.1),
            ("z", 1, 0.3),
        ],
        columns=["group", "seed", "loss"],
    )
    numbers = summarise(frame, ["group"], "loss").set_index("group")
    assert numbers["n"].to_dict() == {"x": 3, "y": 1, "z": 2}
    assert numbers["mean"].to_dict() == pytest.approx({"x": 0.5, "y": 0.5, "z": 0.2})
    assert (numbers.loc["x", "low"], numbers.loc["x", "high"]) == pytest.approx(
        t_interval([0.2, 0.4, 0.9])
    )
    assert numbers.loc[["y", "z"], ["low", "high"]].isna().all(axis=None)
    assert numbers.loc["z", ["minimum", "maximum"]].to_list() == [0.1, 0.3]


def test_summarise_of_nothing_has_the_columns() -> None:
    empty = pd.DataFrame(columns=["group", "seed", "accuracy"])
    assert list(summarise(empty, ["group"], "accuracy").columns) == [
        "group",
        "n",
        "mean",
        "low",
        "high",
        "minimum",
        "maximum",
    ]
