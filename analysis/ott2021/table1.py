"""Ott 2021, Table 1: grid search over step sizes against step size adaptation.

NFE per iteration, and accuracy.
"""

import pandas as pd

from analysis import published
from analysis.drawing.figure import Table
from analysis.ott2021 import adaptation, critical_step_size, dependence
from analysis.rows.cells import STATISTICS, cells, planned_rows
from analysis.rows.data import AXIS, COMPLETED, Data
from analysis.rows.frames import in_order

SETS = {"Sphere2": "sphere2", "CIFAR-10": "cifar10"}
FIXED = {label: f"ott2021/{name}-fixed" for label, name in SETS.items()}
STUDY = (*FIXED.values(), adaptation.STUDY)
TEXT = (
    "Ott 2021, Table 1, Euler. Grid search: K is the number of Euler steps, which equals the NFE "
    "of a forward pass here (the paper's numbers look like K + 1, so they have no difference to "
    "ours); first failing and first passing "
    "as in critical_step_size; accuracy of the nets trained with the first passing K. Adaptation "
    "(checked by midpoint): NFE of the training, including the checks, divided by the number of "
    "iterations. Only nets that trained successfully (final train accuracy > 0.9, on CIFAR-10 "
    "0.3), if any did. {sources}"
)
WORDS = {
    "first failing": "grid search: evaluations, largest K that fails",
    "first passing": "grid search: evaluations, smallest K that passes",
    "grid accuracy": "grid search: accuracy",
    "adaptation evaluations": "adaptation: evaluations per iteration",
    "adaptation accuracy": "adaptation: accuracy",
}
DECIMALS = {"first failing": 0, "first passing": 0, "adaptation evaluations": 1}


def table(data: Data) -> pd.DataFrame:
    """Per data set and quantity (the keys of WORDS): numbers and the published value.

    Numbers: planned, failed, missing, n, mean, low, high, minimum, maximum.
    """
    parts = [
        part for label in SETS for part in (*_grid_search(data, label), *_adaptation(data, label))
    ]
    if not any(part["n"].sum() + part["failed"].sum() for part in parts):
        return pd.DataFrame(columns=["data", "quantity"])
    numbers = pd.concat(parts, ignore_index=True)
    numbers = published.compare(
        numbers, published.values("ott2021", "table1"), {"data": "data", "quantity": "quantity"}
    )
    order = [(label, quantity) for label in SETS for quantity in WORDS]
    return in_order(numbers, ["data", "quantity"], order)


def trained(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Planned runs, without completed ones that did not train successfully.

    name: of the data set, as in SETS.
    """
    threshold = dependence.SUCCESS["spheres" if name.startswith("sphere") else name]
    return rows.loc[
        (rows["outcome"] != COMPLETED) | (rows["accuracy_train"].astype(float) > threshold)
    ]


def successful(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """`trained`, or all rows if none trained successfully."""
    kept = trained(rows, name)
    return kept if COMPLETED in set(kept["outcome"]) else rows


def _grid_search(data: Data, label: str) -> list[pd.DataFrame]:
    fixed = data.where({"study": FIXED[label]})
    if not len(fixed.trials):
        return []
    numbers = critical_step_size.table(fixed)
    euler = dependence.drawn(numbers).loc[lambda rows: rows["solver_name"] == "euler"]
    if not len(euler):
        return []
    ends = [
        (name, float(euler[name.replace(" ", "_")].iloc[0]))
        for name in ("first failing", "first passing")
    ]
    n = int(euler["n"].min())
    parts = [_exact(label, name, value, n) for name, value in ends if value == value]
    passing = ends[1][1]
    if passing == passing:
        rows = planned_rows(
            fixed.where({"solver.name": "euler", "solver.steps": passing}),
            "runs",
            "accuracy_test",
            "accuracy_train",
        )
        parts.append(_cell(successful(rows, SETS[label]), label, "grid accuracy", "accuracy_test"))
    return parts


def adapted(data: Data, name: str) -> pd.DataFrame:
    """Planned runs of the adaptation on one data set, with `nfe_per_iteration`."""
    own = data.where({"study": adaptation.STUDY})
    if not len(own.trials):
        return pd.DataFrame(
            columns=["seed", "outcome", "accuracy_test", "accuracy_train", "nfe_per_iteration"]
        )
    own = own.where({"set": name, "pair": adaptation.PAPERS_PAIR})
    rows = planned_rows(
        own, "runs", "accuracy_test", "accuracy_train", "nfe_forward", "outcome_iteration"
    )
    return rows.assign(
        nfe_per_iteration=rows["nfe_forward"].astype(float)
        / rows["outcome_iteration"].astype(float)
    )


def _adaptation(data: Data, label: str) -> list[pd.DataFrame]:
    rows = adapted(data, SETS[label])
    if not len(rows):
        return []
    rows = successful(rows, SETS[label])
    return [
        _cell(rows, label, "adaptation evaluations", "nfe_per_iteration"),
        _cell(rows, label, "adaptation accuracy", "accuracy_test"),
    ]


def _cell(rows: pd.DataFrame, label: str, quantity: str, value: str) -> pd.DataFrame:
    return cells(rows.assign(data=label, quantity=quantity), ["data", "quantity"], value)


def _exact(label: str, quantity: str, value: float, n: int) -> pd.DataFrame:
    """One end of a bracket: one number of the whole grid, without interval.

    n: the smallest number of seeds behind the gaps that decide it.
    """
    numbers = dict.fromkeys(STATISTICS[1:], float("nan")) | {
        "mean": value,
        "minimum": value,
        "maximum": value,
    }
    return pd.DataFrame(
        [
            {"data": label, "quantity": quantity, "planned": n, "failed": 0, "missing": 0, "n": n}
            | numbers
        ]
    )


def _used(data: Data) -> Data:
    """Runs of Euler, or of the paper's pair of solvers on the table's data sets."""
    axes = {
        "solver.name": ("", "euler"),
        "set": ("", *SETS.values()),
        "pair": ("", adaptation.PAPERS_PAIR),
    }
    return data.where({axis: labels for axis, labels in axes.items() if AXIS + axis in data.trials})


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows as strings, for Markdown and the terminal."""
    parts = []
    for row in numbers.to_dict("records"):
        decimals = DECIMALS.get(row["quantity"], 3)
        shown = published.readable(
            pd.DataFrame([row]), {"data": "data", "quantity": "quantity"}, decimals, WORDS
        )
        if row["quantity"].startswith("first") and row["n"]:
            steps = {shown.columns[2]: f"{row['mean']:.0f} ({row['n']})", "difference": "-"}
            shown = shown.assign(**steps)
        parts.append(shown)
    return pd.concat(parts, ignore_index=True)


TABLE = Table(
    name="ott2021/table1",
    study=STUDY,
    needs=("runs", "evaluations:figure4"),
    used=_used,
    numbers=table,
    text=TEXT,
    readable=readable,
)
