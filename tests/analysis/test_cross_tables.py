"""Numbers of the cross grid's tables and of the table of bugs.

The worlds are small enough to compute them by hand.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import Cell, Run, World, data_of, jitter

from analysis import published
from analysis.cross import bug_rows, bugs, dependence, front, smoothness
from analysis.cross.grid import DEPTH, NORM, SOLVER, STUDY
from analysis.rows.stats import clopper_pearson, t_interval

LOSSES = (0.01, 0.02, 0.06)


class Small(World):
    """Layer norm, Euler 8, CNN-4 loses LOSSES by seed under Euler 64; TA-BN gains .01 everywhere.

    Euler 2 loses .2 under any other solver.
    """

    def test(
        self, cell: Cell, run: Run, test: Mapping[str, str], evaluation: Mapping[str, Any]
    ) -> float | str | None:
        steps = test.get("steps")
        own = test["grid"] == "as_trained" or (
            test["solver"] == "euler" and cell["solver"] == f"euler{steps}"
        )
        if cell["norm"] == "ta_bn":
            return run.accuracy + (0.0 if own else 0.01)
        if (cell["norm"], cell["solver"], cell["model.backbone"], steps) == (
            "layer",
            "euler8",
            "cnn4",
            "64",
        ):
            return run.accuracy - LOSSES[cell.seed]
        # A weaker solver than that of the training does not count.
        if cell["solver"] == "euler8" and steps in ("1", "2", "4") and test["solver"] == "euler":
            return 0.1
        if (cell["norm"], cell["solver"], test["solver"], steps) == (
            "batch",
            "euler8",
            "rk4",
            "16",
        ):
            return "diverged" if cell.seed == 0 else None
        return run.accuracy - (0.2 if cell["solver"] == "euler2" and not own else 0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return data_of(tmp_path_factory.mktemp("small") / "r", STUDY, Small(), scale="small")


def row(numbers: pd.DataFrame, **wanted: Any) -> dict[Any, Any]:
    names = {"norm": NORM, "depth": DEPTH, "solver": SOLVER}
    for column, value in wanted.items():
        numbers = numbers.loc[numbers[names.get(column, column)] == value]
    assert len(numbers) == 1
    return numbers.to_dict("records")[0]


def test_smoothness_is_the_largest_drop_under_more_powerful_solvers(data: Any) -> None:
    numbers = smoothness.table(data)
    assert set(numbers[SOLVER]) == {"euler2", "euler8"}
    cell = row(numbers, norm="layer", solver="euler8", depth="cnn4")
    assert (cell["n0"], cell["own"], cell["mean"]) == pytest.approx(
        (8, 0.8 + sum(map(jitter, range(3))) / 3, 0.03)
    )
    assert (cell["low"], cell["high"]) == pytest.approx(t_interval(LOSSES))
    assert (cell["smooth"], cell["higher"]) == ("unclear", False)
    coarse = row(
        numbers,
        norm="group" if "group" in set(numbers[NORM]) else "none",
        solver="euler2",
        depth="cnn8",
    )
    assert (coarse["mean"], coarse["smooth"]) == (pytest.approx(0.2), "not smooth")
    better = row(numbers, norm="ta_bn", solver="euler8", depth="cnn8")
    assert (better["mean"], better["smooth"], better["higher"]) == (
        pytest.approx(-0.01),
        "smooth",
        True,
    )
    broken = row(numbers, norm="batch", solver="euler8", depth="cnn4")
    assert (broken["n"], broken["failed"], broken["missing"]) == (0, 1, 2)
    shown = smoothness.readable(numbers)
    assert list(shown["normalization"]) == ["TA-BN", "TA-BN", "layer", "layer"]
    assert (
        shown.loc[3, "4 layers"]
        == f"{cell['own']:.3f}, drop 0.030 ± {(cell['high'] - cell['low']) / 2:.3f} (3): unclear"
    )


def test_verdicts_at_the_border() -> None:
    nan = float("nan")
    assert [
        smoothness.verdict(*one) for one in ((0.03, nan, nan), (0.031, nan, nan), (nan, nan, nan))
    ] == ["smooth", "not smooth", ""]
    assert [
        smoothness.verdict(*one)
        for one in ((0.02, 0.01, 0.03), (0.02, 0.0, 0.04), (0.1, 0.05, 0.15))
    ] == ["smooth", "unclear", "not smooth"]


def test_dependence_counts_nets_with_a_large_gap(data: Any) -> None:
    numbers = dependence.table(data)
    coarse = row(numbers, norm="none", solver="euler2")
    assert (coarse["mean"], coarse["dependent"], coarse["done"]) == (pytest.approx(-0.2), 6, 6)
    assert (coarse["share_low"], coarse["share_high"]) == pytest.approx(clopper_pearson(6, 6))
    fine = row(numbers, norm="ta_bn", solver="euler8")
    assert (fine["mean"], fine["dependent"], fine["unresolved"]) == (pytest.approx(0.01), 0, 0)
    shown = dependence.readable(numbers)
    assert shown.loc[0, "dependent nets"] == "6 of 6 [0.54, 1.00]"


def test_the_front_in_words(data: Any) -> None:
    shown = front.readable(front.table(data))
    assert len(shown) == 1
    assert shown.loc[0, "NFE"] == "20"


class Bugs(World):
    """The later drop costs .02, the negative rate .1 and one seed.

    Ott's nets have 990 of 1,000 right, with one step 550. The rest has no rows.
    """

    def run(self, cell: Cell) -> Run | None:
        if cell["method"] not in ("", bug_rows.DECAY_METHOD) or cell["control"] not in (
            "",
            bug_rows.DECAY_CONTROL,
        ):
            return None
        if cell["solver.name"] == "rk4_38" or cell["solver.steps"] in (
            "1",
            "2",
            "4",
            "8",
            "16",
            "32",
            "64",
            "128",
        ):
            return None
        decays = cell["control"] == bug_rows.DECAY_CONTROL
        if decays and cell["model.layers"] == "15" and cell.seed == 1:
            return Run(0.3, outcome="diverged")
        if decays and cell["model.layers"] == "19":
            return Run(0.1, outcome="diverged")
        worse = 0.1 * decays + (0.02 + jitter(cell.seed, 0.001)) * (
            cell["drops"] == bug_rows.PRINTED_DROPS
        )
        return Run(0.8 + jitter(cell.seed) - worse, curve=[0.8 + jitter(cell.seed) - worse])

    def test(
        self, cell: Cell, run: Run, test: Mapping[str, str], evaluation: Mapping[str, Any]
    ) -> float | str | None:
        return 0.55 if evaluation["test_solver_steps"] == 1 else 0.99


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return data_of(tmp_path_factory.mktemp("bugs") / "r", bugs.TABLE.studies, Bugs(), scale="paper")


def test_bugs_on_and_off_beside_the_published_value(studied: Any) -> None:
    numbers = bugs.table(studied)
    drops = row(numbers, bug="gusak-drops", case="layer", setting="momentum reset")
    assert (drops["change_mean"], drops["change_n"], drops["published"]) == (
        pytest.approx(0.02 + sum(jitter(s, 0.001) for s in range(6)) / 6),
        6,
        0.93,
    )
    assert (drops["change_low"], drops["change_high"]) == pytest.approx(
        t_interval([0.02 + jitter(seed, 0.001) for seed in range(6)])
    )
    assert (drops["verdict"], drops["nearer"]) == ("changes the number", "on")
    kept = row(numbers, bug="gusak-momentum", case="batch", setting=f"drops {bug_rows.CODE_DROPS}")
    assert (kept["change_mean"], kept["verdict"], kept["nearer"], kept["published"]) == (
        0.0,
        "no change seen",
        "",
        0.762,
    )
    decay = row(numbers, bug="enorm-decay", case="p = 15")
    assert (
        decay["on_n"],
        decay["on_failed"],
        decay["off_n"],
        decay["change_n"],
        decay["change_failed"],
    ) == (4, 1, 5, 4, 1)
    assert decay["change_mean"] == pytest.approx(-0.1)
    assert row(numbers, bug="enorm-decay", case="p = 19")["verdict"] == "changes the outcome"
    shown = bugs.readable(numbers)
    assert list(shown["verdict"]).count("not studied") == len(bugs.NOT_STUDIED)


def test_otts_divisor_and_single_step_come_from_the_same_nets(studied: Any) -> None:
    numbers = bugs.table(studied)
    divisor = row(numbers, bug="ott-divisor")
    # 1,000 points in batches of 128: eight batches.
    assert (divisor["on_mean"], divisor["off_mean"]) == (
        pytest.approx(990 / 1024),
        pytest.approx(0.99),
    )
    assert divisor["setting"] == "K = 256, at most 0.9766 in the code"
    assert divisor["nearer"] == "on"
    single = row(numbers, bug="ott-one-step")
    assert (single["on_mean"], single["off_mean"], single["nearer"]) == (0.55, 0.99, "off")


def test_bugs_of_studies_that_have_no_plan_are_named(tmp_path: Path) -> None:
    data = data_of(tmp_path / "r", bugs.TABLE.studies[:1], Bugs())
    numbers = bugs.table(data)
    verdicts = dict(zip(numbers["bug"], numbers["verdict"], strict=True))
    assert verdicts["enorm-decay"] == verdicts["ott-divisor"] == "no plan here"
    assert verdicts["gusak-drops"] == "not enough data"
    assert verdicts["gusak-side-effects"] == "not studied"
    assert set(numbers["nearer"]) == {""}
    assert "Missing" not in bugs.TABLE.caption(data, numbers)


def test_captions_count_only_the_trials_that_the_table_uses(studied: Any) -> None:
    # Gusak 8 cells x 6 seeds; ENorm 2 depths x 2 x 5; Ott's finest Euler net x 5.
    assert len(bug_rows.used(studied).trials) == 48 + 20 + 5
    assert "Missing" not in bugs.TABLE.caption(studied, bugs.table(studied))


def test_published_values_stay_put() -> None:
    known = published.values("cross", "bugs")
    assert list(known["value"]) == [0.762, 0.930, 0.762, 0.930, 0.5328, 0.975, 0.975]
    assert known["source"].str.len().min() > 10
    assert set(known["bug"]) <= {bug.key for bug in bugs.STUDIED}
