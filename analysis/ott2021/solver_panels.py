"""Ott 2021, Figure 4 and supplement: test accuracy against the accuracy of the test solver.

One colour per training setting.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.drawing.caption import Notes, standard_notes
from analysis.drawing.figure import Figure, one_row_each
from analysis.drawing.legend import handle, legend_right
from analysis.drawing.shared import no_rows, values_with_bars
from analysis.drawing.style import (
    FULL_INCHES,
    SOLVER_LABELS,
    SOLVER_MARKERS,
    Axes,
    lighter,
    sequential_colours,
)
from analysis.drawing.vega import VegaChart
from analysis.errors import ReportError
from analysis.ott2021 import dependence
from analysis.ott2021.dependence import Setting
from analysis.rows.data import Data

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

Colour = tuple[float, float, float]
# Markers of other solvers are shifted sideways by this factor, so that bars of one setting do not
# cover each other.
ASIDE = 2**0.12
# Tolerances are a factor of 10 apart, steps at most one of 2.
ASIDE_POWER = {"steps": 1.0, "tolerance": 2.0}
LARGEST_ACCURACY = {"CIFAR-10": 0.7}
# The paper's main figure shows every second training step size; its supplement shows all.
MAX_COLOURS = 6
NAMES = {"steps": "K = {}", "tolerance": "tol = {:g}"}
LABELS = {"steps": "steps of the test solver", "tolerance": "1 / tolerance of the test solver"}


def table(data: Data, setting: Setting) -> pd.DataFrame:
    """Accuracy per training and test solver with their settings, and selection of seeds.

    Columns: solver_name, solver_<setting>, test_solver, test_solver_<setting>; `own`: tested
    exactly as trained.
    """
    nets = dependence.accuracies(data, setting)
    if setting == "steps":
        # Figure 1 tests two nets from 1 to 4096 steps; Figure 4 shows the factors 1/2 to 2 of the
        # training steps.
        nets = nets.loc[
            (nets["test_solver_steps"] * 2 >= nets["solver_steps"])
            & (nets["test_solver_steps"] <= nets["solver_steps"] * 2)
        ]
    numbers = dependence.both_selections(nets, dependence.cell(setting), "accuracy")
    own = (numbers["solver_name"] == numbers["test_solver"]) & (
        numbers[f"solver_{setting}"] == numbers[f"test_solver_{setting}"]
    )
    return numbers.assign(own=own, data=dependence.label(data))


def figure4(data: Data, setting: Setting, solvers: Sequence[str]) -> pd.DataFrame:
    """`table` of the nets trained with these solvers; panel: its letter."""
    panel_of = dict(zip(solvers, "ab" if setting == "steps" else "cd", strict=True))
    numbers = table(data, setting)
    numbers = numbers.loc[numbers["solver_name"].isin(list(solvers))].reset_index(drop=True)
    return numbers.assign(panel=numbers["solver_name"].map(panel_of))


def by_study(data: Data, setting: Setting) -> pd.DataFrame:
    """`table` of each study one below the other, with `study`; drawn.

    Whether the panels show it.
    """
    parts = []
    for study in dict.fromkeys(data.trials["study"]):
        own = data.where({"study": study})
        try:
            numbers = table(own, setting)
        except ReportError as error:
            raise ReportError(f"{study}: {error}") from None
        adjoint = ", adjoint" if study.endswith("adjoint") else ""
        parts.append(numbers.assign(study=study, data=f"{dependence.label(own)}{adjoint}"))
    numbers = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return numbers.assign(drawn=numbers.index.isin(shown(numbers).index))


def shown(numbers: pd.DataFrame) -> pd.DataFrame:
    """The rows to draw: of each data set those of successful seeds, or all if there are none."""
    successful = numbers.loc[numbers["seeds"] == "successful", "data"]
    return numbers.loc[(numbers["seeds"] == "successful") | ~numbers["data"].isin(list(successful))]


def steps_drawn(numbers: pd.DataFrame) -> list[int]:
    """Training steps that get a colour.

    All, or every second from the coarsest if there are more than six.
    """
    steps = sorted({int(step) for step in shown(numbers)["solver_steps"]})
    return steps[::2] if len(steps) > MAX_COLOURS else steps


def thinned(numbers: pd.DataFrame) -> pd.DataFrame:
    """`shown` with the training steps that Figure 4 draws."""
    rows = shown(numbers)
    return rows.loc[rows["solver_steps"].isin(steps_drawn(numbers))]


def marker(train_solver: str, test_solver: str) -> str:
    """Circle: the training solver.

    Otherwise the solver's own marker (cross midpoint, triangle RK4).

    A square if that is the circle.
    """
    own = SOLVER_MARKERS[test_solver]
    if train_solver == test_solver:
        return "o"
    return "s" if own == "o" else own


def aside(train_solver: str, test_solver: str) -> float:
    """Factor on the position of a test, so that no marker covers another.

    It is 1 for the training solver. The midpoint rule is shifted to the left, every other solver to
    the right.
    """
    if train_solver == test_solver:
        return 1.0
    return 1 / ASIDE if test_solver == "midpoint" else ASIDE


def colours(values: Iterable[float]) -> dict[float, Colour]:
    """One colour per training setting."""
    values = list(values)
    return dict(zip(values, sequential_colours(len(values)), strict=True))


def draw_panel(
    ax: Axes,
    rows: pd.DataFrame,
    colour_of: Mapping[float, Colour],
    setting: Setting,
    data: str,
) -> None:
    """Draw one data set and training solver. rows: those of `table` to draw."""
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
    if not len(rows):
        no_rows(ax)


def _draw_cell(ax: Axes, row: dict[Any, Any], colour: Colour, setting: Setting) -> None:
    symbol = marker(row["solver_name"], row["test_solver"])
    face = colour if row["own"] else lighter(colour)
    style: dict[str, Any] = {"marker": symbol, "color": face, "zorder": 4 if row["own"] else 3}
    if symbol != "x":
        style |= {"markeredgecolor": "black" if row["own"] else colour, "markeredgewidth": 0.5}
    place = row["test_solver_steps"] if setting == "steps" else 1 / row["test_solver_tolerance"]
    place *= aside(row["solver_name"], row["test_solver"]) ** ASIDE_POWER[setting]
    values_with_bars(
        ax, pd.DataFrame([row | {"place": place}]), "place", ecolor=lighter(colour, 0.25), **style
    )


def handles(
    shown: pd.DataFrame, colour_of: Mapping[float, Colour], setting: Setting
) -> "list[Line2D]":
    """The entries of the legend: training settings as colours, then test solvers as markers."""
    entries = [
        handle(linestyle="none", marker="o", color=colour, label=NAMES[setting].format(value))
        for value, colour in colour_of.items()
    ]
    pairs = shown.filter(["solver_name", "test_solver"]).drop_duplicates()
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


def draw(
    numbers: pd.DataFrame, axes: Sequence[Axes], setting: Setting, letters: Mapping[str, str]
) -> None:
    """One row of axes for each data set, one column for each training solver.

    numbers: of `table`, those to draw. letters: training solver -> what stands in front of the
    panel's title.
    """
    colour_of = colours(sorted(set(numbers[f"solver_{setting}"]), reverse=setting == "tolerance"))
    sets = list(dict.fromkeys(numbers["data"]))
    for row, data in enumerate(sets):
        of_set = numbers.loc[numbers["data"] == data]
        row_axes = axes[row * len(letters) : (row + 1) * len(letters)]
        for ax, (solver, letter) in zip(row_axes, letters.items(), strict=True):
            rows = of_set.loc[of_set["solver_name"] == solver]
            draw_panel(ax, rows, colour_of, setting, data)
            ax.set_title(f"{letter}{data}, trained with {SOLVER_LABELS[solver]}", loc="left")
            ax.set_xlabel(LABELS[setting] if row == len(sets) - 1 else "")
        row_axes[0].set_ylabel("test accuracy")
    legend_right(
        axes[-1],
        handles(numbers, colour_of, setting),
        title="trained with / tested with",
        title_fontsize=6.5,
    )


def _figure4_fields(setting: Setting) -> Callable[[Data, pd.DataFrame], dict[str, object]]:
    def fields(data: Data, numbers: pd.DataFrame) -> dict[str, object]:
        fewer = setting == "steps" and len(thinned(numbers)) < len(shown(numbers))
        return {
            "data": numbers["data"].iloc[0],
            "selection": dependence.selection_text(data, setting=setting),
            "thinned": THINNED if fewer else "",
        }

    return fields


def _counted(rows: Callable[[pd.DataFrame], pd.DataFrame]) -> Notes:
    return standard_notes(lambda numbers: rows(numbers).loc[:, "n"])


THINNED = "Every second K is drawn, as in the paper; all are in the CSV."
BY_STEPS = "Colour: K, the number of steps in training (step size 1/K)"
BY_TOLERANCE = "Colour: tolerance (rtol = atol) in training."
TESTED_AT = "Each net is tested with 0.1, 1 and 10 times its tolerance."
DARK = "Dark: tested as trained; light: tested otherwise."
SUPPLEMENT = (
    "Ott 2021, supplement, as Figure 4; what the paper's own panels show beyond that is not known."
)
SUCCESSFUL = (
    "Only nets that trained successfully (final train accuracy > 0.9, on CIFAR-10 0.3); "
    "where none of a data set did, all are shown."
)
SETS = ("sphere2", "sphere3", "sphere10", "sphere900", "mnist")


def _chart(by: str, panel: str, row: str = "") -> VegaChart:
    """Accuracy over the test solver's steps or tolerance, one line per training solver's."""
    trained, tested = f"solver_{by}", f"test_solver_{by}"
    return VegaChart(
        x=tested,
        colour=trained,
        shape="test_solver",
        apart=("seeds",),
        panel=panel,
        row=row,
        log_x=True,
        titles={
            "mean": "test accuracy",
            tested: f"test {by}",
            trained: f"training {by}",
            "solver_name": "trained with",
        },
    )


FIGURES = (
    Figure(
        name="ott2021/figure4",
        study="ott2021/sphere2-fixed",
        needs=("evaluations",),
        numbers=lambda data: figure4(data, "steps", ("euler", "rk4_38")),
        text=(
            f"Ott 2021, Figure 4 (a), (b), on {{data}}. {BY_STEPS}. Each net is tested with K/2 to "
            "2K steps. Circle: solver of training; other markers, set slightly aside: other "
            f"solvers. {DARK} {{selection}} {{thinned}}"
        ),
        fields=_figure4_fields("steps"),
        notes=_counted(thinned),
        draw=lambda numbers, axes: draw(
            thinned(numbers), axes, "steps", {"euler": "(a) ", "rk4_38": "(b) "}
        ),
        chart=_chart("steps", "solver_name"),
        panels=(1, 2),
        size_inches=(FULL_INCHES, 2.6),
    ),
    Figure(
        name="ott2021/figure4_adaptive",
        study="ott2021/cifar10-adaptive",
        needs=("evaluations:figure4",),
        axes=("solver.tolerance",),
        numbers=lambda data: figure4(data, "tolerance", ("fehlberg2", "dopri5")),
        text=(
            f"Ott 2021, Figure 4 (c), (d), on {{data}}. {BY_TOLERANCE} {TESTED_AT} Circle: solver "
            f"of training; diamond, set slightly aside: Dopri5. {DARK} {{selection}}"
        ),
        fields=_figure4_fields("tolerance"),
        notes=_counted(shown),
        draw=lambda numbers, axes: draw(
            shown(numbers), axes, "tolerance", {"fehlberg2": "(c) ", "dopri5": "(d) "}
        ),
        chart=_chart("tolerance", "solver_name"),
        panels=(1, 2),
        size_inches=(FULL_INCHES, 2.6),
    ),
    Figure(
        name="ott2021/supplement_fixed",
        study=(
            *(f"ott2021/{name}-fixed" for name in (*SETS, "cifar10")),
            "ott2021/sphere2-adjoint",
        ),
        needs=("evaluations:figure4",),
        numbers=lambda data: by_study(data, "steps"),
        text=(
            f"{SUPPLEMENT} {BY_STEPS}, all that were trained. Each net is tested with K/2 to 2K "
            "steps. Left: trained with Euler; right: with the 3/8 rule. Circle: solver of "
            f"training; other markers, set slightly aside: other solvers. {DARK} {SUCCESSFUL}"
        ),
        notes=_counted(shown),
        draw=lambda numbers, axes: draw(shown(numbers), axes, "steps", {"euler": "", "rk4_38": ""}),
        chart=_chart("steps", "data", "solver_name"),
        panels=one_row_each("study", 2),
        size_inches=(FULL_INCHES, 8.6 / 7),
    ),
    Figure(
        name="ott2021/supplement_adaptive",
        study=tuple(f"ott2021/{name}-adaptive" for name in SETS),
        needs=("evaluations:figure4",),
        numbers=lambda data: by_study(data, "tolerance"),
        text=(
            f"{SUPPLEMENT} {BY_TOLERANCE} {TESTED_AT} Left: trained with Fehlberg 2(1); right: "
            "with Dormand-Prince 5(4). Circle: solver of training; diamond, set slightly aside: "
            f"Dopri5. {DARK} {SUCCESSFUL}"
        ),
        notes=_counted(shown),
        draw=lambda numbers, axes: draw(
            shown(numbers), axes, "tolerance", {"fehlberg2": "", "dopri5": ""}
        ),
        chart=_chart("tolerance", "data", "solver_name"),
        panels=one_row_each("study", 2),
        size_inches=(FULL_INCHES, 7.2 / 5),
    ),
)
