"""Shared by the Ott 2021 figures: test accuracy of each trained net under each fixed-step test solver."""

from collections.abc import Collection

import pandas as pd

from analysis.data import COMPLETED, Data
from analysis.errors import ReportError
from analysis.stats import summarise
from analysis.style import data_label

# Ott 2021 averages over seeds "for which the model trained successfully" and gives no rule. Ours: final train accuracy above these.
SUCCESS = {"spheres": 0.9, "mnist": 0.9, "cifar10": 0.3}

CELL = ["train_solver", "train_steps", "test_solver", "test_steps"]


def accuracies(data: Data) -> pd.DataFrame:
    """One row per trained net and test solver: train_solver, train_steps, test_solver, test_steps, seed, accuracy, successful.

    Raises ReportError if two trials share training solver, steps and seed: averaging over anything else would be silent.
    """
    rows = data.evaluations
    rows = rows.loc[(rows["outcome"] == COMPLETED) & (rows["split"] == "test") & rows["train_steps"].notna() & rows["solver_steps"].notna()]
    _one_trial_per_seed(rows, data.plan.name)
    return pd.DataFrame(
        {
            "train_solver": rows["train_solver"].astype(str),
            "train_steps": rows["train_steps"].astype(int),
            "test_solver": rows["solver_name"].astype(str),
            "test_steps": rows["solver_steps"].astype(int),
            "seed": rows["seed"].astype(int),
            "accuracy": rows["accuracy"].astype(float),
            "successful": rows["train_accuracy"].astype(float) > rows.loc[:, "data_name"].map(SUCCESS).astype(float).fillna(0.0),
        }
    ).reset_index(drop=True)


def _one_trial_per_seed(rows: pd.DataFrame, plan: str) -> None:
    trials = rows.filter(["train_solver", "train_steps", "seed", "trial_id"]).drop_duplicates()
    twice = trials.loc[trials.duplicated(["train_solver", "train_steps", "seed"])]
    if len(twice):
        solver, steps, seed, _ = twice.iloc[0]
        raise ReportError(
            f"plan {plan} has several trials with solver {solver}, {steps:.0f} steps, seed {seed}: this figure would average over another axis"
        )


def both_selections(nets: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """`summarise` of the successfully trained seeds and of all seeds, told apart in the column `seeds`."""
    parts = {"successful": nets.loc[nets["successful"]], "all": nets}
    return pd.concat([summarise(part, by, value).assign(seeds=name) for name, part in parts.items() if len(part)] or [_empty(by)], ignore_index=True)


def _empty(by: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=[*by, "n", "mean", "low", "high", "minimum", "maximum", "seeds"])


def drawn(numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows to draw: successfully trained seeds as in the paper; if there are none at all (very short training), all seeds."""
    successful = numbers.loc[numbers["seeds"] == "successful"]
    return successful if len(successful) else numbers.loc[numbers["seeds"] == "all"]


def selection_text(data: Data, solver: str | None = None, steps: Collection[int] = ()) -> str:
    """Which seeds are averaged, for captions: how many nets trained successfully, of how many; solver, steps: of those trained so only."""
    runs = data.completed.dropna(subset=["solver_steps"])
    if solver is not None:
        runs = runs.loc[(runs["solver_name"] == solver) & runs.loc[:, "solver_steps"].isin(list(steps))]
    if not len(runs):
        return "No run completed."
    threshold = SUCCESS.get(str(runs.loc[:, "data_name"].iloc[0]), 0.0)
    successful = int((runs.loc[:, "accuracy_train"].astype(float) > threshold).sum())
    if not successful:
        return f"None of {len(runs)} nets trained successfully (final train accuracy > {threshold:g}), so all are shown."
    return f"Only nets that trained successfully (final train accuracy > {threshold:g}): {successful} of {len(runs)}."


def label(data: Data) -> str:
    """The data set of the plan's runs, as in "Sphere2"; empty without runs."""
    if not len(data.runs):
        return ""
    first = data.runs.iloc[0]
    return data_label(str(first["data_name"]), first["data_dimension"])
