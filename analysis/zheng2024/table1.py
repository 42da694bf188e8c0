"""Zheng 2024, Table 1: accuracy of each norm on five data sets.

Also of six other families of neural ODEs, beside the values quoted there.
"""

import pandas as pd

from analysis import published
from analysis.drawing.figure import Table
from analysis.drawing.style import NORM_LABELS
from analysis.rows.cells import cells
from analysis.rows.data import Data
from analysis.rows.frames import in_order
from analysis.zheng2024.tables import notes
from analysis.zheng2024.trials import VARIANT, beside_published, runs_of_both

TEXT = (
    "Zheng 2024, Table 1 (main table). Ours: test accuracy after the last epoch; best epoch: "
    "mean of the highest test accuracy of each run. The six families above the norms are our own "
    "trainings with their authors' recipes; the values beside them are quotations in Zheng 2024 "
    "from the original papers, which reported about the best epoch. Parameters, ours: all "
    "trainable ones, those of norms included; theirs as printed, without norms, and from "
    "CIFAR-100 on labels of the backbone rather than counts (the linear head alone is larger). A "
    "published dash is the printed one: without norm a failure in the first epoch, of the families "
    "not reported."
)
DATA = ("MNIST", "CIFAR-10", "SVHN", "CIFAR-100", "Tiny-ImageNet")
FAMILIES = ("IL-NODE", "2nd-Ord", "HBNODE", "GHBNODE", "Aug-NODE", "STEER")
MODELS = (*FAMILIES, "none", "batch", "mini_batch", "ta_bn, small", "ta_bn, large")
LABELS = NORM_LABELS | {"ta_bn, small": "TA-BN, small", "ta_bn, large": "TA-BN, large"}
KEYS = ["data", "model"]
BY = [*KEYS, VARIANT]


def table(data: Data) -> pd.DataFrame:
    """data, model, variant with numbers and published values.

    Columns: n, mean, low, high, best_epoch, parameters, published, its plus_minus, printed and
    size, quoted, difference.
    """
    rows = runs_of_both(data, "accuracy_test", "accuracy_test_best", "parameters")
    if set(rows["outcome"]) <= {"missing"}:
        return pd.DataFrame()
    rows = rows.assign(**pd.DataFrame(map(_named, rows.to_dict("records")), columns=KEYS))
    numbers = cells(rows, BY, "accuracy_test")
    best = (
        cells(rows, BY, "accuracy_test_best")
        .filter([*BY, "mean"])
        .rename(columns={"mean": "best_epoch"})
    )
    numbers = numbers.merge(best, on=BY).merge(
        rows.groupby(BY, as_index=False).agg(parameters=("parameters", "max")), on=BY
    )
    known = published.values("zheng2024", "table1")
    numbers = beside_published(numbers, "table1", {name: name for name in KEYS})
    numbers = numbers.merge(
        known.reindex(columns=[*KEYS, "size", "printed"]), on=KEYS, how="left"
    ).fillna({"size": "", "printed": ""})
    numbers = in_order(
        numbers.sort_values(VARIANT, kind="stable"),
        KEYS,
        [(data, model) for data in DATA for model in MODELS],
    )
    return numbers.assign(quoted=numbers["source"].str.contains("quoted"))


def _named(row: dict[object, object]) -> tuple[str, str]:
    """Data set and model of a planned run.

    TA-BN has a small and a large net on each set; the printed sizes say which is which.
    """
    if baseline := str(row.get("axis.baseline") or ""):
        model, _, data = baseline.partition(", ")
        return data, model
    data, norm, backbone = (
        str(row[f"axis.{axis}"]) for axis in ("data", "model.norm", "model.backbone")
    )
    if norm != "ta_bn":
        return data, norm
    # On MNIST the released small net is the MLP.
    large = backbone == "unet18" or (data, backbone) == ("MNIST", "cnn6")
    return data, f"ta_bn, {'large' if large else 'small'}"


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per data set, model and variant.

    Ours, published (quoted ones say so), difference, best epoch, both sizes.
    """
    shown = published.readable(
        numbers, {"data": "data", "model": "model", VARIANT: "variant"}, labels=LABELS
    )
    theirs = [
        printed or (f"{value} (quoted)" if quoted else value)
        for value, printed, quoted in zip(
            shown["published"], numbers["printed"], numbers["quoted"], strict=True
        )
    ]
    best = [f"{value:.3f}" if value == value else "-" for value in numbers["best_epoch"]]
    sizes = [f"{value:,.0f}" if value == value else "-" for value in numbers["parameters"]]
    sizes_printed = numbers["size"].replace("", "-")
    return shown.assign(
        published=theirs,
        **{
            "best epoch, ours": best,
            "parameters, ours": sizes,
            "parameters, published": sizes_printed,
        },
    )


TABLE = Table(
    name="zheng2024/table1",
    study=("zheng2024/main", "zheng2024/baselines"),
    numbers=table,
    text=TEXT,
    notes=notes,
    readable=readable,
)
