"""ENorm 2019, Table 1: initial learning rates, of our rows and of the report."""

import pandas as pd

from analysis import published
from analysis.drawing.caption import missing_text, scale_text
from analysis.drawing.figure import Table
from analysis.enorm2019.depths import LAYERS, METHOD, STUDY
from analysis.rows.cells import planned_rows
from analysis.rows.data import Data

TEXT = (
    "ENorm 2019, Table 1. Initial learning rates as recorded in the rows; the learning rate then "
    "falls linearly to zero. If ours differ from the report's, the report's are in brackets. Nets "
    "with bias have the learning rate of their counterparts without. The method's authors have 0.1 "
    "in the last three cells of ENorm + BN. This is a setting, not a measurement, so there is no "
    "interval; n is the number of runs. Published: Table 1."
)


def table(data: Data) -> pd.DataFrame:
    """axis.method, axis.model.layers, n runs, rates and published.

    rates: of the rows, joined by commas if there are several.
    """
    rows = planned_rows(data, "runs", "train_optimizer_lr")
    grouped = rows.groupby([METHOD, LAYERS], sort=False)["train_optimizer_lr"]
    numbers = pd.DataFrame(grouped.agg(n="count", rates=_rates)).reset_index()
    return (
        numbers.assign(published=_published(numbers))
        if numbers.loc[:, "n"].to_numpy().any()
        else numbers.iloc[:0]
    )


def _rates(values: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(values.dropna())))


def _published(numbers: pd.DataFrame) -> list[float]:
    known = published.load("enorm2019", "table1")
    rates = {
        (method, layers): rate
        for method, given in known["rates"].items()
        for layers, rate in zip(known["layers"], given, strict=True)
    }
    pairs = zip(numbers[METHOD], numbers[LAYERS], strict=True)
    return [
        rates.get((method.removesuffix(", bias"), layers), float("nan")) for method, layers in pairs
    ]


def _notes(data: Data, needs: tuple[str, ...], numbers: pd.DataFrame) -> list[str]:
    runs = f"n = {int(numbers.loc[:, 'n'].sum())} runs."
    return [runs, scale_text(data), missing_text(data, needs)]


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per number of intermediary layers, one column per method."""
    words = numbers.assign(words=[_words(row) for row in numbers.to_dict("records")])
    wide = words.pivot(index=LAYERS, columns=METHOD, values="words").fillna("-")
    wide = wide.loc[sorted(wide.index, key=float), list(dict.fromkeys(numbers[METHOD]))]
    return (
        wide.reset_index()
        .astype({LAYERS: str})
        .rename(columns={LAYERS: "p"})
        .rename_axis(columns=None)
    )


def _words(row: dict) -> str:
    known = row["published"]
    ours = row["rates"] or "-"
    return ours if known != known or ours in (f"{known:g}", "-") else f"{ours} ({known:g})"


TABLE = Table(
    name="enorm2019/table1",
    study=STUDY,
    axes=("method", "model.layers"),
    numbers=table,
    text=TEXT,
    notes=_notes,
    readable=readable,
)
