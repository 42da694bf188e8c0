"""Test accuracy of each trained net under each test solver of its kind, fixed-step or adaptive.

Shared by the Ott 2021 figures.
"""

from collections.abc import Collection
from typing import Literal

import pandas as pd

from analysis.drawing.caption import standard_notes
from analysis.drawing.style import data_label
from analysis.errors import ReportError
from analysis.rows.cells import STATISTICS
from analysis.rows.data import COMPLETED, Data
from analysis.rows.stats import summarise

# Ott 2021 averages over seeds "for which the model trained successfully" and gives no rule. Ours:
# final train accuracy above these.
SUCCESS = {"spheres": 0.9, "mnist": 0.9, "cifar10": 0.3}

# The setting that says how accurate a solver is: fixed-step solvers have steps, adaptive ones a
# tolerance.
Setting = Literal["steps", "tolerance"]


def cell(setting: Setting) -> list[str]:
    """The columns that say with what a net was trained and tested."""
    return ["solver_name", f"solver_{setting}", "test_solver", f"test_solver_{setting}"]


CELL = cell("steps")


def accuracies(data: Data, setting: Setting = "steps") -> pd.DataFrame:
    """One row per trained net and test solver.

    Solver_name, solver_<setting>, test_solver, test_solver_<setting>, seed, accuracy, successful.

    Columns: train_solver, solver_<setting>, test_solver, test_solver_<setting>, seed, accuracy,
    successful. Raises ReportError if two trials share training solver, setting and seed, because
    that would average over another axis.
    """
    trained, tested = f"run.solver_{setting}", f"test_solver_{setting}"
    rows = data.evaluations
    rows = rows.loc[
        (rows["outcome"] == COMPLETED)
        & (rows["split"] == "test")
        & rows[trained].notna()
        & rows[tested].notna()
    ]
    _one_trial_per_seed(rows, trained, data.names)
    kind = int if setting == "steps" else float
    return pd.DataFrame(
        {
            "solver_name": rows["run.solver_name"].astype(str),
            f"solver_{setting}": rows[trained].astype(kind),
            "test_solver": rows["test_solver"].astype(str),
            f"test_solver_{setting}": rows[tested].astype(kind),
            "seed": rows["seed"].astype(int),
            "accuracy": rows["accuracy"].astype(float),
            "successful": rows["run.accuracy_train"].astype(float)
            > rows.loc[:, "run.data_name"].map(SUCCESS).astype(float).fillna(0.0),
        }
    ).reset_index(drop=True)


def _one_trial_per_seed(rows: pd.DataFrame, trained: str, plan: str) -> None:
    trials = rows.filter(["run.solver_name", trained, "seed", "trial_id"]).drop_duplicates()
    twice = trials.loc[trials.duplicated(["run.solver_name", trained, "seed"])]
    if len(twice):
        solver, value, seed, _ = twice.iloc[0]
        setting = f"{value:.0f} steps" if trained.endswith("steps") else f"tolerance {value:g}"
        raise ReportError(
            f"plan {plan} has several trials with solver {solver}, {setting}, seed {seed}: this "
            "figure would average over another axis"
        )


def both_selections(nets: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """`summarise` of the successfully trained seeds and of all seeds.

    The column `seeds` says which.
    """
    parts = {"successful": nets.loc[nets["successful"]], "all": nets}
    return pd.concat(
        [summarise(part, by, value).assign(seeds=name) for name, part in parts.items() if len(part)]
        or [pd.DataFrame(columns=[*by, *STATISTICS, "seeds"])],
        ignore_index=True,
    )


def drawn(numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows to draw: successfully trained seeds as in the paper.

    If there are none (very short training), all seeds.
    """
    successful = numbers.loc[numbers["seeds"] == "successful"]
    return successful if len(successful) else numbers.loc[numbers["seeds"] == "all"]


# For captions of numbers of which `drawn` ones are shown.
NOTES = standard_notes(lambda numbers: drawn(numbers).loc[:, "n"])


def selection_text(
    data: Data, solver: str | None = None, steps: Collection[int] = (), setting: Setting = "steps"
) -> str:
    """Which seeds are averaged, for captions: how many nets trained successfully, of how many.

    solver, steps: only nets trained with these.
    """
    runs = data.completed.dropna(subset=[f"solver_{setting}"])
    if solver is not None:
        runs = runs.loc[
            (runs["solver_name"] == solver) & runs.loc[:, "solver_steps"].isin(list(steps))
        ]
    if not len(runs):
        return "No run completed."
    threshold = SUCCESS.get(str(runs.loc[:, "data_name"].iloc[0]), 0.0)
    successful = int((runs.loc[:, "accuracy_train"].astype(float) > threshold).sum())
    if not successful:
        return (
            f"None of {len(runs)} nets trained successfully (final train accuracy > "
            f"{threshold:g}), so all are shown."
        )
    return (
        f"Only nets that trained successfully (final train accuracy > {threshold:g}): {successful} "
        f"of {len(runs)}."
    )


def label(data: Data) -> str:
    """The data set of the plan's runs, as in "Sphere2"; empty without runs."""
    if not len(data.runs):
        return ""
    first = data.runs.iloc[0]
    return data_label(str(first["data_name"]), first["data_dimension"])
