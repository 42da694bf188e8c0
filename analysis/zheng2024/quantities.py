"""Numbers that Zheng 2024's claims are about.

Rough curves, test batches, noise, layer statistics and families.
"""

import numpy as np
import pandas as pd

from analysis.claims.statistic import VALUE, at, of_runs, runs_with
from analysis.rows.cells import MISSING, difference, planned_rows
from analysis.rows.data import COMPLETED, KEY, Data

ACCURACY = "accuracy_test"
RUNS = of_runs(ACCURACY)


def roughness(data: Data) -> pd.DataFrame:
    """Planned runs with their roughness.

    It is the mean absolute change of test accuracy from epoch to epoch in the second half of the
    training.
    """
    rows = data.epochs.dropna(subset=[ACCURACY]).sort_values("iteration")
    rows = rows.merge(rows.groupby(KEY, as_index=False).agg(end=("epoch", "max")), on=KEY)
    curves = rows.query("epoch > end / 2").groupby(KEY, as_index=False)
    return runs_with(data, curves.agg(value=(ACCURACY, lambda values: values.diff().abs().mean())))


def last_accuracy(data: Data) -> pd.DataFrame:
    """Planned runs with their last accuracy.

    A failed run has the accuracy after the last epoch that it finished, where the paper's curves
    end (Figure 1).
    """
    curves = data.epochs.sort_values("iteration").groupby(KEY, as_index=False)
    rows = runs_with(data, curves.agg(value=(ACCURACY, "last")))
    return rows.assign(outcome=rows["outcome"].mask(rows[VALUE].notna(), COMPLETED))


def saved_by_euler(data: Data) -> pd.DataFrame:
    """Planned runs: 1 for one that completed with failed solves that Euler repeated, else 0.

    A failed run has 0 too.
    """
    rows = planned_rows(data, "runs", "fallbacks")
    saved = (rows["outcome"] == COMPLETED) & (rows["fallbacks"].astype(float) > 0)
    ended = rows["outcome"].where(rows["outcome"] == MISSING, COMPLETED)
    return rows.assign(**{VALUE: saved.astype(float), "outcome": ended})


def loss_in_batches_of_2(data: Data) -> pd.DataFrame:
    """Planned runs: accuracy in test batches as in training minus that in batches of two.

    After the last epoch; batches of two use the first images.
    """
    scores = data.series("accuracy.batch_of_2").sort_values("iteration")
    two = scores.groupby(KEY, as_index=False).agg(two=("value", "last"))
    rows = RUNS.of(data).merge(two, on=KEY, how="left")
    return rows.assign(**{VALUE: rows[VALUE] - rows["two"].astype(float)})


def by_batch_size(data: Data) -> pd.DataFrame:
    """Planned evaluations in test batches of each `batch_size`, same weights and images."""
    rows = planned_rows(data, "evaluations:batch_size", "accuracy", "batch_size")
    return rows.assign(batch_size=rows["batch_size"].astype(float).astype("Int64"))


def loss_by_noise(data: Data) -> pd.DataFrame:
    """Accuracy on the clean test set minus that with a noisy image in each batch, same weights."""
    rows = planned_rows(data, "evaluations:noise", "accuracy", f"run.{ACCURACY}")
    clean, noisy = rows[f"run.{ACCURACY}"].astype(float), rows["accuracy"].astype(float)
    return rows.assign(**{VALUE: clean - noisy})


def swing_in_time(data: Data) -> pd.DataFrame:
    """How much the first layer's statistics change over t; two rows per run.

    It is the largest minus the smallest value, averaged over channels. statistic: mean, in units of
    the layer's standard deviation; variance, in units of the variance averaged over t.
    """
    rows = data.probe("layer_statistics", "figure3")
    ranges = {
        "mean": ("mean", np.ptp),
        "variance": ("var", np.ptp),
        "spread": ("var", "mean"),
    }
    rows = rows.loc[rows["layer"] == 0].groupby([*KEY, "channel"], as_index=False).agg(**ranges)
    rows = rows.query("spread > 0")
    relative = {
        "mean": rows["mean"] / rows["spread"] ** 0.5,
        "variance": rows["variance"] / rows["spread"],
    }
    runs = rows.assign(**relative).groupby(KEY, as_index=False)
    return pd.concat(
        runs_with(data, runs.agg(value=(name, "mean"))).assign(statistic=name) for name in relative
    )


def gains(data: Data) -> pd.DataFrame:
    """Table 2: accuracy with TA-BN minus without, one row per family and seed."""
    rows = RUNS.of(data)
    with_norm, without = (at(rows, {"model.norm": norm}) for norm in ("ta_bn", "none"))
    return difference(with_norm, without, VALUE, ["axis.model.norm"])


def families(data_set: str, backbone: str, data: Data) -> pd.DataFrame:
    """One of TA-BN's nets and the other families on one data set; `family` says which.

    Seeds go in pairs.
    """
    ours = {"data": data_set, "model.norm": "ta_bn", "model.backbone": backbone}
    rows = RUNS.of(data)
    baselines = rows["axis.baseline"] if "axis.baseline" in rows else pd.Series("", rows.index)
    family = baselines.str.extract(f"^([^,]*), {data_set}$", expand=False)
    family[at(rows, ours).index] = "TA-BN"
    return rows.filter(["seed", "outcome", VALUE]).assign(family=family).dropna(subset="family")
