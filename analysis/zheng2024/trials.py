"""Parts of the data of several studies.

Also scores of other test batches that the training recorded beside its epochs.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis import published
from analysis.drawing.curves import summarise_at
from analysis.rows.cells import planned_rows
from analysis.rows.data import COMPLETED, KEY, Data

VARIANT = "axis.variant"


def runs_of_both(data: Data, *columns: str) -> pd.DataFrame:
    """Planned runs as printed and as released, in `axis.variant`.

    Older plans have the first only.
    """
    rows = planned_rows(data.with_variants, "runs", *columns)
    given = rows.get(VARIANT, "")
    return rows.assign(**{VARIANT: given}).replace({VARIANT: {"": "printed"}})


def beside_published(numbers: pd.DataFrame, name: str, keys: Mapping[str, str]) -> pd.DataFrame:
    """`published.compare` for numbers of both variants: each stands beside the same value."""
    compared = published.compare(numbers, published.values("zheng2024", name), keys)
    return compared.fillna({VARIANT: ""})


def part(data: Data, study: str) -> Data | None:
    """The data of one of several studies, None if it has no plan."""
    return data.where({"study": study}) if study in set(data.trials["study"]) else None


def also_tested(data: Data, name: str, by: Sequence[str]) -> pd.DataFrame:
    """Means by epoch of a score of `train.also_test`, such as "accuracy.noisy", of completed runs.

    Columns: as of `over_epochs`.
    """
    rows = data.series(name).merge(
        data.epochs.filter([*KEY, "iteration", "epoch", "run.outcome"]), on=[*KEY, "iteration"]
    )
    rows = rows.loc[rows["run.outcome"] == COMPLETED].dropna(subset=["value"])
    rows = rows.rename(columns={"value": name})
    return summarise_at(rows, list(by), "epoch", name).assign(line="mean", carried=False)
