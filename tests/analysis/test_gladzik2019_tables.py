"""Gladzik 2019: tables D1 to D7 and Figures 5.1 to 5.10.

The rows are small enough to compute the numbers by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Frames
from synthetic import Cell, Run, World, data_of

from analysis import published
from analysis.check import find
from analysis.rows.data import Data

d3, d4, d6, d7 = (find(f"gladzik2019/{name}") for name in ("d3", "d4", "d6", "d7"))
figure5_1, figure5_3, figure5_4, figure5_5, figure5_8, figure5_10 = (
    find(f"gladzik2019/figure5_{number}") for number in (1, 3, 4, 5, 8, 10)
)
DIRECT, ADJOINT = "ODENet without adjoint", "ODENet adjoint"
TRAIN, EVALUATE = {DIRECT: 20.0, ADJOINT: 30.0, "ResNet2": 4.0, "ResNet4": 5.0, "ResNet8": 6.0}, 2.0


class Measured(World):
    """Seconds of two epochs, evaluations of 100 steps.

    The second seed of ResNet2 shared its device; ResNet8 failed on the third seed. No more than
    three seeds ran.
    """

    def run(self, cell: Cell) -> Run | None:
        if cell.seed > 2:
            return None
        net = cell["net"] or f"ODENet {cell['gradient']}"
        blocks = 0 if "ResNet" in net else int(cell.spec["model_blocks"] or 1)
        if net == "ResNet8" and cell.seed == 2:
            return Run(0.2, "diverged", curve=[0.1, 0.2])
        numbers = {
            "train_seconds": 2 * TRAIN.get(net.partition(",")[0], 1.0) * (1 + cell.seed),
            # With the test images, which the thesis does not time.
            "evaluate_seconds": 3 * EVALUATE * (1 + cell.seed),
            "train_epochs": 2,
            "outcome_iteration": 100,
            "n_blocks": blocks,
            "nfe_forward": (26 if blocks == 1 else 20) * blocks * 100 + cell.seed * 100 * blocks,
            "timing_valid": not (net == "ResNet2" and cell.seed == 1),
            "device": "NVIDIA H200",
            "peak_memory_bytes": 10**9 * (3 if "without" in net else 2),
        }
        return Run(0.5 + 0.01 * cell.seed, columns=numbers)

    def series(self, cell: Cell, run: Run) -> Mapping[str, Sequence[float]]:
        seconds = 2 * EVALUATE * (1 + cell.seed)
        return {
            "accuracy.train_images": [0.1, 0.4 + 0.1 * cell.seed, 0.9],
            "evaluate_seconds.train_images": [0.25 * seconds, 0.75 * seconds],
        }


def cell(numbers: pd.DataFrame, quantity: str, net: str) -> dict[Any, Any]:
    found = numbers.loc[(numbers["quantity"] == quantity) & (numbers["net"] == net)]
    assert len(found) == 1
    return found.to_dict("records")[0]


@pytest.fixture(scope="module")
def fashion(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return data_of(
        tmp_path_factory.mktemp("fashion") / "r",
        ("gladzik2019/d3", "gladzik2019/d4"),
        Measured(),
        "paper",
    )


def test_table_d3_number_by_number(fashion: Data) -> None:
    numbers = d3.table(fashion.where({"study": "gladzik2019/d3"}))
    # Seeds 0 to 2 take once, twice and three times as long.
    assert cell(numbers, "training", DIRECT)["mean"] == pytest.approx(20 * 2)
    assert cell(numbers, "validation", DIRECT)["mean"] == pytest.approx(2 * 2)
    assert cell(numbers, "epoch", ADJOINT)["mean"] == pytest.approx(32 * 2)
    assert cell(numbers, "ratio", ADJOINT)["mean"] == pytest.approx(32 / 22)
    assert cell(numbers, "ratio", ADJOINT)["published"] == pytest.approx(2453 / 1887)
    assert cell(numbers, "hidden_layers", DIRECT)["mean"] == pytest.approx(27)
    assert cell(numbers, "hidden_layers", "ResNet4")["n"] == 0
    assert cell(numbers, "memory", DIRECT)["mean"] == pytest.approx(3)
    assert cell(numbers, "accuracy_train_images", DIRECT)["mean"] == pytest.approx(0.9)
    assert cell(numbers, "accuracy_test", DIRECT)["mean"] == pytest.approx(0.51)
    # Seconds of a shared device do not count; those of seeds 0 and 2 do.
    shared = cell(numbers, "epoch", "ResNet2")
    assert (shared["n"], shared["mean"]) == (2, pytest.approx((6 + 18) / 2))
    assert (
        cell(numbers, "epoch", "ResNet8")["n"],
        cell(numbers, "epoch", "ResNet8")["failed"],
    ) == (2, 1)
    # What everything is divided by needs no row.
    assert DIRECT not in set(numbers.loc[numbers["quantity"] == "ratio", "net"])


def test_table_d3_as_printed(fashion: Data) -> None:
    shown = d3.readable(d3.table(fashion.where({"study": "gladzik2019/d3"})))
    assert shown.columns.tolist() == [
        "quantity",
        "net",
        "ours ± 95 % interval (n)",
        "published",
        "difference",
    ]
    epoch = shown.loc[(shown["quantity"] == "epoch [s]") & (shown["net"] == "ResNet2")].iloc[0]
    assert epoch.tolist()[2:] == ["6.0, 18.0 (2)", "320.0", "-308.0"]
    assert shown.loc[shown["quantity"] == "parameters", "published"].tolist() == [
        "208266",
        "208266",
        "280842",
        "428810",
        "724746",
    ]


def test_table_d4_sets_two_blocks_beside_one(fashion: Data) -> None:
    numbers = d4.table(fashion)
    assert list(dict.fromkeys(numbers["net"])) == [
        "1 block, without adjoint",
        "1 block, adjoint",
        "2 blocks, without adjoint",
        "2 blocks, adjoint",
    ]
    # 20 evaluations a block (and seed), both blocks together twice as many.
    assert cell(numbers, "hidden_layers", "2 blocks, adjoint")["mean"] == pytest.approx(21)
    assert cell(numbers, "hidden_layers", "2 blocks, adjoint")["published"] == 20
    assert cell(numbers, "ratio", "2 blocks, without adjoint")["published"] == pytest.approx(
        3677 / 1887
    )


def test_memory_of_a_cpu_is_left_out(tmp_path: Path) -> None:
    numbers = d6.table(data_of(tmp_path / "r", "gladzik2019/d6", World()))
    assert "memory" not in set(numbers["quantity"])
    assert cell(numbers, "hidden_layers", "tolerance 1e-05")["published"] == 52
    assert cell(numbers, "ratio", "tolerance 1e-05")["published"] == pytest.approx(4536 / 3252)


def test_table_d7_tells_optimizers_apart(tmp_path: Path) -> None:
    numbers = d7.table(
        data_of(tmp_path / "r", ("gladzik2019/d7", "gladzik2019/d7-adam"), Measured())
    )
    assert len(set(numbers["net"])) == 8
    assert cell(numbers, "epoch", f"{ADJOINT}, SGD")["published"] == 1793
    assert pd.isna(cell(numbers, "epoch", f"{ADJOINT}, Adam 1e-3")["published"])


def test_no_rows_make_an_empty_table(fashion: Data) -> None:
    columns = fashion.source.runs().iloc[:0]
    probes = {"series": fashion.source.probe("series").iloc[:0]}
    nothing = replace(
        fashion, source=Frames(columns, fashion.source.evaluations().iloc[:0], probes)
    )
    assert d4.table(nothing).empty


def test_figure5_3_is_in_percent_by_epoch(fashion: Data) -> None:
    numbers = figure5_3.table(fashion.where({"study": "gladzik2019/d3"}))
    assert list(dict.fromkeys(numbers["net"])) == [DIRECT, ADJOINT, "ResNet2", "ResNet4", "ResNet8"]
    own = numbers.loc[(numbers["panel"] == "train_images") & (numbers["net"] == ADJOINT)]
    # Recorded at the start, half-way and at the end of 50 epochs; seeds 0 to 2 have .4, .5, .6
    # half-way.
    assert own["epoch"].tolist() == [0, 25, 50]
    assert own["mean"].tolist() == pytest.approx([10, 50, 90])
    assert own["minimum"].tolist() == pytest.approx([10, 40, 90])
    test = numbers.loc[(numbers["panel"] == "test") & (numbers["net"] == ADJOINT)]
    assert test["mean"].iloc[-1] == pytest.approx(51)


def test_failed_runs_are_lines_of_their_own(fashion: Data) -> None:
    numbers = figure5_3.table(fashion.where({"study": "gladzik2019/d3"}))
    means = numbers.loc[(numbers["net"] == "ResNet8") & (numbers["line"] == "mean")]
    assert set(means["n"]) == {2}
    failed = numbers.loc[(numbers["net"] == "ResNet8") & (numbers["line"] == "failed")]
    assert set(failed["panel"]) == {"train_images", "test"}
    train = failed.loc[failed["panel"] == "train_images"]
    assert train["carried"].tolist() == [False, False, False, True, True]
    assert train["mean"].tolist() == pytest.approx([10, 60, 90, 90, 90])
    assert train["epoch"].iloc[-1] == 50


def test_figures_of_several_nets(fashion: Data) -> None:
    assert list(dict.fromkeys(figure5_4.table(fashion)["net"])) == [
        "1 block, without adjoint",
        "1 block, adjoint",
        "2 blocks, without adjoint",
        "2 blocks, adjoint",
    ]
    assert list(
        dict.fromkeys(figure5_5.table(fashion.where({"study": "gladzik2019/d3"}))["net"])
    ) == [ADJOINT, "ResNet2"]


def test_figure5_8_has_adam_at_both_rates(tmp_path: Path) -> None:
    numbers = figure5_8.table(
        data_of(tmp_path / "r", ("gladzik2019/d7", "gladzik2019/d7-adam"), Measured())
    )
    assert {f"{ADJOINT}, SGD", f"{ADJOINT}, Adam", f"{ADJOINT}, Adam 1e-3", "ResNet4"} < set(
        numbers["net"]
    )


def test_figure5_1_draws_what_the_text_says(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    numbers = figure5_1.table(data_of(tmp_path / "r", "gladzik2019/d1", Measured()))
    figure, axes = plt.subplots(1, 2)
    figure5_1.draw(numbers, list(axes))
    diamonds = [line for line in axes[0].lines if line.get_marker() == "d"]
    assert [np.asarray(line.get_ydata()).tolist() for line in diamonds] == [[99.0]]
    assert {line.get_label() for line in axes[0].lines} >= {DIRECT, ADJOINT}
    plt.close(figure)


def test_figure5_10_has_every_path(tmp_path: Path) -> None:
    numbers = figure5_10.table(data_of(tmp_path / "r", "gladzik2019/crossing"))
    assert {steps: max(rows["step"]) for steps, rows in numbers.groupby("steps")} == {
        1: 1,
        2: 2,
        64: 64,
    }
    assert figure5_10.shape(numbers) == (1, 3)
    assert set(numbers["point"]) == {0, 1}


def test_published_numbers_have_a_source_and_their_sums_agree() -> None:
    for name in ("d1", "d2", "d3", "d4", "d5", "d6", "d7"):
        known = published.values("gladzik2019", name)
        assert known["source"].str.len().gt(0).all()
        wide = known.pivot(index="net", columns="quantity", values="value")
        if "training" in wide:
            # The thesis rounds each: training and validation add up to the epoch within two
            # seconds.
            assert all(
                abs(row["training"] + row["validation"] - row["epoch"]) <= 2
                for row in wide.to_dict("records")
            )
