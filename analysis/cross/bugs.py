"""Which published numbers depend on a bug, or an ambiguity, of the code that made them.

Our values with it on and off are shown beside the published value.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis import published
from analysis.cross import bug_rows
from analysis.cross.bug_rows import ENORM, GUSAK, OTT, Pair
from analysis.drawing.caption import standard_notes
from analysis.drawing.figure import Table
from analysis.rows.cells import STATISTICS, cells, difference, interval
from analysis.rows.data import AXIS, Data
from analysis.rows.stats import MIN_N_INTERVAL

TEXT = (
    "Published numbers and the bugs of the code behind them. On: as in the published code; off: "
    "corrected, or as printed. Gusak 2020: best test accuracy over epochs, as its code logs it; "
    "ENorm 2019: last epoch. Ott 2021: our net with the most Euler steps, scored both ways. "
    "Changes the number: the interval of the paired difference leaves out 0; no verdict below n "
    "= 3. Nearer: at paper scale, where on and off differ."
)


class Bug(NamedTuple):
    """A bug. on, off: what the two variants are."""

    key: str
    paper: str
    what: str
    on: str
    off: str


STUDIED = (
    Bug(
        "gusak-drops",
        "Gusak 2020",
        "second drop of the learning rate",
        "epoch 250 (code)",
        "epoch 300 (printed)",
    ),
    Bug(
        "gusak-momentum",
        "Gusak 2020",
        "optimizer made anew each epoch",
        "momentum reset (code)",
        "momentum kept",
    ),
    Bug(
        "enorm-decay",
        "ENorm 2019",
        "learning rate negative in the second half",
        "0.1/60 an epoch (code)",
        "linear to zero",
    ),
    Bug(
        "ott-divisor",
        "Ott 2021",
        "last, smaller batch divided by the full batch size",
        "batch size (code)",
        "number of points",
    ),
    Bug(
        "ott-one-step",
        "Ott 2021",
        "step size of the test inverted",
        "one Euler step (code)",
        "the steps of the training",
    ),
)
# No study varies these, so their effect on the published numbers is unknown here.
NOT_STUDIED = (
    Bug(
        "gusak-side-effects",
        "Gusak 2020",
        "statistics and u advance twice a training step (ANODE)",
        "twice (code)",
        "once",
    ),
    Bug(
        "ott-tolerance",
        "Ott 2021",
        "tolerance adaptation compares with an uninitialized count",
        "uninitialized (code)",
        "this iteration's count",
    ),
    Bug("enorm-dead-units", "ENorm 2019", "dead unit gives 0/0", "NaN (code)", "unit skipped"),
    Bug(
        "enorm-weight-decay",
        "ENorm 2019",
        "weight decay printed as 10e-3",
        "1e-3 (code)",
        "1e-2 (printed)",
    ),
)


def table(data: Data) -> pd.DataFrame:
    """Per bug, case and setting: on, off and change (on - off, paired).

    With n and interval, published value, source and verdict.
    """
    rows = [
        row
        for bug in STUDIED
        for pair in bug_rows.pairs(data, bug.key)
        for row in _studied(bug, pair)
    ]
    if not any(
        row[f"{side}_{name}"] for row in rows for side in ("on", "off") for name in ("n", "failed")
    ):
        return pd.DataFrame()
    known = published.values("cross", "bugs").rename(columns={"value": "published"})
    found = pd.DataFrame(rows).merge(
        known.filter(["bug", "case", "published", "source"]), on=["bug", "case"], how="left"
    )
    absent = [
        {**_about(bug), "verdict": "no plan here"}
        for bug in STUDIED
        if bug.key not in set(found["bug"])
    ]
    unknown = pd.DataFrame(
        [*absent, *({**_about(bug), "verdict": "not studied"} for bug in NOT_STUDIED)]
    )
    nearer = [
        _nearer(row) if all(plan.scale == "paper" for plan in data.plans) else ""
        for row in found.to_dict("records")
    ]
    numbers = pd.concat([found.assign(nearer=nearer), unknown], ignore_index=True)
    counts = {
        name: numbers[name].fillna(0).astype(int)
        for name in numbers.columns
        if name.endswith(("_n", "_failed", "_missing"))
    }
    texts = {
        name: numbers[name].astype(object).fillna("")
        for name in ("case", "setting", "source", "nearer")
    }
    return numbers.assign(**counts, **texts)


def _about(bug: Bug) -> dict[str, str]:
    return {
        "bug": bug.key,
        "paper": bug.paper,
        "what": bug.what,
        "code": bug.on,
        "corrected": bug.off,
    }


def _studied(bug: Bug, pair: Pair) -> list[dict[str, Any]]:
    """One row, or none if neither side is planned."""
    if not (len(pair.on) and len(pair.off)):
        return []
    apart = [name for name in pair.on.columns if name.startswith(AXIS)]
    both = {
        "on": pair.on,
        "off": pair.off,
        # The sides may be from two studies, whose axes differ. There is one cell per side, so the
        # seed alone determines the pairs.
        "change": difference(pair.on, pair.off, "value", ["study", *apart]),
    }
    row: dict[str, Any] = {**_about(bug), "case": pair.case, "setting": pair.setting}
    for side, rows in both.items():
        # Every number here is an accuracy.
        name = "change" if side == "change" else "fraction"
        own = rows.rename(columns={"value": name}).assign(all="")
        (cell,) = cells(own, ["all"], name).to_dict("records")
        row |= {f"{side}_{name}": cell[name] for name in [*STATISTICS, "failed", "missing"]}
    return [row | {"verdict": verdict(row)}]


def verdict(row: Mapping[str, Any]) -> str:
    """Whether the bug changes the number.

    It does if the interval of the paired difference excludes 0, or if no run completes that
    completes without it.
    """
    low, high = row["change_low"], row["change_high"]
    if low != low or high != high:
        none_trains = {
            side
            for side in ("on", "off")
            if not row[f"{side}_n"] and row[f"{side}_failed"] >= MIN_N_INTERVAL
        }
        all_train = {
            side
            for side in ("on", "off")
            if row[f"{side}_n"] >= MIN_N_INTERVAL and not row[f"{side}_failed"]
        }
        return "changes the outcome" if none_trains and all_train else "not enough data"
    return "changes the number" if low > 0 or high < 0 else "no change seen"


def _nearer(row: dict[Any, Any]) -> str:
    """The side that is nearer to the published value, if the two differ."""
    if row["verdict"] != "changes the number" or row["published"] != row["published"]:
        return ""
    return min(("on", "off"), key=lambda side: abs(row[f"{side}_mean"] - row["published"]))


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One line per bug, case and setting."""
    rows = numbers.to_dict("records")
    return pd.DataFrame(
        {
            "paper": numbers["paper"],
            "in the code": [
                f"{row['what']}: {row['code']}, not {row['corrected']}" for row in rows
            ],
            "case": [
                ", ".join(part for part in (row["case"], row["setting"]) if part) or "-"
                for row in rows
            ],
            "on ± 95 % interval (n)": [_side(row, "on") for row in rows],
            "off": [_side(row, "off") for row in rows],
            "on - off": [_side(row, "change") for row in rows],
            "published": [
                "-" if row["published"] != row["published"] else f"{row['published']:.3f}"
                for row in rows
            ],
            "published is nearer to": [row["nearer"] or "-" for row in rows],
            "verdict": numbers["verdict"],
        }
    ).astype(str)


def _side(row: dict[str, Any], side: str) -> str:
    return interval({name: row[f"{side}_{name}"] for name in [*STATISTICS, "failed"]})


TABLE = Table(
    name="cross/bugs",
    study=(GUSAK, *ENORM, OTT),
    # Evaluations of Ott's nets are used where there are some; a table of four studies must not wait
    # for one of them, so they are not among its needs.
    used=bug_rows.used,
    numbers=table,
    text=TEXT,
    notes=standard_notes(lambda numbers: numbers.loc[:, "change_n"]),
    readable=readable,
)
