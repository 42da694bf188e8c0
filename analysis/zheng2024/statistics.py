"""Statistics of Zheng 2024's claims about test batches, rough curves, layer statistics and interpolations."""

import math
from collections.abc import Sequence

import pandas as pd

from analysis.cells import difference, planned_rows
from analysis.claims import Estimate
from analysis.data import AXIS, KEY, Data
from analysis.effects import NOTHING, at, mean, paired
from analysis.zheng2024 import interpolations

ACCURACY = "accuracy_test"


def runs(data: Data) -> pd.DataFrame:
    """Planned runs with their accuracy after the last epoch."""
    return planned_rows(data, "runs", ACCURACY)


def _with(data: Data, values: pd.DataFrame) -> pd.DataFrame:
    """Planned runs, with a number of their own. values: study, trial_id and the number."""
    return planned_rows(data, "runs").merge(values, on=KEY, how="left")


def roughness(data: Data) -> pd.DataFrame:
    """Planned runs with `roughness`: the mean absolute change of test accuracy from epoch to epoch in the second half of the training."""
    rows = data.epochs.dropna(subset=[ACCURACY]).sort_values("iteration")
    rows = rows.merge(rows.groupby(KEY, as_index=False).agg(end=("epoch", "max")), on=KEY).query(
        "epoch > end / 2"
    )
    return _with(
        data,
        rows.groupby(KEY, as_index=False).agg(
            roughness=(ACCURACY, lambda values: values.diff().abs().mean())
        ),
    )


def rougher_than(data: Data, norm: str, others: Sequence[str]) -> dict[str, Estimate]:
    """`norm`'s roughness minus that of each other norm, paired by seed."""
    rows = roughness(data)
    return {
        f"{norm} - {other}": paired(
            at(rows, {"norm": norm}), at(rows, {"norm": other}), "roughness", ["norm"]
        )
        for other in others
    }


def loss_in_batches_of_2(data: Data) -> Estimate:
    """Accuracy after the last epoch in test batches as in training, minus that in test batches of two on the first images."""
    two = (
        data.series("accuracy.batch_of_2")
        .sort_values("iteration")
        .groupby(KEY, as_index=False)
        .agg(two=("value", "last"))
    )
    rows = runs(data).merge(two, on=KEY, how="left")
    return mean(rows.assign(loss=rows[ACCURACY].astype(float) - rows["two"].astype(float)), "loss")


def batch_sizes(data: Data, sizes: Sequence[int], than: int) -> dict[str, Estimate]:
    """Accuracy in test batches of each size minus that in batches of `than`, the same images and weights."""
    rows = planned_rows(data, "evaluations:batch_size", "accuracy", "batch_size")
    return {
        f"{one} - {than}": paired(
            rows.loc[rows["batch_size"] == one],
            rows.loc[rows["batch_size"] == than],
            "accuracy",
            [],
        )
        for one in sizes
    }


def loss_by_noise(data: Data) -> Estimate:
    """Accuracy on the clean test set minus that with one noisy image in each test batch, the same weights."""
    rows = planned_rows(data, "evaluations:noise", "accuracy", f"run.{ACCURACY}")
    return mean(
        rows.assign(loss=rows[f"run.{ACCURACY}"].astype(float) - rows["accuracy"].astype(float)),
        "loss",
    )


def swing_in_time(data: Data) -> dict[str, Estimate]:
    """How far the first layer's statistics move over t, largest minus smallest, averaged over channels.

    mean: in units of the layer's standard deviation. variance: in units of the variance averaged over t.
    """
    rows = data.probe("layer_statistics", "figure3")
    names = {
        "low": ("mean", "min"),
        "high": ("mean", "max"),
        "var_low": ("var", "min"),
        "var_high": ("var", "max"),
        "spread": ("var", "mean"),
    }
    channels = (
        rows.loc[rows["layer"] == 0]
        .groupby([*KEY, "channel"], as_index=False)
        .agg(**names)
        .query("spread > 0")
    )
    deviation = channels["spread"] ** 0.5
    channels = channels.assign(
        mean=(channels["high"] - channels["low"]) / deviation,
        variance=(channels["var_high"] - channels["var_low"]) / channels["spread"],
    )
    swings = _with(
        data,
        channels.groupby(KEY, as_index=False).agg(
            mean=("mean", "mean"), variance=("variance", "mean")
        ),
    )
    return {name: mean(swings, name) for name in ("mean", "variance")}


def gains(data: Data) -> pd.DataFrame:
    """Table 2: accuracy with TA-BN minus without, one row per family and seed."""
    rows = runs(data)
    return difference(
        at(rows, {"model.norm": "ta_bn"}),
        at(rows, {"model.norm": "none"}),
        ACCURACY,
        ["axis.model.norm"],
    )


def above_families(data: Data) -> dict[str, Estimate]:
    """TA-BN's largest net minus each of the other families on CIFAR-10, seeds in pairs."""
    rows = runs(data)
    largest = (
        at(rows, {"data": "CIFAR-10", "model.norm": "ta_bn", "model.backbone": "unet18"})
        if f"{AXIS}data" in rows
        else rows.iloc[:0]
    )
    names = (
        list(dict.fromkeys(rows[f"{AXIS}baseline"].astype(str)))
        if f"{AXIS}baseline" in rows
        else []
    )
    apart = ["study", *(name for name in rows.columns if name.startswith(AXIS))]
    return {
        name.partition(",")[0]: mean(
            difference(largest, at(rows, {"baseline": name}), ACCURACY, apart), ACCURACY
        )
        for name in names
        if name.endswith(", CIFAR-10")
    } or {"any family": NOTHING}


def slower(data: Data) -> dict[str, Estimate]:
    """Seconds of training per step of each interpolation divided by linear's, minus 1; runs whose timing is valid only."""
    rows = interpolations.timed(data)
    rows = rows.assign(log_seconds=rows["seconds_per_step"].map(math.log, na_action="ignore"))
    axis = interpolations.AXIS.removeprefix(AXIS)
    linear, others = (
        at(rows, {axis: "linear"}),
        [name for name in interpolations.LABELS if name != "linear"],
    )
    ratios = {
        name: paired(at(rows, {axis: name}), linear, "log_seconds", [axis]) for name in others
    }
    return {
        name: Estimate(math.expm1(one.value), math.expm1(one.low), math.expm1(one.high), one.n)
        for name, one in ratios.items()
    }
