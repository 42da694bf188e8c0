"""Gusak 2020, section 3.2: the (S, n)-criterion of each trained ODENet4, beside its accuracy.

By a tolerance, and literally.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import published
from analysis.drawing.caption import standard_notes
from analysis.drawing.figure import Table, by_row
from analysis.gusak2020.smoothness import (
    AXES,
    CHANCE,
    NEEDS,
    NORM,
    STEM,
    STEPS,
    STUDY,
    TOLERANCE,
    per_net,
    tested,
)
from analysis.rows.cells import MISSING, STATISTICS, cells, interval
from analysis.rows.data import Data

BY = [STEM, NORM, STEPS]
SHORT = {"batch": "BN", "layer": "LN", "weight": "WN", "spectral": "SN", "none": "NF"}
TEXT = (
    "Gusak 2020, section 3.2 and Figure 1: the (S, n)-criterion. BN-LN (Euler, 16): batch norm "
    "after the first layer, layer norm in the ODE block, trained with 16 Euler steps. Drop: "
    "accuracy as trained minus the lowest under Euler, RK2 or RK4 with a larger NFE. Smooth: drop "
    f"at most {TOLERANCE:g} (the paper gives no tolerance); literally: every such solver gives a "
    "higher accuracy than the training's. Open: the interval contains both answers. A test whose "
    f"state is not finite counts as accuracy {CHANCE:g}. A smooth net may be useless: see its "
    f"accuracy. {{sources}}"
)


def table(data: Data) -> pd.DataFrame:
    """Stem norm, ODE norm, training steps with n, mean, low, high, ...

    of the drop, accuracy_*, gain_*, smooth, literal, published, paper.
    """
    nets = per_net(tested(data))
    numbers = cells(nets, BY, "drop")
    if not len(nets.loc[nets["outcome"] != MISSING]):
        return numbers.iloc[:0]
    for value in ("accuracy", "gain"):
        own = cells(nets, BY, value).filter([*BY, *STATISTICS])
        numbers = numbers.merge(
            own.rename(columns={name: f"{value}_{name}" for name in STATISTICS}), on=BY
        )
    numbers = published.compare(
        numbers, published_drops(), {STEM: "stem_norm", NORM: "ode_norm", STEPS: "steps"}
    )
    rows = numbers.to_dict("records")
    stated = {
        (one["ode_norm"], one["steps"]): one["smooth"]
        for one in published.load("gusak2020", "criterion")["values"]
    }
    return numbers.assign(
        smooth=[answer(row, TOLERANCE) for row in rows],
        literal=[answer(row, 0.0) for row in rows],
        paper=[
            _words(stated.get((row[NORM], row[STEPS]))) if row[STEM] == "batch" else ""
            for row in rows
        ],
    )


def published_drops() -> pd.DataFrame:
    """Figure 1's accuracy at the training's n minus that at about 150 evaluations, as read off.

    rows: as returned by `published.values`.
    """
    known = published.values("gusak2020", "figure1")
    key = ["ode_norm", "steps"]
    ends = known.loc[known["nfe_per_solve"] != known["steps"]].filter([*key, "value"])
    both = known.loc[known["nfe_per_solve"] == known["steps"]].merge(
        ends, on=key, suffixes=("", "_end")
    )
    return both.assign(
        value=both["value"] - both["value_end"],
        stem_norm="batch",
        source="Figure 1, at n minus at 150 evaluations, read off, about ± 0.03",
    )


def answer(row: Mapping[Any, Any], tolerance: float) -> str:
    """Smooth if the interval of the drop lies at or below the tolerance, not smooth if above.

    Otherwise open. Below n = 3 the single seeds decide. With tolerance 0 a drop of exactly 0 is not
    a higher accuracy, so it is not smooth.
    """
    low, high = (row["low"], row["high"]) if row["n"] >= 3 else (row["minimum"], row["maximum"])
    if low != low or high != high:
        return ""
    smooth, not_smooth = (high <= tolerance, low > tolerance) if tolerance else (high < 0, low >= 0)
    return "smooth" if smooth else "not smooth" if not_smooth else "open"


def _words(smooth: bool | None) -> str:
    return {True: "smooth", False: "not smooth", None: ""}[smooth]


def _row_words(row: dict[Any, Any]) -> dict[str, str]:
    accuracy = {name: row[f"accuracy_{name}"] for name in STATISTICS} | {"failed": row["failed"]}
    n = row["accuracy_n"]
    return {
        "net": f"{SHORT[row[STEM]]}-{SHORT[row[NORM]]} (Euler, {row[STEPS]})",
        "accuracy as trained (n)": interval(accuracy | {"n": n if n == n else 0}),
        "drop (n)": interval(row),
        "published drop": f"{row['published']:.3f}"
        if row["published"] == row["published"]
        else "-",
        f"smooth (drop ≤ {TOLERANCE:g})": row["smooth"] or "-",
        "smooth literally": row["literal"] or "-",
        "largest gain": interval(
            {name: row[f"gain_{name}"] for name in STATISTICS} | {"failed": 0, "n": row["n"]}
        ),
        "paper says": row["paper"] or "-",
    }


TABLE = Table(
    name="gusak2020/criterion",
    study=STUDY,
    needs=NEEDS,
    axes=AXES,
    numbers=table,
    text=TEXT,
    notes=standard_notes(lambda numbers: numbers.loc[:, "accuracy_n"].fillna(0)),
    readable=by_row(_row_words),
)
