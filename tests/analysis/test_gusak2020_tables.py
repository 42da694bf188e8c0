"""Gusak 2020: numbers of the tables and of Figure 1.

They are compared with values computed by hand from small worlds.
"""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import Cell, Run, World, data_of

from analysis import published
from analysis.gusak2020 import criterion, figure1, recipe, smoothness, table1
from analysis.rows.cells import MISSING
from analysis.rows.data import Data
from analysis.rows.stats import t_interval


def row(numbers: pd.DataFrame, **wanted: Any) -> dict[Any, Any]:
    for column, value in wanted.items():
        name = {
            "norm": "axis.model.ode_norm",
            "steps": "axis.solver.steps",
            "stem": "axis.model.stem_norm",
            "solver": "test.solver",
        }.get(column, column)
        numbers = numbers.loc[numbers[name] == value]
    assert len(numbers) == 1
    return numbers.to_dict("records")[0]


BEST: dict[str, list[Any]] = {
    "LN": [0.90, 0.92, 0.97],
    "BN": [0.70, "diverged", 0.74],
    "ResNet10": [None, None, None],
}


class Nets(World):
    """Best accuracies by seed; the last epoch's are 0.01 lower.

    A text is an outcome, None a missing row.
    """

    def run(self, cell: Cell) -> Run | None:
        best = BEST.get(cell["net"], [0.8] * 3)[cell.seed]
        if best is None:
            return None
        return (
            Run(0.1, outcome=best)
            if isinstance(best, str)
            else Run(best - 0.01, columns={"accuracy_test_best": best})
        )


def test_table1_compares_the_best_epoch_and_shows_the_last(tmp_path: Path) -> None:
    data = data_of(tmp_path / "r", "gusak2020/table1", Nets(), scale="small")
    numbers = table1.table(data)
    assert list(numbers["axis.net"]) == [
        "BN",
        "WN",
        "SN",
        "NF",
        "LN",
        "ResNet10",
        "LN, NF outside",
        "NF everywhere",
    ]
    assert list(numbers["published"]) == [0.762, 0.925, 0.926, 0.927, 0.930, 0.931, 0.912, 0.92]
    layer = row(numbers, **{"axis.net": "LN"})
    assert (layer["n"], layer["mean"], layer["difference"]) == (
        3,
        pytest.approx(0.93),
        pytest.approx(0.0),
    )
    # It ends at 1, which is cut off here.
    low, _ = t_interval([0.90, 0.92, 0.97])
    assert (layer["low"], layer["high"]) == pytest.approx((low, 1.0))
    assert layer["last_mean"] == pytest.approx(0.92)
    batch = row(numbers, **{"axis.net": "BN"})
    assert (batch["n"], batch["failed"], batch["mean"], batch["difference"]) == (
        2,
        1,
        pytest.approx(0.72),
        pytest.approx(-0.042),
    )
    assert row(numbers, **{"axis.net": "ResNet10"})["missing"] == 3
    shown = table1.readable(numbers).set_index("net")
    ours, last = "ours, best ± 95 % interval (n)", "ours, last epoch"
    assert shown.loc["ODENet10, BN in the ODE blocks", ours] == "0.700, 0.740 (2, 1 failed)"
    assert shown.loc["ODENet10, BN in the ODE blocks", last] == "0.690, 0.730 (2, 1 failed)"
    assert shown.loc["ResNet10, BN", ours] == "-"
    assert "Missing: 3 of 24 trials." in table1.TABLE.caption(data, numbers)


class Recipes(World):
    """Layer norm loses 0.01, 0.02, 0.06 without the reset; batch norm nothing."""

    def run(self, cell: Cell) -> Run:
        kept = cell["fidelity.momentum_reset"] == "false"
        loss = [0.01, 0.02, 0.06][cell.seed] if kept and cell["model.ode_norm"] == "layer" else 0.0
        return Run(0.9 + 0.02 * cell.seed - loss)


def test_recipe_effects_are_paired_with_the_recipe_of_table_1(tmp_path: Path) -> None:
    data = data_of(tmp_path / "r", "gusak2020/recipe", Recipes(), scale="small")
    numbers = recipe.table(data)
    kept = row(numbers, norm="layer", **{"axis.fidelity.momentum_reset": False})
    assert kept["effect_mean"] == pytest.approx(-0.03)
    assert (kept["effect_low"], kept["effect_high"]) == pytest.approx(
        t_interval([-0.01, -0.02, -0.06])
    )
    assert kept["published"] == 0.930
    assert kept["mean"] == pytest.approx((0.89 + 0.90 + 0.88) / 3)
    assert row(numbers, norm="batch", **{"axis.fidelity.momentum_reset": False})[
        "effect_mean"
    ] == pytest.approx(0.0)
    shown = recipe.readable(numbers)
    assert list(shown["effect on the best"]) == [
        "0 (our Table 1)",
        "0.000 ± 0.000 (3)",
        "0 (our Table 1)",
        f"-0.030 ± {_half([0.01, 0.02, 0.06]):.3f} (3)",
    ]
    assert list(shown["optimizer"]) == ["new each epoch", "kept"] * 2


def _half(values: list[float]) -> float:
    low, high = t_interval(values)
    return (high - low) / 2


# solver -> evaluations of the right-hand side -> accuracy of the net with layer norm that was
# trained with 2 steps.
LAYER = {
    "euler": {2: 0.60, 8: 0.50, 16: 0.45, 32: 0.40, 64: 0.40},
    "midpoint": {2: 0.10, 8: 0.52, 16: 0.46, 32: 0.41, 64: 0.65},
    "rk4": {8: 0.48, 16: 0.30, 32: 0.39, 64: 0.40},
}
EVALUATIONS = {"euler": 1, "midpoint": 2, "rk4": 4}


class Curves(World):
    """Accuracy 0.6 as trained.

    Layer norm, 2 steps: tests as given by hand; 16 steps: one not finite. Weight norm: one missing,
    two nets failed.
    """

    def run(self, cell: Cell) -> Run:
        failed = (
            cell["model.ode_norm"] == "weight" and cell["solver.steps"] == "2" and cell.seed < 2
        )
        return Run(0.6, outcome="diverged" if failed else "completed")

    def test(self, cell: Cell, run: Run, test: Any, evaluation: Any) -> float | str | None:
        norm, steps = cell["model.ode_norm"], cell["solver.steps"]
        evaluations = int(test["steps"]) * EVALUATIONS[test["solver"]]
        if norm == "layer" and steps == "2":
            return LAYER[test["solver"]][evaluations] + 0.01 * cell.seed
        if norm == "layer" and (test["solver"], evaluations) == ("rk4", 64):
            return "diverged"
        if norm == "weight" and steps == "16" and cell.seed == 0 and evaluations == 64:
            return None
        if norm == "batch":
            return 0.3 + (0.01 if evaluations > int(steps) else 0.0)
        return 0.6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return data_of(
        tmp_path_factory.mktemp("curves") / "r", "gusak2020/figure1", Curves(), scale="small"
    )


def test_drop_is_to_the_worst_of_all_solvers_with_more_evaluations(data: Data) -> None:
    nets = smoothness.per_net(smoothness.tested(data))
    first = row(nets, norm="layer", steps=2, seed=0)
    assert (first["accuracy"], first["drop"], first["gain"]) == pytest.approx((0.60, 0.30, 0.05))
    # midpoint's 0.10 with 2 evaluations is no more powerful solver; a test that is not finite is
    # chance.
    assert row(nets, norm="layer", steps=16, seed=0)["drop"] == pytest.approx(0.5)
    assert row(nets, norm="weight", steps=16, seed=0)["outcome"] == MISSING
    assert row(nets, norm="weight", steps=2, seed=0)["outcome"] == "diverged"
    assert row(nets, norm="batch", steps=2, seed=1)["drop"] == pytest.approx(-0.01)


def test_criterion_by_tolerance_and_literally_beside_accuracy_and_paper(data: Data) -> None:
    numbers = criterion.table(data)
    layer = row(numbers, norm="layer", steps=2)
    assert (layer["n"], layer["mean"], layer["accuracy_mean"], layer["gain_mean"]) == (
        3,
        pytest.approx(0.30),
        pytest.approx(0.61),
        pytest.approx(0.05),
    )
    assert layer["published"] == pytest.approx(0.66 - 0.11)
    assert [
        row(numbers, norm=norm, steps=2)[name]
        for norm in ("layer", "batch", "none")
        for name in ("smooth", "literal", "paper")
    ] == [
        *("not smooth", "not smooth", "not smooth"),
        *("smooth", "smooth", ""),
        *("smooth", "not smooth", ""),
    ]
    weight = row(numbers, norm="weight", steps=2)
    assert (weight["n"], weight["failed"]) == (1, 2)
    assert (
        row(numbers, norm="weight", steps=16)["n"],
        row(numbers, norm="weight", steps=16)["missing"],
    ) == (2, 1)
    # Trained with 32 steps at no smaller scale: the paper's row stays, without numbers of ours.
    assert row(numbers, norm="weight", steps=32)["published"] == pytest.approx(0.02)
    shown = criterion.TABLE.readable(numbers).set_index("net")
    assert shown.loc["BN-LN (Euler, 2)", "drop (n)"] == "0.300 ± 0.000 (3)"
    assert shown.loc["BN-WN (Euler, 2)", "accuracy as trained (n)"] == "0.600 (1, 2 failed)"
    assert list(shown.loc["BN-WN (Euler, 32)"]) == ["-", "-", "0.020", "-", "-", "-", "smooth"]


@pytest.mark.parametrize(
    ("drops", "by_tolerance", "literally"),
    [
        ((0.01, 0.02, 0.03), "smooth", "not smooth"),
        ((0.02, 0.05, 0.06), "open", "not smooth"),
        ((0.05, 0.06, 0.07), "not smooth", "not smooth"),
        ((-0.03, -0.02, -0.01), "smooth", "smooth"),
        ((-0.02, -0.01, 0.01), "smooth", "open"),
        ((0.0, 0.0, 0.0), "smooth", "not smooth"),
        ((math.nan, math.nan, math.nan), "", ""),
    ],
)
@pytest.mark.parametrize("n", [2, 3])
def test_answers(
    drops: tuple[float, float, float], by_tolerance: str, literally: str, n: int
) -> None:
    low, _, high = drops
    # With three seeds the interval decides, with two the seeds.
    ends = (
        {"low": low, "high": high, "minimum": -9.0, "maximum": 9.0}
        if n == 3
        else {"low": -9.0, "high": 9.0, "minimum": low, "maximum": high}
    )
    assert criterion.answer({"n": n, **ends}, 0.03) == by_tolerance
    assert criterion.answer({"n": n, **ends}, 0.0) == literally


def test_figure1_counts_evaluations_of_the_right_hand_side(data: Data) -> None:
    numbers = figure1.FIGURE.table(data)
    own = numbers.loc[
        (numbers["axis.model.ode_norm"] == "layer") & (numbers["axis.solver.steps"] == 2)
    ]
    for solver, curve in LAYER.items():
        ours = own.loc[own["test.solver"] == solver].sort_values("nfe_per_solve")
        assert list(ours["nfe_per_solve"]) == sorted(curve)
        assert list(ours["mean"]) == pytest.approx([curve[n] + 0.01 for n in sorted(curve)])
    lost = row(numbers, norm="layer", steps=16, solver="rk4", nfe_per_solve=64)
    assert (lost["n"], lost["failed"]) == (0, 3)
    assert figure1.FIGURE.shape(numbers) == (2, 5)
    assert "Crosses at the foot: no finite result." in figure1.FIGURE.caption(data, numbers)


def test_figure1_leaves_out_what_the_paper_trained_and_did_not_plot(tmp_path: Path) -> None:
    class Few(World):
        def run(self, cell: Cell) -> Run | None:
            return Run(0.5) if cell["model.ode_norm"] == "layer" and cell.seed == 0 else None

    numbers = figure1.FIGURE.table(
        data_of(tmp_path / "r", "gusak2020/figure1", Few(), scale="paper")
    )
    assert set(numbers["axis.solver.steps"]) == {2, 16, 32}
    assert figure1.FIGURE.shape(numbers) == (3, 5)
    assert row(numbers, norm="layer", steps=16, solver="rk4", nfe_per_solve=156)["n"] == 1


def test_published_points_of_figure1_are_at_the_training_n_and_at_150() -> None:
    known = published.values("gusak2020", "figure1")
    assert len(known) == 30
    assert set(known["nfe_per_solve"].where(known["nfe_per_solve"] != known["steps"], 0)) == {
        0,
        150,
    }
    smooth = {
        (one["ode_norm"], one["steps"]): one["value"] <= 0.03 + 1e-9
        for one in criterion.published_drops().to_dict("records")
    }
    stated = {
        (one["ode_norm"], one["steps"]): one["smooth"]
        for one in published.load("gusak2020", "criterion")["values"]
    }
    assert stated == {key: smooth[key] for key in stated}
