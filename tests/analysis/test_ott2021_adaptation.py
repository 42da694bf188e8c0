"""Ott 2021: Figure 4 (c, d), Figure 5, Table 1 and the supplement.

The rows are small enough to compute the numbers by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import Cell, Run, World, data_of, write

from analysis import published
from analysis.check import find as find_figure
from analysis.ott2021 import solver_panels, table1
from analysis.rows.data import Data
from analysis.rows.read import load
from sweeps.studies import find
from sweeps.studies.ott2021 import SETS, figure4
from sweeps.study import Study

figure4_adaptive, figure5, supplement_adaptation, supplement_adaptive, supplement_fixed = (
    find_figure(f"ott2021/{name}")
    for name in (
        "figure4_adaptive",
        "figure5",
        "supplement_adaptation",
        "supplement_adaptive",
        "supplement_fixed",
    )
)
tolerance_adaptation = find_figure("ott2021/tolerance_adaptation")

STEPS = [8, 16, 12, 11, 10]


class Known(World):
    """Sphere2: K = 64 loses .2 under midpoint, K = 128 loses .01.

    Adaptation: .98 and 100 evaluations per iteration, one more by seed.
    """

    def run(self, cell: Cell) -> Run | None:
        if cell.study == "ott2021/adaptation":
            if (cell["set"], cell["pair"], cell.seed) == ("sphere2", "Euler, RK4", 1):
                return Run(0.3, "diverged", curve=[0.2, 0.3])
            return Run(
                0.98,
                columns={
                    "nfe_forward": (100 + cell.seed) * 10_000,
                    "outcome_iteration": 10_000,
                },
            )
        if cell.spec["solver_steps"] == 128 and cell.seed == 2:
            return Run(0.5)  # did not train successfully
        return Run(0.96 + 0.01 * cell.seed)

    def test(
        self, cell: Cell, run: Run, test: Mapping[str, str], evaluation: Mapping[str, Any]
    ) -> float | str | None:
        own = evaluation.get("test_solver") == cell.spec["solver_name"]
        if evaluation.get("test_solver_tolerance"):
            return run.accuracy if own else 0.5
        return run.accuracy - (0.0 if own else 0.2 if cell.spec["solver_steps"] == 64 else 0.01)

    def series(self, cell: Cell, run: Run) -> Mapping[str, Sequence[float]]:
        if cell.spec["solver_name"] == "adapted_fehlberg2":
            return {"tolerance": [1e-6 * 10**cell.seed, 1e-4]}
        batch = {
            f"batch_accuracy.{solver}_solver": [0.1, 0.2, 0.3 + shift, 0.4, 0.5]
            for solver, shift in (("train", 0.0), ("test", 0.05))
        }
        return {"steps": [one + cell.seed for one in STEPS], **batch}


def few(name: str, **changes: Any) -> Study:
    """A study of the paper with fewer cells and seeds."""
    return replace(find(name), **{"seeds": range(4), "probes": (), **changes})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adaptation") / "r"
    euler = {"solver.name": ("euler",), "solver.steps": (64, 128)}
    write(folder, few("ott2021/sphere2-fixed", grid=euler, evaluations=figure4()), Known(), "paper")
    adaptation = find("ott2021/adaptation")
    sets = {name: dict(SETS[name][0]) for name in ("sphere2", "cifar10")}
    write(
        folder,
        few(
            "ott2021/adaptation",
            grid={**adaptation.grid, "set": sets},
            seeds=range(3),
            probes=adaptation.probes,
        ),
        Known(),
        "paper",
    )
    return folder


@pytest.fixture(scope="module")
def adapted(results: Path) -> Data:
    return load(results, "ott2021/adaptation", scale="paper")


def test_table1_number_by_number(results: Path) -> None:
    numbers = table1.table(load(results, table1.STUDY, scale="paper"))
    ours = {(row["data"], row["quantity"]): row for row in numbers.to_dict("records")}
    sphere = {quantity: ours["Sphere2", quantity] for quantity in table1.WORDS}
    assert [sphere["first failing"]["mean"], sphere["first passing"]["mean"]] == [64, 128]
    # Of the seeds 0 to 3 of K = 128, seed 2 did not train successfully.
    assert (sphere["grid accuracy"]["n"], sphere["grid accuracy"]["mean"]) == (
        3,
        pytest.approx((0.96 + 0.97 + 0.99) / 3),
    )
    assert (sphere["adaptation evaluations"]["n"], sphere["adaptation evaluations"]["mean"]) == (
        3,
        pytest.approx(101),
    )
    assert sphere["adaptation accuracy"]["mean"] == pytest.approx(0.98)
    assert sphere["adaptation evaluations"]["difference"] == pytest.approx(101 - 100.5)
    assert ours["CIFAR-10", "grid accuracy"]["n"] == 0
    printed = {
        (row["data"], row["quantity"]): row["published"] for row in numbers.to_dict("records")
    }
    assert list(printed.values()) == [65, 129, 0.987, 100.5, 0.989, 17, 33, 0.547, 21.9, 0.550]
    shown = table1.readable(numbers).iloc[:, 2].tolist()
    assert shown[:2] == ["64 (3)", "128 (3)"]
    # Steps are not compared with the paper's numbers, which look like steps + 1.
    assert table1.readable(numbers)["difference"].tolist()[:2] == ["-", "-"]
    assert table1.readable(numbers)["difference"].tolist()[3] == "+0.5"
    assert shown[3] == "101.0 ± 2.5 (3)"
    assert set(published.values("ott2021", "table1")["source"]) == {"Table 1 of the submission"}


def test_figure5_shows_every_seed_and_one_run_with_its_checks(adapted: Data) -> None:
    numbers = figure5.table(adapted)
    assert set(numbers["set"]) == {"cifar10"}
    steps = numbers.loc[numbers["panel"] == "b"].pivot(
        index="iteration", columns="seed", values="value"
    )
    assert steps.index.tolist() == [0, 1950, 3900, 5850, 7800]
    assert steps.to_numpy().tolist() == [[one, one + 1, one + 2] for one in STEPS]
    marks = numbers.loc[(numbers["panel"] == "c") & numbers["time"].notna()]
    assert set(marks["seed"]) == {0}
    found = {
        (row["time"], row["name"].partition(".")[2]): (row["iteration"], row["value"])
        for row in marks.to_dict("records")
    }
    assert found[1.0, "train_solver"] == (3900, 0.3)
    assert found[1.0, "test_solver"] == (3900, pytest.approx(0.35))
    assert numbers.loc[(numbers["panel"] == "d") & numbers["time"].notna(), "value"].tolist() == [
        16,
        12,
        11,
    ]
    assert "instead of" not in figure5.caption(adapted, numbers)


def test_figure5_without_cifar10_says_what_it_shows(tmp_path: Path) -> None:
    data = data_of(tmp_path / "r", "ott2021/adaptation", Known())
    assert "on Sphere2 instead of CIFAR-10" in figure5.caption(data, figure5.table(data))


def test_supplement_of_adaptation_averages_completed_runs_and_carries_the_failed_one(
    adapted: Data,
) -> None:
    numbers = supplement_adaptation.table(adapted)
    assert supplement_adaptation.shape(numbers) == (2, 2)
    assert list(dict.fromkeys(numbers["axis.set"])) == ["sphere2", "cifar10"]
    pair = numbers.loc[(numbers["axis.set"] == "sphere2") & (numbers["axis.pair"] == "Euler, RK4")]
    steps = pair.loc[pair["quantity"] == "steps"]
    # Seed 1 diverged: seeds 0 and 2 remain.
    assert steps["mean"].tolist() == [one + 1 for one in STEPS]
    assert set(steps["n"]) == {2}
    failed = pair.loc[pair["line"] == "failed"]
    assert failed["mean"].tolist() == [0.2, 0.3, 0.3, 0.3]
    # Its last value stands from where it failed to the end of the training.
    assert failed["iteration"].tolist()[2:] == [failed["iteration"].iloc[1], 10_000]


def test_tolerances_are_averaged_as_logarithms(tmp_path: Path) -> None:
    numbers = tolerance_adaptation.table(
        data_of(tmp_path / "r", "ott2021/tolerance-adaptation", Known(), "paper")
    )
    first = numbers.loc[
        (numbers["quantity"] == "tolerance") & (numbers["axis.solver"] == "fehlberg2")
    ]
    # Seeds 0 to 4 start at 1e-6 to 1e-2.
    assert first["mean"].to_numpy() == pytest.approx([-4.0, -4.0])


def test_figure4_of_adaptive_solvers(tmp_path: Path) -> None:
    data = data_of(tmp_path / "r", "ott2021/cifar10-adaptive", Known())
    numbers = figure4_adaptive.table(data)
    every = numbers.loc[numbers["seeds"] == "all"].set_index(
        ["solver_name", "solver_tolerance", "test_solver", "test_solver_tolerance"]
    )
    assert every["mean"].loc["fehlberg2", 0.1, "fehlberg2", 0.1] == pytest.approx(0.96)
    assert every["mean"].loc["fehlberg2", 0.1, "dopri5", 0.01] == 0.5
    assert set(every.loc[every["own"]].index) == {
        (solver, tol, solver, tol) for solver in ("fehlberg2", "dopri5") for tol in (0.1, 0.001)
    }
    assert set(numbers["panel"]) == {"c", "d"}
    assert "final train accuracy > 0.3): 4 of 4" in figure4_adaptive.caption(data, numbers)


def test_a_plan_of_something_else_is_refused_in_words(tmp_path: Path) -> None:
    data = data_of(tmp_path / "r", "demo")
    assert figure4_adaptive.not_planned(data) == "demo@smoke has no solver.tolerance axis"
    for value in (supplement_fixed, supplement_adaptive, table1.TABLE):
        assert value.not_planned(data).startswith("demo@smoke is a plan of none of ott2021/")


def test_supplement_keeps_studies_apart(tmp_path: Path) -> None:
    class Apart(World):
        def run(self, cell: Cell) -> Run | None:
            return Run({"ott2021/sphere3-fixed": 0.95, "ott2021/sphere2-adjoint": 0.6}[cell.study])

    data = data_of(tmp_path / "r", ["ott2021/sphere3-fixed", "ott2021/sphere2-adjoint"], Apart())
    numbers = supplement_fixed.table(data)
    assert supplement_fixed.shape(numbers) == (2, 2)
    # No adjoint net trained successfully, so all of its seeds are drawn.
    shown = numbers.loc[numbers["drawn"]].drop_duplicates("study").set_index("data")
    assert shown["seeds"].to_dict() == {"Sphere3": "successful", "Sphere2, adjoint": "all"}
    assert shown["mean"].to_dict() == pytest.approx({"Sphere3": 0.95, "Sphere2, adjoint": 0.6})


def test_places_of_tolerances_are_their_inverse() -> None:
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    row = {
        "solver_name": "dopri5",
        "solver_tolerance": 0.1,
        "test_solver": "dopri5",
        "test_solver_tolerance": 0.01,
        "own": False,
    }
    rows = pd.DataFrame(
        [row | {"n": 1, "mean": 0.5, "low": np.nan, "high": np.nan, "minimum": 0.5, "maximum": 0.5}]
    )
    solver_panels.draw_panel(ax, rows, solver_panels.colours([0.1]), "tolerance", "CIFAR-10")
    assert [float(x) for line in ax.lines for x in np.asarray(line.get_xdata())] == pytest.approx(
        [100.0, 100.0]
    )
    assert ax.get_ylim() == (0, 0.7)
    plt.close("all")
