"""Ott 2021: the fan's separability, crossing trajectories, Figure 3, and their claims."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Frames, net
from synthetic import data_of

from analysis.claims.claim import select
from analysis.claims.verdict import judge
from analysis.ott2021 import crossing, figure3
from analysis.ott2021.fan import margin
from analysis.ott2021.intersections import crossing_fractions, crossing_pairs
from analysis.rows.data import Data

Make = Callable[..., Data]
CORNERS, CLASSES = (
    np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),
    np.array([0, 0, 1, 1]),
)


def test_margin_of_points_that_a_line_parts_and_of_the_corners_of_a_square() -> None:
    # Classes on x = -1 and x = 3: the gap is 4 along the x axis, the mean distance from the origin
    # 2.
    assert margin([[-1, 0], [3, 0]], [0, 1]) == pytest.approx(2.0)
    # Opposite corners of a square: best along a diagonal, where the other class reaches half of the
    # diagonal past the middle; so do all corners.
    assert margin(CORNERS - 0.5, CLASSES) == pytest.approx(-1.0)
    assert margin([[0, 0], [4, 0], [1, 0], [2, 0]], [0, 0, 1, 1]) < 0


def crosses(a: Any, b: Any, c: Any, d: Any) -> bool:
    """Solves a + s (b - a) = c + t (d - c) and asks for 0 < s, t < 1."""
    matrix = np.column_stack([b - a, c - d])
    if abs(np.linalg.det(matrix)) < 1e-12:
        return False
    s, t = np.linalg.solve(matrix, c - a)
    return bool(0 < s < 1 and 0 < t < 1)


@pytest.mark.parametrize("seed", range(4))
def test_crossing_pairs_are_those_of_the_slow_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    paths = rng.normal(size=(7, 1, 2)) + 0.6 * np.cumsum(rng.normal(size=(7, 5, 2)), axis=1)
    expected = np.zeros((7, 7), dtype=bool)
    for i in range(7):
        for j in range(7):
            pieces = [(k, m) for k in range(4) for m in range(4)]
            expected[i, j] = i != j and any(
                crosses(paths[i, k], paths[i, k + 1], paths[j, m], paths[j, m + 1])
                for k, m in pieces
            )
    assert 0 < expected.sum() < 42
    assert crossing_pairs(paths).tolist() == expected.tolist()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = np.cumsum(np.random.default_rng(0).normal(size=(6, 30, 2)), axis=1)
    whole = crossing_pairs(paths)
    monkeypatch.setattr("analysis.ott2021.intersections.CHUNK_PAIRS", 7)
    assert crossing_pairs(paths).tolist() == whole.tolist()


def test_fractions_tell_classes_apart_and_touching_is_no_crossing() -> None:
    plus = [[[-1, 0], [1, 0]], [[0, -1], [0, 1]], [[0, 1], [0, 2]], [[-1, 5], [1, 5]]]
    # Only 0 and 1 cross, of different class; of the pairs 4 differ (0-1, 0-3, 1-2, 2-3) and 2 are
    # alike (0-2, 1-3).
    assert crossing_fractions(np.array(plus, dtype=float), np.array([0, 1, 0, 1])) == (0.25, 0.0)


def paths_of(trial: str, steps: int, crossed: bool) -> pd.DataFrame:
    """Two points of different class.

    Straight paths from (0, +-1) that end on the other side, or on their own.
    """
    t = np.arange(steps + 1) / steps
    parts = []
    for point, side in enumerate((1.0, -1.0)):
        x2 = side * (1 - 2 * t) if crossed else np.full(steps + 1, side)
        parts.append(
            pd.DataFrame(
                {
                    "point": point,
                    "label": point,
                    "step": np.arange(steps + 1),
                    "t": t,
                    "x1": t * (1 + 0.5 * point),
                    "x2": x2,
                }
            )
        )
    return pd.concat(parts).assign(
        trial_id=trial, probe_id=f"euler-{steps}", test_solver="euler", test_solver_steps=steps
    )


def trained(make: Make, crossed: dict[int, list[bool]]) -> Data:
    nets = [
        net("euler", steps, seed, {("euler", steps): 0.95})
        for steps, seeds in crossed.items()
        for seed in range(len(seeds))
    ]
    rows = [
        paths_of(f"euler-{steps}-{seed}", steps, one)
        for steps, seeds in crossed.items()
        for seed, one in enumerate(seeds)
    ]
    return make(nets, probes={"trajectory": pd.concat(rows, ignore_index=True)})


def test_crossing_table(make: Make) -> None:
    numbers = crossing.table(trained(make, {2: [True, True, False], 256: [False] * 3}))
    different = numbers.loc[
        (numbers["pairs"] == "different class") & (numbers["seeds"] == "successful")
    ].set_index("solver_steps")
    assert different["mean"].to_dict() == {2: pytest.approx(2 / 3), 256: 0.0}
    assert different["n"].tolist() == [3, 3]
    assert crossing.TABLE.readable(numbers)["fraction that cross"].tolist()[0] == "0.6667"


@pytest.mark.parametrize(
    ("coarse", "fine", "expected"), [(True, False, "reproduced"), (False, True, "contradicted")]
)
def test_claims_about_crossing(make: Make, coarse: bool, fine: bool, expected: str) -> None:
    data = trained(make, {2: [coarse] * 3, 256: [fine] * 3})
    for key in ("coarse-crosses", "fine-does-not-cross"):
        (claim,) = select(f"ott2021/{key}")
        assert judge(claim, data).verdict == expected


def fan_with(folder: Path, states: dict[str, Any]) -> Data:
    """The fan's plan with these states (steps + 1, 4, 2) by the label of its step size."""
    data = data_of(folder, "ott2021/fan", scale="paper")
    planned = data.probes.merge(data.trials.filter(["trial_id", "axis.solver"]), on="trial_id")
    parts = []
    for row in planned.to_dict("records"):
        x = states[row["axis.solver"]]
        step, point = np.indices(x.shape[:2])
        about = {
            "trial_id": row["trial_id"],
            "probe_id": row["probe_id"],
            "point": point.ravel(),
            "step": step.ravel(),
        }
        parts.append(
            pd.DataFrame(
                {
                    **about,
                    "label": CLASSES[point.ravel()],
                    "x1": x[..., 0].ravel(),
                    "x2": x[..., 1].ravel(),
                }
            )
        )
    source = Frames(
        data.source.runs(),
        data.source.evaluations(),
        {"trajectory": pd.concat(parts, ignore_index=True)},
    )
    return replace(data, source=source)


def euler(steps: int) -> Any:
    """z' = A(z) z with alpha = .75, beta = 1, gamma = 75, delta = .75, one point at a time."""
    states = np.empty((steps + 1, 4, 2))
    for point, start in enumerate(CORNERS):
        x, y = start
        states[0, point] = x, y
        for k in range(steps):
            x, y = x + (0.75 * x + y) / steps, y + (y - 75.0 * (x * x + y * y) ** 0.375 * x) / steps
            states[k + 1, point] = x, y
    return states


@pytest.fixture(scope="module")
def fan(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return fan_with(
        tmp_path_factory.mktemp("fan") / "r",
        {"h = 10^-2.5": euler(316), "h = 10^-3.5": euler(3162)},
    )


def test_figure3_has_the_ends_and_their_margins(fan: Data) -> None:
    numbers = figure3.table(fan)
    assert figure3.FIGURE.shape(numbers) == (1, 2)
    fine = numbers.loc[(numbers["panel"] == "b") & numbers["last"].astype(bool)].sort_values(
        "point"
    )
    assert fine[["x1", "x2"]].to_numpy(float).round(2).tolist() == [
        [0, 0],
        [2.12, -3.21],
        [0.17, 2.15],
        [2.09, -5.89],
    ]
    assert numbers.drop_duplicates("panel")["margin"].round(2).tolist() == [0.66, -0.22]
    # Two thirds of the states are left out of the drawing, never the last.
    assert set(numbers.loc[numbers["panel"] == "b", "step"]) == {*range(0, 3162, 3), 3162}
    text = figure3.FIGURE.caption(fan, numbers)
    assert "+0.66 with h = 10^-2.5 (316 steps), -0.22 with h = 10^-3.5 (3162 steps)" in text
    assert "Not shown: (c)" in text


def test_claim_about_the_fan(fan: Data, tmp_path: Path) -> None:
    (claim,) = select("ott2021/fan")
    assert judge(claim, fan).verdict == "reproduced"
    other = fan_with(tmp_path / "r", {"h = 10^-2.5": euler(3162), "h = 10^-3.5": euler(3162)})
    assert judge(claim, other).verdict == "contradicted"
