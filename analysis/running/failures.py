"""Which cells failed, how, and how often.

Also attempts that are not results, such as crashes.
"""

from collections import Counter

import pandas as pd

from analysis.drawing.caption import scale_only
from analysis.drawing.figure import Table
from analysis.rows.data import COMPLETED, Data
from analysis.rows.frames import tuples
from analysis.rows.read import EVERY_STUDY

TEXT = (
    "Cells with runs that did not complete. Diverged and solver failed are results. Crashed, out "
    "of memory and timed out are not; their trials count as missing. Epoch: first to last epoch in "
    "which it happened, counted from 0. {failed} of {rows} runs with a row failed."
)
COLUMNS = ["study", "axes", "outcome", "runs", "of", "seeds", "first_epoch", "last_epoch", "detail"]


def table(data: Data) -> pd.DataFrame:
    """One row per cell and outcome, with the seeds, the epochs and one detail."""
    if not len(data.runs) and not len(data.unfinished):
        return pd.DataFrame(columns=COLUMNS)
    failed = pd.concat(
        [
            data.runs.loc[data.runs["outcome"] != COMPLETED],
            data.unfinished.assign(outcome_epoch=float("nan")),
        ]
    )
    planned = Counter(tuples(data.trials, "study", "axes"))
    groups = failed.groupby(["study", "axes", "outcome"], sort=False)
    rows = [
        {
            "study": study,
            "axes": axes,
            "outcome": outcome,
            "runs": len(group),
            "of": planned[study, axes],
            "seeds": " ".join(str(seed) for seed in sorted(group["seed"])),
            "first_epoch": group["outcome_epoch"].min(),
            "last_epoch": group["outcome_epoch"].max(),
            "detail": next(iter(group["outcome_detail"].dropna()), ""),
        }
        for group in (rows for _, rows in groups)
        for study, axes, outcome in (group.filter(["study", "axes", "outcome"]).iloc[0],)
    ]
    none = dict.fromkeys(COLUMNS, "") | {
        "outcome": "none",
        "runs": 0,
        "of": len(data.runs),
        "first_epoch": float("nan"),
        "last_epoch": float("nan"),
    }
    return pd.DataFrame(rows or [none], columns=COLUMNS)


def _fields(data: Data, numbers: pd.DataFrame) -> dict[str, int]:
    scientific = numbers["outcome"].isin(["diverged", "solver_failed"])
    return {"failed": int(numbers.loc[scientific, "runs"].sum()), "rows": len(data.runs)}


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One line per cell and outcome."""
    return pd.DataFrame(
        {
            "study": numbers["study"],
            "cell": numbers["axes"],
            "outcome": numbers["outcome"].str.replace("_", " "),
            "runs": [f"{row['runs']} of {row['of']}" for row in numbers.to_dict("records")],
            "seeds": numbers["seeds"],
            "epoch": [
                _epochs(row["first_epoch"], row["last_epoch"]) for row in numbers.to_dict("records")
            ],
            "detail": numbers["detail"],
        }
    ).astype(str)


def _epochs(first: float, last: float) -> str:
    if first != first:
        return "-"
    return f"{first:.0f}" if first == last else f"{first:.0f} to {last:.0f}"


TABLE = Table(
    name="running/failures",
    study=EVERY_STUDY,
    numbers=table,
    text=TEXT,
    fields=_fields,
    notes=scale_only,
    readable=readable,
)
