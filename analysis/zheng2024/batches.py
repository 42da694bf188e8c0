"""Zheng 2024, on test batches: accuracy of mini-batch statistics and TA-BN.

By test batch size, and with a noisy image in each batch.
"""

import pandas as pd

from analysis.caption import compose
from analysis.cells import cells, interval, planned_rows
from analysis.data import Data
from analysis.style import NORM_LABELS

NAME = "zheng2024/batches"
STUDY = "zheng2024/noise"
NEEDS = ("runs", "evaluations:batch_size", "evaluations:noise")
CAPTION = (
    "Numbers behind the claims of Zheng 2024, Figure 3, on test batches (no table of the paper): "
    "test accuracy on CIFAR-10, nets of 6 convolutions. Rows with the same number of images are "
    "comparable: the first ones of the test set, or all. Noisy: one image of each batch is "
    "replaced by uniform noise, and its label still counts. The solver chooses its steps by the "
    "error of the whole batch, so even TA-BN's numbers may depend a little on the batch size. "
    "Mini-batch statistics do not exist for batches of one."
)
BY = ["axis.model.norm", "batch_size", "images", "noise"]


def table(data: Data) -> pd.DataFrame:
    """Accuracy by norm, batch size, images and noise.

    Columns: axis.model.norm, batch_size, images ("all" or the limit), noise with n, mean, low,
    high, failed.
    """
    clean = planned_rows(data, "runs", "accuracy_test", "train_batch_size")
    clean = clean.rename(
        columns={"accuracy_test": "accuracy", "train_batch_size": "batch_size"}
    ).assign(limit=float("nan"), noise="none")
    tests = [
        planned_rows(data, f"evaluations:{grid}", "accuracy", "batch_size", "limit", "noise")
        for grid in ("batch_size", "noise")
    ]
    # What was not evaluated has no batch size. The caption counts it.
    rows = pd.concat([clean, *tests], ignore_index=True).dropna(subset=["batch_size"])
    if not len(rows):
        return pd.DataFrame()
    images = ["all" if limit != limit else f"{limit:.0f}" for limit in rows["limit"].astype(float)]
    rows = rows.assign(batch_size=rows["batch_size"].astype(int), images=images)
    numbers = cells(rows, BY, "accuracy")
    return numbers.sort_values(
        ["axis.model.norm", "noise", "images", "batch_size"], kind="stable", ignore_index=True
    )


def caption(data: Data, numbers: pd.DataFrame) -> str:
    """What is shown, with n, interval, scale and what is missing."""
    return compose(CAPTION, data, NEEDS, numbers.loc[:, "n"])


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per norm, kind of images and batch size."""
    shown = [
        {
            "normalization": NORM_LABELS[row["axis.model.norm"]],
            "test images": "one noisy in each batch" if row["noise"] == "one_image" else "clean",
            "images": row["images"],
            "test batch size": f"{row['batch_size']}",
            "accuracy ± 95 % interval (n)": interval(row),
        }
        for row in numbers.to_dict("records")
    ]
    return pd.DataFrame(shown)
