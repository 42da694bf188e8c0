"""Gusak 2020, Figure 1: accuracy of trained ODENet4 under other solvers, against NFE."""

from collections.abc import Sequence

import pandas as pd

from analysis import published
from analysis.drawing.figure import Figure
from analysis.drawing.legend import handle, legend_below, published_handle
from analysis.drawing.shared import band, draw_published, mark_at
from analysis.drawing.style import FULL_INCHES, NORM_COLOURS, SOLVER_LABELS, SOLVER_MARKERS, Axes
from analysis.drawing.vega import VegaChart
from analysis.gusak2020.smoothness import AXES, NEEDS, NORM, STEPS, STUDY, tested
from analysis.rows.cells import cells, or_nothing
from analysis.rows.data import Data

TEXT = (
    "Gusak 2020, Figure 1. Test accuracy of ODENet4 under other solvers than in training, against "
    "the NFE (calls of the right-hand side) of one solve. Rows: trained with n Euler steps; dashed "
    "vertical line: n. Columns: batch norm after the first layer, then the normalization of the "
    "ODE block. RK2 is the midpoint method, RK4 the classical one. {crosses}{published}"
)
# The rows that the paper shows, if trained; columns in its order.
ROWS = (2, 16, 32)
COLUMNS = {
    "batch": "BN-BN",
    "layer": "BN-LN",
    "none": "BN-NF",
    "spectral": "BN-SN",
    "weight": "BN-WN",
}
LINES = {"euler": "-", "midpoint": (0, (4, 1.5)), "rk4": (0, (1, 1.2))}
TRAINED = {"color": "crimson", "linestyle": (0, (4, 2)), "linewidth": 0.7}


def table(data: Data) -> pd.DataFrame:
    """Accuracy by ODE norm, training steps, test solver and NFE.

    Columns: axis.model.ode_norm, axis.solver.steps (of the training), test.solver, nfe_per_solve
    with n, mean, low, high, failed.
    """
    return or_nothing(
        cells(tested(data), [STEPS, NORM, "test.solver", "nfe_per_solve"], "accuracy")
    )


def _fields(_data: Data, numbers: pd.DataFrame) -> dict[str, str]:
    return {
        "crosses": "Crosses at the foot: no finite result. " if len(_failed(numbers)) else "",
        "published": published.sources(_published(numbers)),
    }


def _published(numbers: pd.DataFrame) -> pd.DataFrame:
    known = published.values("gusak2020", "figure1")
    return known.loc[
        known["ode_norm"].isin(list(numbers[NORM])) & known["steps"].isin(list(numbers[STEPS]))
    ]


def _failed(numbers: pd.DataFrame) -> pd.DataFrame:
    return numbers.loc[(numbers["n"] == 0) & (numbers["failed"] > 0)]


def draw(numbers: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Line style and marker: test solver; colour: normalization."""
    rows = [steps for steps in ROWS if steps in set(numbers[STEPS])]
    columns = [norm for norm in COLUMNS if norm in set(numbers[NORM])]
    known = _published(numbers)
    top = max(0.76, 1.04 * float(numbers.loc[:, "maximum"].max()))
    for place, ax in enumerate(axes):
        steps, norm = rows[place // len(columns)], columns[place % len(columns)]
        ax.axvline(steps, **TRAINED)
        _draw_panel(ax, numbers.loc[(numbers[STEPS] == steps) & (numbers[NORM] == norm)], norm)
        points = known.loc[(known["ode_norm"] == norm) & (known["steps"] == steps)]
        draw_published(ax, points["nfe_per_solve"], points["value"], label="_", markersize=3.2)
        ax.set(xlim=(-4, 162), ylim=(0, top), xticks=(0, 50, 100, 150))
        ax.tick_params(
            labelbottom=place >= len(axes) - len(columns), labelleft=place % len(columns) == 0
        )
        if place < len(columns):
            ax.set_title(COLUMNS[norm])
        if place % len(columns) == 0:
            ax.set_ylabel(f"trained: Euler, {steps}\ntest accuracy")
    axes[len(axes) - len(columns) // 2 - 1].set_xlabel("NFE of the test")
    _legend(axes[0], numbers)


def _draw_panel(ax: Axes, rows: pd.DataFrame, norm: str) -> None:
    colour = NORM_COLOURS[norm]
    for solver, line in LINES.items():
        own = rows.loc[rows["test.solver"] == solver].sort_values("nfe_per_solve")
        done = own.loc[own["n"] > 0]
        style = {
            "color": colour,
            "linestyle": line,
            "marker": SOLVER_MARKERS[solver],
            "markersize": 2,
            "markeredgewidth": 0.5,
            "linewidth": 0.8,
        }
        ax.plot(done["nfe_per_solve"], done["mean"], **style)
        band(ax, done, "nfe_per_solve", colour)
        mark_at(ax, _failed(own)["nfe_per_solve"], 0.02, color=colour)


def _legend(ax: Axes, numbers: pd.DataFrame) -> None:
    names = {
        "euler": "Euler",
        "midpoint": f"RK2 ({SOLVER_LABELS['midpoint']})",
        "rk4": SOLVER_LABELS["rk4"],
    }
    shown = [solver for solver in LINES if solver in set(numbers["test.solver"])]
    handles = [
        handle(
            color="0.35",
            linestyle=LINES[one],
            marker=SOLVER_MARKERS[one],
            markersize=2.5,
            label=names[one],
        )
        for one in shown
    ]
    legend_below(
        ax,
        [
            *handles,
            handle(**TRAINED, label="n in training"),
            published_handle("published (read off)"),
        ],
        5,
        handlelength=2.6,
    )


FIGURE = Figure(
    name="gusak2020/figure1",
    study=STUDY,
    needs=NEEDS,
    axes=AXES,
    used=lambda data: data.where({"model.stem_norm": "batch", "solver.steps": ROWS}),
    numbers=table,
    text=TEXT,
    fields=_fields,
    draw=draw,
    # One row per number of training steps, one column per normalization.
    panels=lambda numbers: (len(set(numbers[STEPS])), len(set(numbers[NORM]))),
    size_inches=(FULL_INCHES, 4.6 / 3),
    chart=VegaChart(
        x="nfe_per_solve",
        colour="test.solver",
        panel=NORM,
        row=STEPS,
        log_x=True,
        titles={"mean": "test accuracy", "nfe_per_solve": "NFE per solve", STEPS: "training steps"},
    ),
)
