"""Zheng 2024, Tables 2, 4 and 5, and two tables beside the paper.

Those are about test batches and about STEER's random end time.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import published
from analysis.drawing.caption import STANDARD_NOTES
from analysis.drawing.figure import Table, by_row
from analysis.drawing.style import NORM_LABELS, SOLVER_LABELS
from analysis.rows.cells import cells, interval, or_nothing, planned_rows
from analysis.rows.data import AXIS, Data
from analysis.zheng2024.trials import VARIANT, beside_published, runs_of_both


def notes(data: Data, needs: tuple[str, ...], numbers: pd.DataFrame) -> list[str]:
    """The standard notes on both variants, then where the published values stand."""
    return [*STANDARD_NOTES(data.with_variants, needs, numbers), published.sources(numbers)]


def compared(data: Data, name: str, keys: Mapping[str, str]) -> pd.DataFrame:
    """Cells of the test accuracy by variant, beside the published values of `name`.

    keys: axis -> its name there. solver_steps: of the training, where the solver is an axis.
    """
    rows = runs_of_both(data, "accuracy_test", "solver_steps")
    columns = {AXIS + axis: theirs for axis, theirs in keys.items()}
    by = [*columns, VARIANT]
    numbers = or_nothing(cells(rows, by, "accuracy_test"))
    if not len(numbers):
        return numbers
    if "solver" in keys:
        steps = rows.groupby(by, as_index=False).agg(solver_steps=("solver_steps", "max"))
        numbers = numbers.merge(steps, on=by)
    return beside_published(numbers, name, columns)


def _table(name: str, keys: Mapping[str, str], titles: Mapping[str, str], **about: Any) -> Table:
    """One of the paper's tables.

    keys: axis -> its name in published.toml. titles: axis -> the printed column.
    """
    columns = {AXIS + axis: title for axis, title in titles.items()} | {VARIANT: "variant"}
    return Table(
        name=f"zheng2024/{name}",
        study=f"zheng2024/{name}",
        axes=tuple(keys),
        numbers=lambda data: compared(data, name, keys),
        notes=notes,
        readable=lambda numbers: published.readable(
            numbers, columns, labels=NORM_LABELS | SOLVER_LABELS
        ),
        **about,
    )


def _steps(_data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    steps = numbers.loc[numbers[VARIANT] == "printed", "solver_steps"].dropna().unique()
    return {"steps": ", ".join(f"{count:.0f}" for count in steps) or "none yet"}


BATCH_KEYS = ["axis.model.norm", "batch_size", "images", "noise"]


def by_batch(data: Data) -> pd.DataFrame:
    """axis.model.norm, batch_size, images ("all" or the limit) and noise.

    With n, mean, low, high and failed.
    """
    clean = planned_rows(data, "runs", "accuracy_test", "train_batch_size")
    clean = clean.rename(
        columns={"accuracy_test": "accuracy", "train_batch_size": "batch_size"}
    ).assign(limit=float("nan"), noise="none")
    tests = [
        planned_rows(data, f"evaluations:{grid}", "accuracy", "batch_size", "limit", "noise")
        for grid in ("batch_size", "noise")
    ]
    # What was not evaluated has no batch size; the caption counts it.
    rows = pd.concat([clean, *tests], ignore_index=True).dropna(subset=["batch_size"])
    if not len(rows):
        return pd.DataFrame()
    images = ["all" if limit != limit else f"{limit:.0f}" for limit in rows["limit"].astype(float)]
    rows = rows.assign(batch_size=rows["batch_size"].astype(int), images=images)
    numbers = cells(rows, BATCH_KEYS, "accuracy")
    return numbers.sort_values(
        ["axis.model.norm", "noise", "images", "batch_size"], kind="stable", ignore_index=True
    )


def _batch_words(row: dict[Any, Any]) -> dict[str, str]:
    return {
        "normalization": NORM_LABELS[row["axis.model.norm"]],
        "test images": "one noisy in each batch" if row["noise"] == "one_image" else "clean",
        "images": row["images"],
        "test batch size": f"{row['batch_size']}",
        "accuracy ± 95 % interval (n)": interval(row),
    }


def by_steer(data: Data) -> pd.DataFrame:
    """Half-width with n, mean, low, high, failed, missing."""
    return or_nothing(cells(planned_rows(data, "runs", "accuracy_test"), [STEER], "accuracy_test"))


def _quoted(*_: object) -> dict[str, float]:
    known = published.values("zheng2024", "table1")
    return {"quoted": known.query("model == 'STEER' and data == 'CIFAR-10'")["value"].iloc[0]}


STEER = "axis.model.steer"

TABLES = (
    _table(
        "table2",
        {"family": "family", "model.norm": "norm"},
        {"family": "family", "model.norm": "normalization"},
        text=(
            "Zheng 2024, Table 2. Test accuracy on CIFAR-10 after the last epoch of three "
            "families, with and without TA-BN: as printed with 6 convolutions, as released with "
            "the U-Net of 18."
        ),
    ),
    _table(
        "table4",
        {"solver": "solver", "model.norm": "norm"},
        {"solver": "solver", "model.norm": "normalization"},
        text=(
            "Zheng 2024, Table 4. Test accuracy on CIFAR-10 after the last epoch of nets of 8 "
            "convolutions, trained and tested under one solver. The paper does not say how many "
            "Euler steps; ours takes {steps}. The released code takes 100."
        ),
        fields=_steps,
    ),
    _table(
        "table5",
        {"model.norm.grid_size": "grid_size"},
        {"model.norm.grid_size": "M"},
        text=(
            "Zheng 2024, Table 5. Test accuracy on CIFAR-10 after the last epoch of nets of 8 "
            "convolutions with TA-BN on a grid of M intervals."
        ),
    ),
    Table(
        name="zheng2024/batches",
        study="zheng2024/noise",
        needs=("runs", "evaluations:batch_size", "evaluations:noise"),
        axes=("model.norm",),
        numbers=by_batch,
        text=(
            "Numbers behind the claims of Zheng 2024, Figure 3, on test batches (no table of the "
            "paper): test accuracy on CIFAR-10, nets of 6 convolutions. Rows of one number of "
            "images are comparable: the first ones of the test set, or all. Noisy: one image of "
            "each batch is replaced by uniform noise and its label still counts. The solver "
            "takes its steps from the error of the whole batch, so that even TA-BN's numbers may "
            "differ a little with the batch size. Mini-batch statistics do not exist for batches "
            "of one."
        ),
        readable=by_row(_batch_words),
    ),
    Table(
        name="zheng2024/steer",
        study="zheng2024/steer",
        axes=("model.steer",),
        numbers=by_steer,
        text=(
            "STEER (Ghosh et al. 2020) on CIFAR-10: test accuracy by the half-width b of the end "
            "time T ~ U(1 - b, 1 + b) in training. Which b Zheng 2024's quotation of "
            "{quoted:.3f} has is unknown."
        ),
        fields=_quoted,
        readable=by_row(
            lambda row: {"b": str(row[STEER]), "accuracy ± 95 % interval (n)": interval(row)}
        ),
    ),
)
