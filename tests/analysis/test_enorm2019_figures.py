"""ENorm 2019: numbers of Figures 2 and 3, Table 1 and the controls.

They are compared with values computed by hand from small worlds.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import Cell, Run, World, data_of

from analysis import published
from analysis.check import find
from analysis.enorm2019.controls import COUNTERPARTS
from analysis.rows.data import Data, Source
from analysis.rows.stats import t_interval

figure2, figure3, table1, bias_gradients, controls = (
    find(f"enorm2019/{name}")
    for name in ("figure2", "figure3", "table1", "bias_gradients", "controls")
)

STUDIES = ("enorm2019/controls", "enorm2019/report")
# Method -> accuracies by seed at every depth; None ended in NaN.
ACCURACIES: dict[str, Sequence[float | None]] = {
    "Baseline": (0.40, 0.42, 0.44),
    "ENorm": (0.50, None, 0.54),
    "ENorm + BN": (0.56, 0.58, 0.57),
    "ENorm, bias": (None, None, None),
}
CONTROLS = {
    "c = 1, bias": (0.45, 0.46, 0.50),
    "last layer left out": (0.51, 0.60, 0.52),
    "decay as in the code": (0.50, 0.55, 0.49),
}


class Nets(World):
    def run(self, cell: Cell) -> Run | None:
        if cell["method"] == "BN":
            return None
        known = (
            CONTROLS.get(cell["control"])
            if cell.study == STUDIES[0]
            else ACCURACIES.get(cell["method"])
        )
        accuracy = (known or (0.3, 0.3, 0.3))[cell.seed]
        return Run(0.2, "diverged", curve=[0.2] * cell.seed) if accuracy is None else Run(accuracy)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return data_of(tmp_path_factory.mktemp("enorm") / "r", STUDIES, Nets(), scale="small")


@pytest.fixture(scope="module")
def report(both: Data) -> Data:
    return both.where({"study": "enorm2019/report"})


def row(numbers: pd.DataFrame, **wanted: Any) -> dict[Any, Any]:
    for column, value in wanted.items():
        name = {"method": "axis.method", "control": "axis.control", "p": "axis.model.layers"}.get(
            column, column
        )
        numbers = numbers.loc[numbers[name] == value]
    assert len(numbers) == 1
    return numbers.to_dict("records")[0]


def test_figure2_leaves_nan_out_as_in_the_report_and_counts_it_as_chance_beside(
    report: Data,
) -> None:
    numbers = figure2.table(report)
    assert list(dict.fromkeys(numbers["axis.method"])) == ["Baseline", "BN", "ENorm", "ENorm + BN"]
    assert list(dict.fromkeys(numbers["axis.model.layers"])) == [1, 5, 9, 13, 19]
    left_out = row(numbers, selection="as in report", method="ENorm", p=9)
    assert (left_out["n"], left_out["failed"], left_out["mean"]) == (2, 1, pytest.approx(0.52))
    everyone = row(numbers, selection="all runs", method="ENorm", p=9)
    assert (everyone["n"], everyone["failed"], everyone["mean"]) == (
        3,
        1,
        pytest.approx((0.50 + 0.10 + 0.54) / 3),
    )
    assert math.isnan(everyone["low"])
    for selection in ("as in report", "all runs"):
        baseline = row(numbers, selection=selection, method="Baseline", p=9)
        assert (baseline["low"], baseline["high"]) == pytest.approx(t_interval([0.40, 0.42, 0.44]))
        missing = row(numbers, selection=selection, method="BN", p=9)
        assert (missing["n"], missing["missing"]) == (0, 3)
    caption = figure2.caption(report, numbers)
    assert "Ended in NaN: 5 diverged of 60 runs." in caption
    assert "Missing: 15 of 60 trials." in caption
    assert "Not averaged" not in caption


def test_figure3_has_nets_with_bias_beside_those_without(report: Data) -> None:
    numbers = figure3.table(report)
    assert set(numbers["axis.method"]) == {"Baseline", "ENorm", "Baseline, bias", "ENorm, bias"}
    failed = row(numbers, selection="as in report", method="ENorm, bias", p=13)
    assert (failed["n"], failed["failed"]) == (0, 3)
    assert row(numbers, selection="all runs", method="ENorm, bias", p=13)["mean"] == pytest.approx(
        0.1
    )
    assert row(numbers, selection="as in report", method="Baseline, bias", p=13)[
        "mean"
    ] == pytest.approx(0.3)


def test_table1_shows_the_rates_of_the_rows_and_what_differs_from_the_report(
    tmp_path: Path,
) -> None:
    class Rates(World):
        def run(self, cell: Cell) -> Run | None:
            if cell["method"] == "ENorm":
                return None
            return Run(0.5, columns={"train_optimizer_lr": 0.2} if cell["method"] == "BN" else {})

    data = data_of(tmp_path / "r", "enorm2019/report", Rates())
    shown = table1.readable(table1.table(data))
    assert list(shown["p"]) == ["1", "19"]
    assert list(shown["Baseline"]) == ["0.1", "0.05"]
    assert list(shown["BN"]) == ["0.2 (0.1)", "0.2 (0.1)"]
    assert list(shown["ENorm"]) == ["-", "-"]
    assert list(shown["ENorm, bias"]) == ["0.05", "0.01"]


def test_the_study_uses_the_published_rates_at_every_depth(tmp_path: Path) -> None:
    class First(World):
        def run(self, cell: Cell) -> Run | None:
            return Run(0.5, curve=[0.5]) if cell.seed == 0 else None

    numbers = table1.table(data_of(tmp_path / "r", "enorm2019/report", First(), scale="paper"))
    assert len(numbers) == 60
    assert list(numbers["rates"]) == [f"{rate:g}" for rate in numbers["published"]]
    assert row(numbers, method="ENorm + BN", p=15)["published"] == 0.05
    assert row(numbers, method="ENorm, bias", p=17)["published"] == 0.01


def test_controls_are_paired_with_the_net_that_differs_in_one_thing(both: Data) -> None:
    numbers = controls.table(both)
    last = row(numbers, control="last layer left out", p=5)
    assert (last["counterpart"], last["counterpart_mean"], last["counterpart_failed"]) == (
        "ENorm",
        pytest.approx(0.52),
        1,
    )
    # Seeds 0 and 2 only: seed 1 of the counterpart ended in NaN.
    assert (last["difference_n"], last["difference_mean"]) == (2, pytest.approx((0.01 - 0.02) / 2))
    with_bias = row(numbers, control="c = 1, bias", p=5)
    assert (with_bias["mean"], with_bias["counterpart_n"], with_bias["difference_n"]) == (
        pytest.approx(0.47),
        0,
        0,
    )
    shown = controls.readable(numbers).set_index(["control", "p"])
    assert shown.loc[("last layer left out", "5"), "difference (n)"] == "-0.020, 0.010 (2)"
    assert shown.loc[("c = 1, bias", "5"), "its accuracy (n)"] == "3 failed"
    # The report is not planned at 15 layers in this scale.
    assert shown.loc[("decay as in the code", "15"), "its accuracy (n)"] == "-"


def test_controls_differ_from_their_counterparts_in_one_field() -> None:
    from sweeps.spec import flatten
    from sweeps.studies import find
    from sweeps.study.overrides import select

    fields = {
        "c = 1, bias": {"model_enorm_c"},
        "last layer left out": {"model_enorm_last_layer"},
        "decay as in the code": {"train_schedule_start"},
        "softmax": {"model_output"},
    }
    controls_of, report_of = (select(find(study), "paper").declared for study in STUDIES)
    specs = {
        (one.axes["method"], one.axes["model.layers"], one.spec.seed): flatten(one.spec)
        for one in report_of
    }
    for one in controls_of:
        control = one.axes["control"]
        other = specs[COUNTERPARTS[control], one.axes["model.layers"], one.spec.seed]
        own = flatten(one.spec)
        assert {
            name for name in own.keys() | other.keys() if own.get(name) != other.get(name)
        } == fields[control], one.axes


class Scaled:
    """The rows of a source with bias gradients multiplied by 100 to the power of the seed."""

    def __init__(self, source: Source, seeds: dict[str, int]) -> None:
        self.source, self.seeds = source, seeds

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def epochs(self) -> pd.DataFrame:
        rows = self.source.epochs()
        factors = [100.0 ** self.seeds[trial] for trial in rows["trial_id"]]
        return rows.assign(bias_gradient_norm_max=rows["bias_gradient_norm_max"] * factors)


def test_bias_gradients_are_geometric_means_and_failed_runs_stand_alone(both: Data) -> None:
    seeds = dict(zip(both.trials["trial_id"], both.trials["seed"].astype(int), strict=True))
    scaled: Any = Scaled(both.source, seeds)
    numbers = bias_gradients.table(replace(both, source=scaled))
    assert bias_gradients.shape(numbers) == (1, 2)
    means = numbers.loc[
        (numbers["net"] == "c = 1, bias") & (numbers["axis.model.layers"] == 5)
    ].sort_values("epoch")
    # The synthetic rows have 0.5, 1.5, ...; factors 1, 100 and 10,000 have the geometric mean 100.
    assert list(means["mean"].iloc[:3]) == pytest.approx([50.0, 150.0, 250.0])
    assert (means["minimum"].iloc[0], means["maximum"].iloc[0]) == pytest.approx((0.5, 5000.0))
    low, high = t_interval([math.log10(0.5), math.log10(50), math.log10(5000)])
    assert (means["low"].iloc[0], means["high"].iloc[0]) == pytest.approx((10**low, 10**high))
    failed = numbers.loc[(numbers["net"] == "ENorm, bias") & (numbers["axis.model.layers"] == 5)]
    assert set(failed["line"]) == {"failed"}
    heights = {
        seed: [None if math.isnan(one) else round(one, 6) for one in rows["mean"]]
        for seed, rows in failed.groupby("seed")
    }
    # Finished no epoch; one; two. The last value stands twice, for the cross.
    assert heights == {0: [None], 1: [50.0, 50.0], 2: [5000.0, 15000.0, 15000.0]}
    assert controls.table(replace(both, source=scaled)).loc[
        0, "counterpart_bias_gradient"
    ] == pytest.approx(15000.0)


def test_controls_stand_without_the_reports_plan(tmp_path: Path) -> None:
    data = data_of(tmp_path / "r", "enorm2019/controls", Nets())
    assert set(controls.readable(controls.table(data))["its accuracy (n)"]) == {"-"}
    assert set(bias_gradients.table(data)["net"]) == {"c = 1, bias"}


def test_published_values_are_the_reports() -> None:
    rates = published.load("enorm2019", "table1")["rates"]
    assert {name: len(given) for name, given in rates.items()} == dict.fromkeys(
        ["Baseline", "BN", "ENorm", "ENorm + BN"], 10
    )
    (known,) = published.values("enorm2019", "figure2").to_dict("records")
    assert (known["method"], known["layers"], known["value"]) == ("ENorm + BN", 19, 0.5328)
