"""Heat maps of small tiles with a number, drawn with seaborn.

A tile says how many seeds it has if some are missing, and why it has no number.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.drawing.legend import legend_below
from analysis.drawing.style import NORM_COLOURS, NORM_LABELS, Axes

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

FONT = 5.8
FAILED_COLOUR, MISSING_COLOUR, UNRESOLVED_COLOUR = "#F3D9D9", "#F4F4F4", "#ECECEC"
MINUS = "\u2212"
# Why a tile has no number -> its style, its sign and what the legend says.
EMPTY: dict[str, dict[str, Any]] = {
    "failed": {
        "facecolor": FAILED_COLOUR,
        "edgecolor": "#C98A8A",
        "hatch": "/////",
        "sign": "\u00d7",
        "label": "\u00d7 failed: no number",
    },
    "unresolved": {
        "facecolor": UNRESOLVED_COLOUR,
        "edgecolor": "#A8A8A8",
        "hatch": "......",
        "sign": "?",
        "label": "? unresolved",
    },
    "missing": {
        "facecolor": MISSING_COLOUR,
        "edgecolor": "#DDDDDD",
        "hatch": None,
        "sign": "",
        "label": "no run yet",
    },
    "unplanned": {
        "facecolor": "white",
        "edgecolor": "#DDDDDD",
        "hatch": None,
        "sign": "\u2013",
        "label": "\u2013 not planned",
    },
}


def norm_label(name: str) -> str:
    """The normalization as figures print it."""
    return NORM_LABELS.get(name) or name


def draw_tiles(
    ax: Axes,
    numbers: pd.DataFrame,
    rows: str,
    columns: str,
    *,
    limits: tuple[float, float],
    colours: str,
    text: Callable[[float], str],
    labels: Callable[[str], str] = str,
    names: Callable[[str], str] = norm_label,
    row_labels: bool = True,
) -> "ScalarMappable":
    """Draw one tile per row of `numbers` and return what a colour bar needs.

    numbers: mean, done (numbers behind it), planned, failed, unresolved, missing. If not all
    planned runs of a tile are done, it says so below the number. rows, columns: columns of
    `numbers`, in the order of their values; normalizations as rows have their colours beside the
    names. labels: of the columns. names: of the rows. row_labels: whether to print them.
    """
    import seaborn as sns

    down, across = (list(dict.fromkeys(numbers[name])) for name in (rows, columns))
    means = np.full((len(down), len(across)), np.nan)
    notes = np.full(means.shape, "", dtype=object)
    for cell in numbers.to_dict("records"):
        place = down.index(cell[rows]), across.index(cell[columns])
        if cell["done"]:
            partly = cell["done"] < cell["planned"]
            count = f"\n{cell['done']:.0f}/{cell['planned']:.0f}" if partly else ""
            means[place], notes[place] = cell["mean"], text(cell["mean"]) + count
        else:
            _draw_empty(ax, *place, reason(cell))
    sns.heatmap(
        means,
        mask=np.isnan(means),
        vmin=limits[0],
        vmax=limits[1],
        cmap=colours,
        annot=notes,
        fmt="",
        annot_kws={"fontsize": FONT},
        linewidths=0.7,
        cbar=False,
        ax=ax,
    )
    ax.set_xticks(np.arange(len(across)) + 0.5, [labels(name) for name in across], rotation=0)
    printed = [names(name) if row_labels else "" for name in down]
    ax.set_yticks(np.arange(len(down)) + 0.5, printed, rotation=0)
    ax.tick_params(length=0, labelsize=6.5)
    if row_labels and set(down) <= set(NORM_COLOURS):
        ax.tick_params(axis="y", pad=8)
        swatches(ax, down)
    (scale,) = ax.collections
    return scale


def swatches(ax: Axes, norms: Sequence[str], width: float = 1.0) -> None:
    """Draw each normalization's colour to the left of its row. width: rows per normalization."""
    for place, name in enumerate(norms):
        where = {
            "xy": (0.0, (place + 0.5) * width),
            "xycoords": ax.get_yaxis_transform(),
            "xytext": (-4, 0),
            "textcoords": "offset points",
        }
        ax.annotate(
            "■",
            **where,
            color=NORM_COLOURS.get(name, "0.5"),
            fontsize=5.5,
            ha="center",
            va="center_baseline",
            annotation_clip=False,
        )


def _draw_empty(ax: Axes, y: int, x: int, why: str) -> None:
    """A tile without a number, with the sign that says why."""
    from matplotlib.patches import Rectangle

    style = EMPTY[why]
    shown = {key: style[key] for key in ("facecolor", "edgecolor", "hatch")}
    ax.add_patch(Rectangle((x + 0.04, y + 0.05), 0.92, 0.9, linewidth=0, **shown))
    if style["sign"]:
        box = {
            "boxstyle": "round,pad=0.15,rounding_size=0.4",
            "facecolor": style["facecolor"],
            "edgecolor": "none",
        }
        ax.text(
            x + 0.5,
            y + 0.52,
            style["sign"],
            fontsize=FONT,
            color="0.25",
            ha="center",
            va="center",
            bbox=box,
        )


def reason(cell: Mapping[Any, Any]) -> str:
    """Why a tile has no number.

    A failure counts before unresolved, and both before missing; or it was never planned.
    """
    if cell.get("planned", 1) == 0:
        return "unplanned"
    return next((name for name in ("failed", "unresolved") if cell.get(name, 0) > 0), "missing")


def tile_legend(ax: Axes, numbers: pd.DataFrame) -> None:
    """Explain the signs that occur, below all panels."""
    from matplotlib.patches import Patch

    empty = [reason(cell) for cell in numbers.loc[numbers["done"] == 0].to_dict("records")]
    handles: list[Any] = [
        Patch(
            linewidth=0.3,
            **{key: style[key] for key in ("facecolor", "edgecolor", "hatch", "label")},
        )
        for name, style in EMPTY.items()
        if name in empty
    ]
    if ((numbers["done"] > 0) & (numbers["done"] < numbers["planned"])).to_numpy().any():
        handles.append(
            Patch(facecolor="none", edgecolor="none", label="2/3: mean of 2 of 3 planned")
        )
    if handles:
        legend_below(ax, handles, len(handles), handlelength=1.4)


def colour_bar(scale: "ScalarMappable", axes: Sequence[Axes], label: str) -> None:
    """A thin bar beside these axes."""
    figure = axes[0].get_figure(root=False)
    assert figure is not None
    bar = figure.colorbar(
        scale, ax=list(axes), label=label, location="right", aspect=28, shrink=0.9, pad=0.015
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, labelsize=6)


def plain(value: float) -> str:
    """.912: a share without its leading zero."""
    return f"{value:.3f}".removeprefix("0") if value < 0.9995 else "1.00"


def signed(value: float) -> str:
    """+.02 and −.12: a difference with its sign."""
    digits = f"{abs(value):.2f}".removeprefix("0")
    return digits if float(digits) == 0 else f"{'+' if value > 0 else MINUS}{digits}"
