"""Ott 2021, Figure 4 and supplement: test accuracy against the accuracy of the test solver, one colour per training setting."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.data import Data
from analysis.errors import ReportError
from analysis.ink import no_rows, values_with_bars
from analysis.legend import handle, legend_right
from analysis.ott2021 import dependence
from analysis.read import NoPlan
from analysis.style import SOLVER_LABELS, SOLVER_MARKERS, lighter, sequential_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Colour = tuple[float, float, float]
# Markers of other solvers stand this far to the side, as a factor, so that bars of one setting do not cover each other.
ASIDE = 2**0.12
# Tolerances are a factor of 10 apart, steps at most one of 2.
ASIDE_POWER = {"steps": 1.0, "tolerance": 2.0}
LARGEST_ACCURACY = {"CIFAR-10": 0.7}
NAMES = {"steps": "K = {}", "tolerance": "tol = {:g}"}
LABELS = {"steps": "steps of the test solver", "tolerance": "1 / tolerance of the test solver"}


def table(data: Data, setting: dependence.Setting) -> pd.DataFrame:
    """Accuracy per (train_solver, solver_<setting>, test_solver, test_solver_<setting>) and selection of seeds; `own`: tested exactly as trained."""
    nets = dependence.accuracies(data, setting)
    if setting == "steps":
        # Figure 1 tests two nets from 1 to 4096 steps; Figure 4 shows the factors 1/2 to 2 of the training steps.
        nets = nets.loc[
            (nets["test_solver_steps"] * 2 >= nets["solver_steps"])
            & (nets["test_solver_steps"] <= nets["solver_steps"] * 2)
        ]
    numbers = dependence.both_selections(nets, dependence.cell(setting), "accuracy")
    own = (numbers["train_solver"] == numbers["test_solver"]) & (
        numbers[f"solver_{setting}"] == numbers[f"test_solver_{setting}"]
    )
    return numbers.assign(own=own, data=dependence.label(data))


def by_study(data: Data, studies: Iterable[str], setting: dependence.Setting) -> pd.DataFrame:
    """`table` of each study one below the other, with `study`. Raises NoPlan when the plans are of none of these studies."""
    there = dict.fromkeys(data.trials["study"])
    if not there.keys() & set(studies):
        raise NoPlan(f"{data.names} is a plan of none of {', '.join(studies)}")
    parts = []
    for study in there:
        own = data.where({"study": study})
        try:
            numbers = table(own, setting)
        except ReportError as error:
            raise ReportError(f"{study}: {error}") from None
        parts.append(
            numbers.assign(
                study=study,
                data=f"{dependence.label(own)}{', adjoint' if study.endswith('adjoint') else ''}",
            )
        )
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def marker(train_solver: str, test_solver: str) -> str:
    """Circle: the training solver; otherwise the solver's own marker (cross midpoint, triangle RK4), a square where that is the circle."""
    own = SOLVER_MARKERS[test_solver]
    if train_solver == test_solver:
        return "o"
    return "s" if own == "o" else own


def aside(train_solver: str, test_solver: str) -> float:
    """Factor on a test's place, so that no marker covers another: 1 for the training solver.

    The midpoint rule is set to the left, every other solver to the right.
    """
    if train_solver == test_solver:
        return 1.0
    return 1 / ASIDE if test_solver == "midpoint" else ASIDE


def colours(values: Iterable[float]) -> dict[float, Colour]:
    """One colour per training setting."""
    values = list(values)
    return dict(zip(values, sequential_colours(len(values)), strict=True))


def draw_panel(
    ax: "Axes",
    rows: pd.DataFrame,
    colour_of: Mapping[float, Colour],
    setting: dependence.Setting,
    data: str,
) -> None:
    """One data set and training solver. rows: of `table`, those to draw."""
    for row in rows.sort_values("own", kind="stable").to_dict(
        "records"
    ):  # dark markers last, on top
        _draw_cell(ax, row, colour_of[row[f"solver_{setting}"]], setting)
    if setting == "steps":
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
    else:
        ax.set_xscale("log")
    ax.set_ylim(0, LARGEST_ACCURACY.get(data, 1.1))
    ax.set_xlabel(LABELS[setting])
    if not len(rows):
        no_rows(ax)


def _draw_cell(
    ax: "Axes", row: dict[Any, Any], colour: Colour, setting: dependence.Setting
) -> None:
    symbol = marker(row["train_solver"], row["test_solver"])
    face = colour if row["own"] else lighter(colour)
    look: dict[str, Any] = {"marker": symbol, "color": face, "zorder": 4 if row["own"] else 3}
    if symbol != "x":
        look |= {"markeredgecolor": "black" if row["own"] else colour, "markeredgewidth": 0.5}
    place = row["test_solver_steps"] if setting == "steps" else 1 / row["test_solver_tolerance"]
    place *= aside(row["train_solver"], row["test_solver"]) ** ASIDE_POWER[setting]
    values_with_bars(
        ax, pd.DataFrame([row | {"place": place}]), "place", ecolor=lighter(colour, 0.25), **look
    )


def handles(
    shown: pd.DataFrame, colour_of: Mapping[float, Colour], setting: dependence.Setting
) -> "list[Line2D]":
    """The legend's entries: training settings as colours, then test solvers as markers."""
    entries = [
        handle(linestyle="none", marker="o", color=colour, label=NAMES[setting].format(value))
        for value, colour in colour_of.items()
    ]
    pairs = shown.filter(["train_solver", "test_solver"]).drop_duplicates()
    solvers = list(SOLVER_MARKERS)
    labels: dict[str, str] = {}
    # The training solver first, then the order of the records.
    for train_solver, test_solver in sorted(
        pairs.itertuples(index=False), key=lambda pair: (pair[0] != pair[1], solvers.index(pair[1]))
    ):
        labels[marker(train_solver, test_solver)] = (
            "as in training" if train_solver == test_solver else SOLVER_LABELS[test_solver]
        )
    return entries + [
        handle(linestyle="none", marker=symbol, color="0.35", label=label)
        for symbol, label in labels.items()
    ]


def drawn_by_study(numbers: pd.DataFrame) -> list[bool]:
    """Which rows of `by_study` to draw: of each study the successful seeds, or all where there are none."""
    successful = set(numbers.loc[numbers["seeds"] == "successful", "study"])
    return [
        seeds == "successful" or study not in successful
        for study, seeds in zip(numbers["study"], numbers["seeds"], strict=True)
    ]


def draw_studies(
    numbers: pd.DataFrame,
    axes: "Sequence[Axes]",
    solvers: Sequence[str],
    setting: dependence.Setting,
) -> None:
    """One row of axes for each study of `numbers` (as of `by_study`, with `drawn`), one column for each training solver."""
    shown = numbers.loc[numbers["drawn"]]
    colour_of = colours(sorted(set(shown[f"solver_{setting}"]), reverse=setting == "tolerance"))
    studies = list(dict.fromkeys(shown["study"]))
    for row, study in enumerate(studies):
        of_study = shown.loc[shown["study"] == study]
        data = str(of_study["data"].iloc[0])
        own_axes = axes[row * len(solvers) : (row + 1) * len(solvers)]
        for ax, solver in zip(own_axes, solvers, strict=True):
            draw_panel(
                ax, of_study.loc[of_study["train_solver"] == solver], colour_of, setting, data
            )
            ax.set_title(f"{data}, trained with {SOLVER_LABELS[solver]}", loc="left")
            ax.set_xlabel(LABELS[setting] if row == len(studies) - 1 else "")
        own_axes[0].set_ylabel("test accuracy")
    legend_right(
        axes[0],
        handles(shown, colour_of, setting),
        title="trained with / tested with",
        title_fontsize=6.5,
    )
