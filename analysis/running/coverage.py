"""How much of each planned grid has run: completed, failed, missing."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from analysis.drawing.caption import scale_only
from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_below
from analysis.drawing.style import FULL_INCHES, Axes
from analysis.drawing.vega import VegaChart
from analysis.rows.cells import MISSING
from analysis.rows.data import COMPLETED, KEY, Data
from analysis.rows.frames import tuples
from analysis.rows.read import EVERY_STUDY

TEXT = (
    "Share of the planned trials of each study that completed, ended in a scientific failure "
    "(diverged or solver failed) or have no accepted row yet; numbers: completed + failed of "
    "planned, and evaluations with a row of those planned. Counts, no averages. "
    "{planned} planned trials."
)
COLOURS = {
    COMPLETED: "#0072B2",
    "diverged": "#D55E00",
    "solver_failed": "#E69F00",
    MISSING: "#E4E4E4",
}


def table(data: Data) -> pd.DataFrame:
    """One row per study.

    Columns: plan, planned, completed, diverged, solver_failed, missing, and evaluations planned and
    done.
    """
    outcomes = {
        (row["study"], row["trial_id"]): row["outcome"]
        for row in data.runs.filter([*KEY, "outcome"]).to_dict("records")
    }
    counts = Counter(
        (study, outcomes.get((study, trial), MISSING)) for study, trial in tuples(data.trials, *KEY)
    )
    planned, tests, done = (
        Counter(rows["study"]) for rows in (data.trials, data.tests, data.evaluations)
    )
    rows = [
        {"study": plan.study, "plan": plan.name, "planned": planned[plan.study]}
        | {outcome: counts[plan.study, outcome] for outcome in COLOURS}
        | {"evaluations": tests[plan.study], "evaluations_done": done[plan.study]}
        for plan in data.plans
    ]
    return pd.DataFrame(rows)


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One bar per study, from top to bottom."""
    (ax,) = axes
    places = range(len(numbers))
    left = pd.Series(0.0, index=numbers.index)
    for outcome, colour in COLOURS.items():
        share = numbers[outcome] / numbers["planned"]
        ax.barh(places, share, left=left, color=colour, height=0.75)
        left = left + share
    for place, row in zip(places, numbers.to_dict("records"), strict=True):
        done = row["planned"] - row[MISSING]
        tests = (
            f", {row['evaluations_done']}/{row['evaluations']} evaluations"
            if row["evaluations"]
            else ""
        )
        ax.text(1.01, place, f"{done}/{row['planned']}{tests}", va="center", fontsize=5.5)
    ax.set_yticks(list(places), list(numbers["plan"]), fontsize=5.5)
    ax.set_ylim(len(numbers) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    ax.set_xlabel("share of planned trials")
    legend_below(
        ax,
        [
            handle(color=colour, linewidth=5, label=name.replace("_", " "))
            for name, colour in COLOURS.items()
        ],
    )


FIGURE = Figure(
    name="running/coverage",
    study=EVERY_STUDY,
    numbers=table,
    text=TEXT,
    fields=lambda _, numbers: {"planned": numbers["planned"].sum()},
    notes=scale_only,
    draw=draw,
    size_inches=(FULL_INCHES, 6.2),
    chart=VegaChart(mark="bar", x="completed", y="study", apart=("planned",)),
)
