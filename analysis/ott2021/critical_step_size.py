"""Ott 2021, Table 1.

The step size below which a trained net does not depend on its solver.
"""

from typing import Any

import pandas as pd

from analysis import published
from analysis.drawing.figure import Table, by_row
from analysis.drawing.style import SOLVER_LABELS
from analysis.ott2021 import dependence
from analysis.rows.data import Data
from analysis.rows.stats import DIFFERENCE, limited, paired_difference, summarise

# Ott 2021, step adaptation: a net depends on its solver if its accuracy under a more accurate one
# differs by more than this.
THRESHOLD = 0.1
# Training solver -> the more accurate test solver and its steps as a multiple of the training
# steps.
MORE_ACCURATE = {"euler": ("midpoint", 1), "rk4_38": ("rk4_38", 2)}
TEXT = (
    "Ott 2021, Table 1, on {data}. Gap: |accuracy under the training solver - accuracy under a "
    "more accurate one|: midpoint for Euler, 2K steps for RK4 (3/8 rule). A net depends on its "
    "solver if the mean gap is above {threshold:g}, wherever its interval ends. Midpoint takes K "
    "steps here; the paper's adaptation takes sqrt(50 K) if K is below 50. Critical K: first that "
    "fails / first that passes, coming from the finest. {selection}"
)
COLUMNS = [
    *("data", "solver_name", "solver_steps", "seeds", "n", "gap", "low", "high"),
    *("minimum", "maximum", "difference", "difference_low", "difference_high"),
    *("dependent", "first_failing", "first_passing", "published_failing", "published_passing"),
]


def table(data: Data) -> pd.DataFrame:
    """Per training solver, training steps and selection of seeds.

    Gap, dependence and critical steps.

    gap: mean over seeds of the absolute difference, with its interval. difference: signed, with the
    paired interval. first_failing and first_passing: see `bracket`; published_failing and
    published_passing: the paper's.
    """
    nets = dependence.accuracies(data)
    pairs = _paired(nets)
    parts = [
        _per_steps(rows).assign(seeds=name)
        for name, rows in (("successful", pairs.loc[pairs["successful"]]), ("all", pairs))
        if len(rows)
    ]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    numbers = pd.concat(parts, ignore_index=True).assign(data=dependence.label(data))
    return _with_published(numbers).filter(COLUMNS)


def _paired(nets: pd.DataFrame) -> pd.DataFrame:
    """One row per net that was tested with both solvers: own, other, gap."""
    own = nets.loc[
        (nets["solver_name"] == nets["test_solver"])
        & (nets["solver_steps"] == nets["test_solver_steps"])
    ]
    other = nets.loc[nets["solver_name"].isin(list(MORE_ACCURATE))]
    wanted = other.loc[:, "solver_name"].map(MORE_ACCURATE)
    is_more_accurate = (other["test_solver"] == wanted.str[0]) & (
        other["test_solver_steps"] == other["solver_steps"] * wanted.str[1].astype(int)
    )
    key = ["solver_name", "solver_steps", "seed", "successful"]
    both = own.filter([*key, "accuracy"]).merge(
        other.loc[is_more_accurate, [*key, "accuracy"]], on=key, suffixes=("_own", "_other")
    )
    return both.assign(gap=(both["accuracy_own"] - both["accuracy_other"]).abs())


def _per_steps(pairs: pd.DataFrame) -> pd.DataFrame:
    sizes = pairs.rename(columns={"gap": "gap_size"})
    numbers = summarise(sizes, ["solver_name", "solver_steps"], "gap_size").rename(
        columns={"mean": "gap"}
    )
    groups = pairs.groupby(["solver_name", "solver_steps"])
    signed = [
        paired_difference(group["accuracy_own"], group["accuracy_other"]) for _, group in groups
    ]
    signed = [(mean, *limited(low, high, DIFFERENCE)) for mean, low, high in signed]
    numbers[["difference", "difference_low", "difference_high"]] = signed
    numbers["dependent"] = numbers["gap"] > THRESHOLD
    brackets = numbers.groupby("solver_name")[["solver_steps", "dependent"]].apply(bracket)
    return numbers.join(brackets, on="solver_name")


def bracket(rows: pd.DataFrame) -> pd.Series:
    """First failing steps, coming from the finest, and the next finer grid value, which passes.

    NaN if there is none. Coarser steps that happen to pass again do not count: trajectory crossing
    may vanish and reappear (Ott 2021, supplement). rows: solver_steps, dependent.
    """
    failing = rows.loc[rows["dependent"], "solver_steps"]
    first_failing = float(failing.max()) if len(failing) else float("nan")
    finer = rows.loc[~(rows["solver_steps"] <= first_failing), "solver_steps"]
    return pd.Series(
        {
            "first_failing": first_failing,
            "first_passing": float(finer.min()) if len(finer) else float("nan"),
        }
    )


def _with_published(numbers: pd.DataFrame) -> pd.DataFrame:
    known = published.load("ott2021", "critical_step_size")
    entries = [
        known.get(row["data"], {})
        if known.get(row["data"], {}).get("solver_name") == row["solver_name"]
        else {}
        for row in numbers.to_dict("records")
    ]
    values = {
        f"published_{side}": [float(entry.get(f"first_{side}", "nan")) for entry in entries]
        for side in ("failing", "passing")
    }
    return numbers.assign(**values)


def _words(row: dict[Any, Any]) -> dict[str, str]:
    singles = ", ".join(f"{row[end]:.3f}" for end in ("minimum", "maximum")[: row["n"]])
    interval = f"[{row['low']:.3f}, {row['high']:.3f}]" if row["n"] >= 3 else f"single: {singles}"
    return {
        "trained with": SOLVER_LABELS[row["solver_name"]],
        "K": f"{row['solver_steps']}",
        "n": f"{row['n']}",
        "gap": f"{row['gap']:.3f}",
        "95 % interval": interval,
        "depends on the solver": "yes" if row["dependent"] else "no",
        "critical K, ours": _pair(row["first_failing"], row["first_passing"]),
        "published": _pair(row["published_failing"], row["published_passing"]),
    }


def _pair(failing: float, passing: float) -> str:
    if failing != failing and passing != passing:
        return "-"
    return " / ".join("none" if value != value else f"{value:.0f}" for value in (failing, passing))


TABLE = Table(
    name="ott2021/critical_step_size",
    study="ott2021/sphere2-fixed",
    needs=("evaluations",),
    numbers=table,
    text=TEXT,
    fields=lambda data, numbers: {
        "data": numbers["data"].iloc[0],
        "threshold": THRESHOLD,
        "selection": dependence.selection_text(data),
    },
    notes=dependence.NOTES,
    readable=lambda numbers: by_row(_words)(dependence.drawn(numbers)),
)
