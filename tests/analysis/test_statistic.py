"""Statistics of rows that are small enough to compute by hand."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.claims.claim import above, all_claims, below, within
from analysis.claims.statistic import (
    NOTHING,
    VALUE,
    At,
    Best,
    Difference,
    Each,
    Estimate,
    Excess,
    InOrder,
    Margin,
    Ratio,
    Share,
    Statistics,
    Trend,
    at,
    estimates,
    exact,
    mean,
)
from analysis.claims.verdict import judge_one
from analysis.rows.stats import ANYWHERE, SHARE, t_interval

# Layer norm has .3, .6, 1.2 at depths 1, 2, 4 and batch norm two thirds of it; each seed adds .01.
ROWS = pd.DataFrame(
    [
        ("study", seed, norm, depth, "completed", base * depth + 0.01 * seed)
        for norm, base in (("layer", 0.3), ("batch", 0.2))
        for depth in (1, 2, 4)
        for seed in range(3)
    ],
    columns=["study", "seed", "axis.norm", "axis.depth", "outcome", VALUE],
)
LAYER, BATCH = {"norm": "layer"}, {"norm": "batch"}
ADVANTAGE = Difference(LAYER, BATCH)
ORDER = InOrder("depth", "norm", (("layer", "batch"),))


def first_is(outcome: str) -> pd.DataFrame:
    """The rows, where layer norm at depth 1 with seed 0 has this outcome."""
    return ROWS.assign(outcome=ROWS["outcome"].where(ROWS.index > 0, outcome))


@pytest.mark.parametrize(
    ("statistic", "values"),
    [
        (mean, {"": 0.25 * 7 / 3 + 0.01}),
        (At({"norm": "layer", "depth": 2}, mean), {"": 0.61}),
        (At({"norm": "group"}, mean), {"": NOTHING.value}),
        (At({"solver": "euler"}, mean), {"": NOTHING.value}),
        (Difference(BATCH, LAYER), {"": -0.1 * 7 / 3}),
        (Difference(BATCH, LAYER, size=True), {"": 0.1 * 7 / 3}),
        (Difference({"depth": 4}, {"depth": 2}), {"": 0.5}),
        (At({"depth": 1}, Margin(0.15, 1, ADVANTAGE)), {"": -0.05}),
        (At({"depth": 1}, Margin(0.15, -1, ADVANTAGE)), {"": 0.05}),
        (At({"seed": 0}, Ratio(LAYER, BATCH)), {"": 1.5}),
        (At({"seed": 0}, Excess(LAYER, BATCH)), {"": 0.5}),
        (Each("depth", ADVANTAGE, (1, 4)), {"1": 0.1, "4": 0.4}),
        (Each("norm", exact, name="{} norm"), {"layer norm": 0.71, "batch norm": 1.4 / 3 + 0.01}),
        (Best("norm", "layer"), {"layer - batch": 0.1 * 7 / 3}),
        # Values .3, .6, 1.2 at 0, 1, 2 doublings: slope (1.2 - .3) / 2.
        (At(LAYER, Trend("depth")), {"": 0.9}),
        (
            {"a": ADVANTAGE, "b": Best("norm", "batch")},
            {"a": 0.7 / 3, "b: batch - layer": -0.7 / 3},
        ),
        (ORDER, {"": 1.0}),
        (InOrder("depth", "norm", (("batch", "layer"),)), {"": 0.0}),
    ],
)
def test_values(statistic: Statistics, values: dict[str, float]) -> None:
    found = {name: one.value for name, one in estimates(statistic, ROWS).items()}
    assert found == pytest.approx(values, nan_ok=True)


def test_the_interval_of_a_margin_is_turned_with_it() -> None:
    (estimate,) = estimates(At(LAYER, Margin(1.0, -1, mean)), ROWS).values()
    assert (estimate.low, estimate.high) == pytest.approx(t_interval([0.3, 0.29, 0.28]))


# So far apart that every interval leaves what shares can be.
APART = pd.DataFrame(
    [
        ("study", seed, norm, depth, "completed", value)
        for norm, values in (("layer", (0.1, 1.0, 1.0)), ("batch", (0.1, 0.1, 1.0)))
        for seed, value in enumerate(values)
        for depth in (1, 2, 4)
    ],
    columns=ROWS.columns,
)


@pytest.mark.parametrize(
    ("statistic", "possible"),
    [
        (mean, (0, 1)),
        (Margin(0.9, -1, mean), (-0.1, 0.9)),
        (ADVANTAGE, (-1, 1)),
        (Difference(LAYER, BATCH, size=True), (0, 1)),
        (ORDER, (0, 1)),
        # Anything else may be larger.
        (Ratio(LAYER, BATCH), None),
        (Excess(LAYER, BATCH), None),
        (Trend("depth"), None),
    ],
)
def test_intervals_of_shares_end_where_the_number_can_lie(
    statistic: Statistics, possible: tuple[float, float] | None
) -> None:
    (one,) = estimates(statistic, APART).values()
    shown, whole = one.limited(SHARE), one.interval(0.95)
    if possible is None:
        assert (shown.low, shown.high) == whole
    else:
        assert shown.low == pytest.approx(max(whole[0], possible[0]))
        assert shown.high == pytest.approx(possible[1])
        assert shown.value == one.value
        if statistic is not ORDER:
            assert one.limited(ANYWHERE).high == whole[1] > possible[1]


@given(
    values=st.lists(st.floats(0, 1), min_size=3, max_size=6),
    threshold=st.floats(0, 1),
    upwards=st.booleans(),
)
def test_verdicts_are_those_of_the_whole_interval(
    values: list[float], threshold: float, upwards: bool
) -> None:
    rows = pd.DataFrame({"seed": range(len(values)), "outcome": "completed", VALUE: values})
    one = mean(rows)
    # A region with two ends has both inside.
    inside = 0.05 + 0.9 * threshold
    for holds in (above(threshold) if upwards else below(threshold), within(0.01, inside)):
        assert judge_one(one.limited(SHARE), holds, 3) == judge_one(one, holds, 3)


def test_no_region_with_two_ends_touches_the_end_of_what_is_possible() -> None:
    for claim in all_claims():
        span = claim.quantity.ends[1] - claim.quantity.ends[0]
        if math.isfinite(span) and all(map(math.isfinite, claim.holds)):
            assert not {*claim.holds} & {0, span, -span, *claim.quantity.ends}, claim.name


def test_failed_runs_are_in_shares_alone() -> None:
    failed, missing = first_is("diverged"), first_is("missing")
    assert mean(at(failed, {"depth": 1, **LAYER}))[:4:3] == (pytest.approx(0.315), 2)
    assert ADVANTAGE(at(failed, {"depth": 1})).n == 2
    assert [Share()(rows).value for rows in (failed, missing)] == [1 / 18, 0.0]
    assert [Share()(rows).n for rows in (failed, missing)] == [18, 17]
    assert Share("diverged", ("diverged",))(failed)[:4:3] == (1.0, 1)
    assert Share("completed")(failed).value == pytest.approx(17 / 18)


def test_in_order_leaves_out_failed_depths_and_seeds_that_lack_a_row() -> None:
    # Of seed 0 two depths are left, in both of which layer norm is above.
    assert ORDER(first_is("diverged"))[:4:3] == (1.0, 3)
    assert ORDER(first_is("missing"))[:4:3] == (1.0, 2)


def test_superiority_is_the_share_of_pairs_in_which_the_first_is_larger() -> None:
    # Nine pairs: layer norm at depth 1 loses in the first, ties in the second.
    value = ROWS[VALUE].where(ROWS.index != 0, 0.1).where(ROWS.index != 1, 0.2 + 0.01)
    rows = ROWS.assign(**{VALUE: value})
    for statistic in (ADVANTAGE, Ratio(LAYER, BATCH), Excess(LAYER, BATCH)):
        found = statistic(rows)
        assert isinstance(found, Estimate)
        assert found.superiority == pytest.approx(7.5 / 9)
    # A pair with a run that failed is none.
    assert ADVANTAGE(rows.assign(outcome=first_is("diverged")["outcome"])).superiority == 7.5 / 8
    assert math.isnan(mean(rows).superiority)
    assert math.isnan(Difference(LAYER, BATCH, size=True)(rows).superiority)
