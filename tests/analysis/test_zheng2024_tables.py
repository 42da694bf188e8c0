"""Numbers of Zheng 2024's tables, from rows small enough to compute by hand.

Published values beside them do not depend on rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import data_of, write
from worlds import Cell, Run, World

from analysis import published
from analysis.check import examine, find
from analysis.rows.read import load
from analysis.rows.stats import t_interval
from analysis.zheng2024 import published_ends
from analysis.zheng2024.quirks import WORDS
from analysis.zheng2024.table1 import DATA, LABELS, MODELS
from sweeps.studies.zheng2024_released import QUIRKS

table1, table2, table4, table5, quirks, batches, steer = (
    find(f"zheng2024/{name}")
    for name in ("table1", "table2", "table4", "table5", "quirks", "batches", "steer")
)

OFFSETS = (-0.01, 0.0, 0.01)


class Labelled(World):
    """Accuracy by the labels of the cell's axes, seeds 0, 1, 2 apart by .01.

    Best epoch .02 higher; 1,234 parameters.
    """

    def __init__(
        self, by: Mapping[tuple[str, ...], float | str | None], otherwise: float = 0.5
    ) -> None:
        self.by, self.otherwise = by, otherwise

    def run(self, cell: Cell) -> Run | None:
        axes = {name: value for name, value in cell.axes.items() if name != "variant"}
        if cell.axes.get("variant") == "released":
            return Run(0.4 + OFFSETS[cell.seed], columns={"parameters": 5678})
        value = self.by.get(tuple(axes.values()), self.otherwise)
        if value is None:
            return None
        if isinstance(value, str):
            return Run(0.1, value, columns={"parameters": 1234})
        value += OFFSETS[cell.seed]
        return Run(value, columns={"parameters": 1234, "accuracy_test_best": value + 0.02})


def as_printed(numbers: pd.DataFrame) -> pd.DataFrame:
    """Without the rows of the released form; published values without a cell of ours stay."""
    column = next((name for name in ("axis.variant", "variant") if name in numbers), None)
    return numbers if column is None else numbers.loc[numbers[column] != "released"]


def row(numbers: pd.DataFrame, **wanted: Any) -> dict[Any, Any]:
    if "axis.variant" not in wanted:
        numbers = as_printed(numbers)
    for column, value in wanted.items():
        numbers = numbers.loc[numbers[column] == value]
    assert len(numbers) == 1
    return numbers.to_dict("records")[0]


def test_table1_puts_own_rows_beside_published_and_quoted_ones(tmp_path: Path) -> None:
    by: dict[tuple[str, ...], float | str | None] = {
        ("CIFAR-10", "ta_bn", "cnn4"): 0.70,
        ("CIFAR-10", "ta_bn", "unet18"): 0.90,
        ("CIFAR-10", "none", "unet18"): "diverged",
        ("MNIST", "ta_bn", "cnn6"): 0.98,
        ("MNIST", "none", "cnn4"): None,
        ("STEER, CIFAR-10",): 0.60,
    }
    data = data_of(tmp_path, table1.study, Labelled(by), "small")
    numbers = table1.table(data)
    large = row(numbers, data="CIFAR-10", model="ta_bn, large")
    assert (large["n"], large["mean"], large["best_epoch"], large["parameters"]) == (
        3,
        pytest.approx(0.90),
        pytest.approx(0.92),
        1234,
    )
    assert (large["low"], large["high"]) == pytest.approx(t_interval([0.89, 0.90, 0.91]))
    assert (large["published"], large["published_plus_minus"], large["difference"]) == (
        0.91,
        0.01,
        pytest.approx(-0.01),
    )
    assert (large["quoted"], large["size"]) == (False, "2.2M")
    assert row(numbers, data="CIFAR-10", model="ta_bn, small")["mean"] == pytest.approx(0.70)
    assert row(numbers, data="MNIST", model="ta_bn, large")["mean"] == pytest.approx(0.98)
    steered = row(numbers, data="CIFAR-10", model="STEER")
    assert (steered["mean"], steered["published"], steered["quoted"]) == (
        pytest.approx(0.60),
        0.621,
        True,
    )
    failed, missing = (
        row(numbers, data="CIFAR-10", model="none"),
        row(numbers, data="MNIST", model="none"),
    )
    assert (failed["n"], failed["failed"], failed["published"]) == (0, 3, 0.517)
    assert (missing["n"], missing["missing"], missing["published"]) == (0, 3, 0.989)

    shown = table1.readable(numbers)
    steered = row(shown, data="CIFAR-10", model="STEER")
    assert steered["ours ± 95 % interval (n)"] == "0.600 ± 0.025 (3)"
    assert (steered["published"], steered["difference"], steered["best epoch, ours"]) == (
        "0.621 (quoted)",
        "-0.021",
        "0.620",
    )
    large = row(shown, data="CIFAR-10", model="TA-BN, large")
    assert (large["published"], large["parameters, ours"], large["parameters, published"]) == (
        "0.910 ± 0.010",
        "1,234",
        "2.2M",
    )
    assert row(shown, data="CIFAR-10", model="none")["ours ± 95 % interval (n)"] == "3 failed"
    assert row(shown, data="Tiny-ImageNet", model="none")["published"] == "-"
    assert row(shown, data="CIFAR-100", model="STEER")["published"] == "N/A"
    # Data sets and models in the paper's order.
    assert list(shown["data"].unique()) == list(DATA)
    shown = as_printed(shown)
    assert shown.loc[shown["data"] == "CIFAR-10", "model"].to_list() == [
        LABELS.get(name, name) for name in MODELS
    ]


def test_table1_has_every_published_number(tmp_path: Path) -> None:
    numbers = as_printed(table1.table(data_of(tmp_path, table1.study)))
    assert (numbers["published"].notna().sum(), numbers["quoted"].sum()) == (24 + 14, 14)
    assert row(numbers, data="MNIST", model="GHBNODE")["published"] == 0.987
    assert row(numbers, data="Tiny-ImageNet", model="ta_bn, large")["published"] == 0.512


def test_table2_and_table4_and_table5_compare_cell_by_cell(tmp_path: Path) -> None:
    two = table2.table(
        data_of(tmp_path / "2", table2.study, Labelled({("SONODE", "ta_bn"): 0.85}), "small")
    )
    sonode = row(two, **{"axis.family": "SONODE", "axis.model.norm": "ta_bn"})
    assert (len(as_printed(two)), sonode["mean"], sonode["published"], sonode["difference"]) == (
        6,
        pytest.approx(0.85),
        0.853,
        pytest.approx(-0.003),
    )
    assert row(two, **{"axis.family": "SONODE", "axis.model.norm": "none"})["published"] == 0.302

    data = data_of(
        tmp_path / "4",
        table4.study,
        Labelled({("euler", "batch"): 0.6, ("dopri5", "batch"): 0.4}),
        "small",
    )
    four = table4.table(data)
    euler, dopri5 = (
        row(four, **{"axis.solver": solver, "axis.model.norm": "batch"})
        for solver in ("euler", "dopri5")
    )
    assert (
        len(as_printed(four)),
        euler["mean"],
        euler["published"],
        euler["published_plus_minus"],
    ) == (
        8,
        pytest.approx(0.6),
        0.631,
        0.203,
    )
    assert (dopri5["mean"], dopri5["published"]) == (pytest.approx(0.4), 0.332)
    assert "ours takes 20." in table4.caption(data, four)

    labelled = Labelled({("500",): 0.88})
    five = as_printed(table5.table(data_of(tmp_path / "5", table5.study, labelled, "small")))
    assert five["axis.model.norm.grid_size"].to_list() == [10, 50, 100, 500]
    assert five["published"].to_list() == [0.851, 0.851, 0.874, 0.870]
    assert five["mean"].to_list() == pytest.approx([0.5, 0.5, 0.5, 0.88])


def test_both_variants_stand_beside_the_published_value(tmp_path: Path) -> None:
    numbers = table2.table(data_of(tmp_path, table2.study, Labelled({}), "small"))
    sonode = {"axis.family": "SONODE", "axis.model.norm": "ta_bn"}
    printed, released = (
        row(numbers, **sonode, **{"axis.variant": name}) for name in ("printed", "released")
    )
    assert (printed["mean"], released["mean"]) == pytest.approx((0.5, 0.4))
    assert printed["published"] == released["published"] == 0.853
    assert table2.readable(numbers)["variant"].to_list() == ["printed", "released"] * 6
    large = {"data": "CIFAR-10", "model": "ta_bn, large"}
    one = table1.table(data_of(tmp_path / "1", table1.study, Labelled({}), "small"))
    assert row(one, **large, **{"axis.variant": "released"})["parameters"] == 5678


def test_figures_show_what_is_printed(tmp_path: Path) -> None:
    data = data_of(tmp_path, "zheng2024/depth", Labelled({}), "small")
    assert set(data.runs["axis.variant"]) == {"printed"}
    assert set(data.with_variants.runs["axis.variant"]) == {"printed", "released"}
    assert 2 * len(data.trials) == len(data.with_variants.trials)


def test_the_command_that_fills_a_figure_names_its_variant(tmp_path: Path) -> None:
    write(tmp_path, "zheng2024/depth", save_only=True, scale="small")
    data = load(tmp_path, "zheng2024/depth", scale="small")
    (command,) = examine(data, ("runs",)).commands
    assert "variant=printed" in command.split()


def test_quirks_are_paired_with_their_own_form(tmp_path: Path) -> None:
    class Priced(World):
        def run(self, cell: Cell) -> Run | None:
            value = {"printed": 0.8, "released": 0.9}[cell.axes["start"]]
            if cell.axes["quirk"] == "last_relu":
                value += {"printed": -0.1, "released": 0.05}[cell.axes["start"]]
            if cell.axes == {"start": "released", "quirk": "clips"}:
                return Run(0.1, "diverged")
            return Run(value + OFFSETS[cell.seed])

    data = data_of(tmp_path, quirks.study, Priced(), "small")
    numbers = quirks.table(data)
    assert len(numbers) == 34
    for start, change in (("printed", -0.1), ("released", 0.05)):
        priced = row(numbers, **{"axis.start": start, "axis.quirk": "last_relu"})
        # Paired: the seeds' spread falls out.
        assert priced["change_low"] == pytest.approx(change)
        assert priced["change_high"] == pytest.approx(change)
        assert priced["mean"] == pytest.approx({"printed": 0.7, "released": 0.95}[start])
    shown = quirks.readable(numbers)
    assert set(WORDS) == set(QUIRKS) | {"none"}
    relu = row(shown, difference="ReLU after the last layer of f")
    assert relu["printed + this (n)"] == "0.700 ± 0.025 (3)"
    assert relu["change, printed + this"] == "-0.100 ± 0.000"
    assert relu["change, released - this"] == "+0.050 ± 0.000"
    clips = row(shown, difference="three clips of the gradient")
    assert clips["released - this (n)"] == "3 failed"
    assert clips["change, released - this"] == "-"
    assert row(shown, difference="the form itself")["change, printed + this"] == "-"


def test_batches_keep_sizes_images_and_noise_apart(tmp_path: Path) -> None:
    class Tested(Labelled):
        def test(
            self, cell: Cell, run: Run, test: Mapping[str, str], evaluation: Mapping[str, Any]
        ) -> float | str | None:
            if evaluation["noise"] == "one_image":
                return run.accuracy - 0.2
            return {1: run.accuracy + 0.001, 2: run.accuracy - 0.1, 256: run.accuracy}[
                evaluation["batch_size"]
            ]

    numbers = batches.table(data_of(tmp_path, batches.study, Tested({}), "small"))
    keys = ["axis.model.norm", "noise", "images", "batch_size"]
    means = {
        key: mean
        for *key, mean in numbers.filter([*keys, "mean"]).itertuples(index=False, name=None)
        for key in [tuple(key)]
    }
    expected = {(norm, "none", "1000", 2): 0.4 for norm in ("mini_batch", "ta_bn")}
    expected |= {(norm, "none", "1000", 256): 0.5 for norm in ("mini_batch", "ta_bn")}
    expected |= {(norm, "none", "all", 256): 0.5 for norm in ("mini_batch", "ta_bn")}
    expected |= {(norm, "one_image", "all", 256): 0.3 for norm in ("mini_batch", "ta_bn")}
    expected |= {("ta_bn", "none", "1000", 1): 0.501}
    assert means == {key: pytest.approx(value) for key, value in expected.items()}
    assert set(numbers["n"]) == {3}


def test_steer_by_half_width(tmp_path: Path) -> None:
    data = data_of(tmp_path, steer.study, Labelled({("0.75",): 0.7}), "small")
    numbers = steer.table(data)
    assert dict(zip(numbers["axis.model.steer"], numbers["mean"], strict=True)) == {
        0.5: pytest.approx(0.5),
        0.75: pytest.approx(0.7),
        0.99: pytest.approx(0.5),
    }
    assert "0.621" in steer.caption(data, numbers)


@pytest.mark.parametrize(
    "module",
    [table1, table2, table4, table5, quirks, batches, steer],
    ids=lambda module: module.name,
)
def test_a_plan_without_rows_has_no_numbers(module: Any, tmp_path: Path) -> None:
    for study in module.studies:
        write(tmp_path, study, save_only=True)
    assert module.table(load(tmp_path, module.study, scale="smoke")).empty


def test_published_values_have_sources_and_feed_the_curves() -> None:
    for name, count in {"table1": 55, "table2": 6, "table4": 8, "table5": 4}.items():
        rows = published.values("zheng2024", name)
        assert len(rows) == count
        assert rows["source"].str.startswith(("Table ", "paper, Table ", "authors' slides")).all()
    assert published_ends.by_data()["SVHN", "mini_batch"] == 0.906
    assert not [data for data, _ in published_ends.by_data() if data == "MNIST"]
    expected = {
        ("ta_bn", "unet18"): 0.910,
        ("none", "unet18"): 0.517,
        ("ta_bn", "cnn4"): 0.748,
        ("none", "cnn8"): 0.843,
        ("ta_bn", "cnn8"): 0.874,
    }
    assert {net: published_ends.cifar10()[net] for net in expected} == expected
    assert (published_ends.size("37k"), published_ends.size("2.2M")) == (37_000, 2_200_000)
