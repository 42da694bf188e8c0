"""Ott 2021, Figure 5: step size adaptation during training.

Accuracy above the number of steps; all seeds, and one run in detail.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_below
from analysis.drawing.shared import panel_title
from analysis.drawing.style import (
    FULL_INCHES,
    PLAIN_COLOUR,
    SOLVER_LABELS,
    SOLVER_MARKERS,
    Axes,
    sequential_colours,
)
from analysis.drawing.vega import VegaChart
from analysis.ott2021 import adaptation
from analysis.rows.data import COMPLETED, Data

TEXT = (
    "Ott 2021, Figure 5{instead}. Step size adaptation with Euler, checked by midpoint every 50 "
    "iterations. (a): test accuracy, one line per seed. (b): number of Euler steps. (c), (d): the "
    "same of one run (seed {seed}). Marked in both, with one colour each: the checks nearest to a "
    "quarter, half and three quarters of the training, with the accuracy on the training batch "
    "under Euler (circle) and under the solver that checks it (cross). The paper marks test "
    "accuracies at times of its choice, and RK4 as well. Our training records those of the batch "
    "and of its own check. {failed}"
)
PANEL_OF = {"accuracy_test": ("a", "c"), "steps": ("b", "d")}
MARKED = {"batch_accuracy.train_solver": "euler", "batch_accuracy.test_solver": "midpoint"}
TIMES = (0.25, 0.5, 0.75)
# Orange, green and red, as in the paper.
TIME_COLOURS = ("#E69F00", "#009E73", "#D55E00")


def _used(data: Data) -> Data:
    """Runs on CIFAR-10, or else on the first data set, of the paper's pair of solvers."""
    names = data.order("set")
    chosen = next(name for name in ("cifar10", *names) if name in names)
    return data.where({"set": chosen, "pair": adaptation.PAPERS_PAIR})


def table(data: Data) -> pd.DataFrame:
    """Rows panel, set, seed, iteration, value, outcome.

    Marks of panels c, d have `time` (0, 1, 2) and `name` (what was measured).
    """
    columns = ["panel", "set", "seed", "iteration", "value", "outcome", "name", "time"]
    accuracy = (
        data.epochs.dropna(subset=["accuracy_test"])
        .rename(columns={"accuracy_test": "value"})
        .assign(name="accuracy_test")
    )
    series = data.with_run(data.probe("series"), "outcome").dropna(subset=["value"])
    lines = [part for part in (accuracy, series.loc[series["name"] == "steps"]) if len(part)]
    if not lines:
        return pd.DataFrame(columns=columns)
    rows = pd.concat(
        [part.filter(["seed", "iteration", "value", "run.outcome", "name"]) for part in lines],
        ignore_index=True,
    )
    rows = rows.rename(columns={"run.outcome": "outcome"})
    completed = rows.loc[rows["outcome"] == COMPLETED]
    seed = (completed if len(completed) else rows)["seed"].min()
    parts = []
    for name, (every, one) in PANEL_OF.items():
        of_name = rows.loc[rows["name"] == name]
        parts += [
            of_name.assign(panel=every),
            of_name.loc[of_name["seed"] == seed].assign(panel=one),
        ]
    parts += _marks(series.loc[series["seed"] == seed])
    numbers = (
        pd.concat([part for part in parts if len(part)], ignore_index=True)
        .assign(set=data.order("set")[0])
        .reindex(columns=columns)
    )
    return numbers.sort_values(
        ["panel", "name", "seed", "iteration"], kind="stable", ignore_index=True
    )


def _marks(series: pd.DataFrame) -> list[pd.DataFrame]:
    """What one run recorded at the checks nearest to TIMES.

    Of equally near ones the first counts.
    """
    checks = series.loc[series["name"].isin(list(MARKED))]
    if not len(checks):
        return []
    places = sorted(set(checks["iteration"]))
    wanted = dict.fromkeys(
        min(places, key=lambda place, share=share: abs(place - share * places[-1]))
        for share in TIMES
    )
    parts = []
    for time, place in enumerate(wanted):
        here = (
            series.loc[series["iteration"] == place]
            .rename(columns={"run.outcome": "outcome"})
            .assign(time=float(time))
        )
        parts += [
            here.loc[here["name"].isin(list(MARKED))].assign(panel="c"),
            here.loc[here["name"] == "steps"].assign(panel="d"),
        ]
    return [
        part.filter(["panel", "seed", "iteration", "value", "outcome", "name", "time"])
        for part in parts
    ]


def _fields(_data: Data, numbers: pd.DataFrame) -> dict[str, object]:
    data_set = adaptation.SETS[str(numbers["set"].iloc[0])]
    failed = sorted(set(numbers.loc[numbers["outcome"] != COMPLETED, "seed"]))
    return {
        "instead": ""
        if data_set == "CIFAR-10"
        else f", on {data_set} instead of CIFAR-10, which this scale does not have",
        "seed": int(numbers.loc[numbers["panel"].isin(["c", "d"]), "seed"].iloc[0]),
        "failed": f"Dashed: runs that failed (seed {', '.join(map(str, failed))})."
        if failed
        else "",
    }


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Left all seeds, right one run; accuracy above, steps below."""
    seeds = sorted(set(numbers["seed"]))
    colours = dict(zip(seeds, sequential_colours(len(seeds)), strict=True))
    data_set = adaptation.SETS[str(numbers["set"].iloc[0])]
    titles = (f"{data_set}, every seed", f"{data_set}, one run", "", "")
    for index, (ax, panel) in enumerate(zip(axes, ("a", "c", "b", "d"), strict=True)):
        rows = numbers.loc[numbers["panel"] == panel]
        lines = rows.loc[rows["time"].isna()]
        for seed, line in lines.groupby("seed"):
            style: Any = "-" if line["outcome"].iloc[0] == COMPLETED else (0, (3, 2))
            colour = colours[seed] if panel in "ab" else PLAIN_COLOUR
            ax.plot(line["iteration"], line["value"], color=colour, linewidth=0.8, linestyle=style)
        for mark in rows.loc[rows["time"].notna()].to_dict("records"):
            _draw_mark(ax, mark)
        panel_title(ax, "abcd".index(panel), titles[index])
        ax.set_ylim(0, 1.1 * float(rows["value"].max()))
        ax.set_xlabel("iteration" if index > 1 else "")
    axes[0].set_ylabel("test accuracy")
    axes[1].set_ylabel("accuracy")
    axes[2].set_ylabel("Euler steps")
    handles = [handle(color=colour, label=f"seed {seed}") for seed, colour in colours.items()]
    if len(numbers["time"].dropna()):
        handles += [
            handle(
                linestyle="none",
                marker=SOLVER_MARKERS[solver],
                color="0.35",
                label=f"batch, {SOLVER_LABELS[solver]}",
            )
            for solver in MARKED.values()
        ]
    legend_below(axes[0], handles, 7)


def _draw_mark(ax: Axes, mark: dict[Any, Any]) -> None:
    symbol = SOLVER_MARKERS[MARKED.get(mark["name"], "euler")]
    ax.plot(
        [mark["iteration"]],
        [mark["value"]],
        marker=symbol,
        markersize=5,
        color=TIME_COLOURS[int(mark["time"])],
        zorder=4,
        linestyle="none",
    )


FIGURE = Figure(
    name="ott2021/figure5",
    study=adaptation.STUDY,
    needs=("epochs", "probe_series"),
    axes=("set", "pair"),
    used=_used,
    numbers=table,
    text=TEXT,
    fields=_fields,
    draw=draw,
    panels=(2, 2),
    size_inches=(FULL_INCHES, 1.9),
    chart=VegaChart(mark="path", x="iteration", y="value", colour="seed", panel="panel"),
)
