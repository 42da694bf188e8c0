"""Numbers of Zheng 2024's figures, from rows small enough to compute by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from synthetic import data_of, write
from worlds import Cell, Run, World

from analysis.check import find
from analysis.drawing.save import save_figure
from analysis.rows.read import load
from analysis.zheng2024.figure1 import SHOWN

FIGURES = [
    find(f"zheng2024/figure{number}") for number in ("1", "3", "4", "5", "6", "7", "8_9", "10")
]
CURVES = find("zheng2024/curves")
figure1, figure3, figure4, figure5, figure6, figure7, figure8_9, figure10 = FIGURES


class Curves(World):
    """Two recorded epochs of .3 and .5 by norm.

    Nets without norm and 12 layers diverge after the first; later tests lower by .1.
    """

    by_norm = (("none", 0.0), ("batch", 0.01), ("mini_batch", 0.02), ("ta_bn", 0.03))

    def run(self, cell: Cell) -> Run | None:
        norm = str(cell.spec["model_norm_name"] or "none")
        more = dict(self.by_norm).get(norm, 0.0)
        seconds = {"linear": 100.0, "kernel": 150.0}.get(
            str(cell.spec["model_norm_interpolation"]), 200.0
        )
        columns = {
            "parameters": 1000 * len(str(cell.spec["model_backbone"])),
            "train_seconds": seconds,
            "outcome_iteration": 50,
        }
        if (norm, cell.spec["model_backbone"]) == ("none", "cnn12"):
            return Run(0.3, "diverged", curve=[0.3], columns=columns)
        return Run(0.5 + more, curve=[0.3 + more, 0.5 + more], columns=columns)

    def series(self, cell: Cell, run: Run) -> Mapping[str, Sequence[float]]:
        assert run.curve is not None
        # At iterations 0 (before the training, no epoch), half-way and at the end, as the rows.
        return {
            name: [0.0, *(value - 0.1 for value in run.curve)] for name in super().series(cell, run)
        }


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smoke") / "r"
    for study in dict.fromkeys(one for figure in FIGURES for one in figure.studies):
        write(folder, study, Curves())
    return folder


def table(module: Any, folder: Path) -> pd.DataFrame:
    return module.table(load(folder, module.study, scale="smoke"))


def line(numbers: pd.DataFrame, **wanted: Any) -> list[tuple[float, Any]]:
    """Epochs and means of one line."""
    for column, value in wanted.items():
        numbers = numbers.loc[numbers[column] == value]
    return [
        (float(epoch), pytest.approx(mean))
        for epoch, mean in zip(numbers["epoch"], numbers["mean"], strict=True)
    ]


def test_figure1_takes_its_nets_from_two_studies(smoke: Path) -> None:
    numbers = table(figure1, smoke)
    nets = set(numbers.filter(["norm", "backbone"]).itertuples(index=False, name=None))
    # At smoke scale the curves' backbone is CNN-6, and the figure says so.
    assert nets == {*SHOWN, ("mini_batch", "cnn6")}
    assert line(numbers, norm="ta_bn") == [(1, 0.33), (2, 0.53)]
    assert line(numbers, norm="mini_batch") == [(1, 0.32), (2, 0.52)]
    failed = numbers.loc[numbers["backbone"] == "cnn12"]
    # One recorded epoch of two: the whole training is one row, carried on dashed to the end of the
    # axis.
    assert failed["line"].to_list() == ["failed"] * 3
    assert failed["mean"].to_list() == [0.3] * 3
    assert failed["carried"].to_list() == [False, True, True]


def test_figure1_draws_what_there_is_of_one_study(tmp_path: Path) -> None:
    data = data_of(tmp_path, "zheng2024/depth", Curves())
    numbers = figure1.table(load(tmp_path, figure1.study, scale="smoke"))
    assert set(numbers["norm"]) == {"ta_bn", "none"}
    assert data.plans[0].study == "zheng2024/depth"
    assert "Not planned here: zheng2024/curves." in figure1.caption(
        load(tmp_path, figure1.study, scale="smoke"), numbers
    )


def test_figure3_left_and_middle_join_series_to_epochs(smoke: Path) -> None:
    numbers = table(figure3, smoke)
    left, middle = numbers.loc[numbers["panel"] == "a"], numbers.loc[numbers["panel"] == "b"]
    assert set(left["axis.data"]) == {"CIFAR-10"}
    own = {"test_batch": "as in training"}
    assert line(left, **{"axis.norm": "mini_batch"}, **own) == [(1, 0.32), (2, 0.52)]
    assert line(left, **{"axis.norm": "mini_batch"}, test_batch="2") == [(1, 0.22), (2, 0.42)]
    assert line(left, **{"axis.norm": "batch"}) == [(1, 0.31), (2, 0.51)]
    assert set(left.loc[left["test_batch"] == "2", "axis.norm"]) == {"mini_batch"}
    assert line(middle, **{"axis.norm": "ta_bn"}, noise="clean") == [(1, 0.33), (2, 0.53)]
    assert line(middle, **{"axis.norm": "ta_bn"}, noise="noisy") == [(1, 0.23), (2, 0.43)]
    assert set(middle["axis.norm"]) == {"mini_batch", "ta_bn"}


def test_figure3_right_averages_channels_and_interpolates_in_time(smoke: Path) -> None:
    numbers = table(figure3, smoke)
    right = numbers.loc[numbers["panel"] == "c"]
    # As the made-up rows: mean .1 sin(6 t + channel) of three channels, variance .2 + .1 cos(6 t)
    # in the first layer, at t = 0, 1/8, ..., 1.
    times = np.linspace(0, 1, 9)
    mean = np.mean([0.1 * np.sin(6 * times + channel) for channel in range(3)], axis=0)
    for name, values in {"mean": mean, "variance": 0.2 + 0.1 * np.cos(6 * times)}.items():
        own = right.loc[right["statistic"] == name].sort_values("t")
        assert own["t"].to_list() == pytest.approx(np.linspace(0, 1, 41))
        assert own["mean"].to_list() == pytest.approx(np.interp(own["t"], times, values))
    assert set(right["n"]) == {1}


def test_figure4_has_every_model_once_with_its_parameters(smoke: Path) -> None:
    numbers = table(figure4, smoke)
    own = {
        (model, backbone): (parameters, mean)
        for model, backbone, parameters, mean in numbers.filter(
            ["model", "backbone", "parameters", "mean"]
        ).itertuples(index=False, name=None)
    }
    assert own["ta_bn", "unet18"] == (6000, pytest.approx(0.53))
    assert own["mini_batch", "cnn6"] == (4000, pytest.approx(0.52))
    assert own["STEER", ""] == (5000, pytest.approx(0.5))
    assert {model for model, _ in own} == {
        "none",
        "ta_bn",
        "batch",
        "mini_batch",
        "IL-NODE",
        "2nd-Ord",
        "HBNODE",
        "Aug-NODE",
        "STEER",
    }
    failed = numbers.loc[(numbers["model"] == "none") & (numbers["backbone"] == "cnn12")]
    assert failed.filter(["n", "failed", "parameters"]).to_numpy().tolist() == [[0, 1, 5000]]


def test_figure5_and_8_9_show_their_data_sets(smoke: Path) -> None:
    accuracy, loss = table(figure5, smoke), table(figure8_9, smoke)
    assert set(accuracy["axis.data"]) == {"Tiny-ImageNet"}
    assert set(loss["axis.data"]) == {"CIFAR-10", "Tiny-ImageNet"}
    assert (figure5.shape(accuracy), figure8_9.shape(loss)) == ((1, 1), (1, 2))
    # Made-up losses are 1.2 - accuracy.
    assert line(loss, **{"axis.data": "CIFAR-10", "axis.norm": "ta_bn"}) == [(1, 0.87), (2, 0.67)]
    assert line(loss, **{"axis.data": "CIFAR-10", "test_batch": "2"}) == [(1, 0.22), (2, 0.42)]


def test_figure6_has_six_depths_of_both(smoke: Path) -> None:
    numbers = table(figure6, smoke)
    assert set(numbers["backbone"]) == {"cnn4", "cnn6", "cnn8", "cnn10", "cnn12", "unet18"}
    assert line(numbers, norm="none", backbone="cnn10") == [(1, 0.3), (2, 0.5)]
    assert line(numbers, norm="ta_bn", backbone="cnn12") == [(1, 0.33), (2, 0.53)]
    assert set(
        numbers.loc[(numbers["norm"] == "none") & (numbers["backbone"] == "cnn12"), "line"]
    ) == {"failed"}
    assert figure6.shape(numbers) == (1, 3)
    assert figure6.shape(numbers.loc[numbers["backbone"] == "cnn8"]) == (1, 2)


def test_figure7_and_10_compare_interpolations(smoke: Path) -> None:
    seven, ten = table(figure7, smoke), table(figure10, smoke)
    axis = "axis.model.norm.interpolation"
    assert set(seven[axis]) == {"linear", "cubic_spline", "kernel", "gaussian_process"}
    assert line(seven, **{axis: "kernel"}) == [(1, 0.33), (2, 0.53)]
    assert line(ten, panel="c", **{axis: "linear"}) == [(1, 0.33), (2, 0.53)]
    assert set(ten.loc[ten["panel"].isin(["a", "c"]), axis]) == {"linear", "kernel"}
    times = ten.loc[(ten["panel"] == "d") & (ten["axis.data"] == "CIFAR-10")]
    assert dict(zip(times[axis], times["mean"], strict=True)) == {
        "linear": 2.0,
        "cubic_spline": 4.0,
        "kernel": 3.0,
        "gaussian_process": 4.0,
    }
    boxes = ten.loc[ten["panel"] == "b"]
    assert len(boxes) == 8
    assert set(boxes["mean"]) == {0.53}


def test_times_of_disturbed_runs_do_not_count(tmp_path: Path) -> None:
    class Disturbed(Curves):
        def run(self, cell: Cell) -> Run | None:
            run = super().run(cell)
            assert run is not None
            return Run(
                run.accuracy,
                curve=run.curve,
                columns={
                    **run.columns,
                    "timing_valid": cell["model.norm.interpolation"] != "kernel",
                },
            )

    data = data_of(tmp_path, figure10.study, Disturbed())
    times = (
        figure10.table(data)
        .query("panel == 'd'")
        .set_index(["axis.data", "axis.model.backbone", "axis.model.norm.interpolation"])
    )
    assert times.loc[("CIFAR-10", "cnn6", "kernel"), ["n", "failed"]].to_list() == [0, 0]
    assert times.loc[("CIFAR-10", "cnn6", "linear"), "mean"] == 2.0


@pytest.mark.parametrize("module", [figure3, figure10], ids=lambda figure: figure.name)
def test_parts_of_a_figure_are_drawn_when_the_rest_has_no_plan(module: Any, tmp_path: Path) -> None:
    study, scale = (
        (module.study, "small") if isinstance(module.study, str) else (module.study[1], "smoke")
    )
    write(tmp_path / "r", study, Curves(), scale)
    data = load(tmp_path / "r", module.study, scale=scale)
    numbers = module.table(data)
    assert set(numbers["panel"]) == ({"b", "d"} if module is figure10 else {"b"})
    assert (
        save_figure(module, numbers, module.caption(data, numbers), tmp_path / "out")[0]
        .stat()
        .st_size
        > 0
    )


class Forms(Curves):
    """Released nets score .1 less; none of them ran without norm."""

    def run(self, cell: Cell) -> Run | None:
        run = super().run(cell)
        if run is None or cell["variant"] != "released":
            return run
        lower = [value - 0.1 for value in run.curve or ()]
        return None if cell["norm"] == "none" else replace(run, curve=lower)


def test_curves_show_both_forms_beside_the_same_published_values(tmp_path: Path) -> None:
    data = data_of(tmp_path / "r", "zheng2024/curves", Forms())
    numbers = CURVES.table(data)
    on_cifar = {"axis.data": "CIFAR-10", "axis.norm": "ta_bn", "test_batch": "as in training"}
    printed, released = (
        line(numbers, **on_cifar, **{"axis.variant": form}) for form in ("printed", "released")
    )
    assert printed == [(1, 0.33), (2, 0.53)]
    assert released == [(1, 0.23), (2, 0.43)]
    assert CURVES.shape(numbers) == (2, 2)
    # Both forms are asked for, and what the released one lacks is counted.
    assert "Missing: 2 of 16 trials." in CURVES.caption(data, numbers)
    page, axes = plt.subplots(2, 2)
    CURVES.draw(numbers, list(axes.flat))
    diamonds = [
        {float(one.get_ydata()[0]) for one in ax.lines if one.get_marker() == "d"}
        for ax in axes.flat
    ]
    plt.close(page)
    on_cifar_10, on_tiny = {0.517, 0.548, 0.822, 0.910}, {0.044, 0.200, 0.512}
    assert diamonds == [on_cifar_10, on_tiny, on_cifar_10 - {0.517}, on_tiny]
