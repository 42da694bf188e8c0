"""Heat maps of the cross grid: small tiles with a number.

A tile says how many seeds it has if some are missing, and why it has no number.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.cross import grid
from analysis.legend import legend_below
from analysis.style import NORM_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

FONT, SMALL_FONT = 5.8, 4.8
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
}


def draw_tiles(
    ax: "Axes",
    numbers: pd.DataFrame,
    rows: str,
    columns: str,
    *,
    limits: tuple[float, float],
    colours: str,
    text: Callable[[float], str],
    labels: Callable[[str], str] = str,
    row_labels: bool = True,
) -> "ScalarMappable":
    """Draw one tile per row of `numbers` and return what a colour bar needs.

    numbers: mean, done (numbers behind it), planned, failed, unresolved, missing. `rows` are
    normalizations, each with its colour beside the name. If not all planned runs of a tile are
    done, it says so below the number. labels: of the columns. row_labels: whether to print the
    names of the rows.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    down, across = (list(dict.fromkeys(numbers[name])) for name in (rows, columns))
    scale = ScalarMappable(Normalize(*limits), colormaps[colours])
    for cell in numbers.to_dict("records"):
        _draw_tile(ax, across.index(cell[columns]), down.index(cell[rows]), cell, scale, text)
    ax.set(xlim=(0, len(across)), ylim=(len(down), 0))
    ax.set_xticks(np.arange(len(across)) + 0.5, [labels(name) for name in across])
    ax.set_yticks(
        np.arange(len(down)) + 0.5, [grid.norm_label(name) if row_labels else "" for name in down]
    )
    ax.tick_params(length=0, labelsize=6.5)
    ax.tick_params(axis="y", pad=8)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if row_labels:
        swatches(ax, down)
    return scale


def swatches(ax: "Axes", norms: Sequence[str], width: float = 1.0) -> None:
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


def _draw_tile(
    ax: "Axes",
    x: int,
    y: int,
    cell: Mapping[Any, Any],
    scale: "ScalarMappable",
    text: Callable[[float], str],
) -> None:
    from matplotlib.patches import Rectangle

    if cell["done"]:
        colour = scale.to_rgba(cell["mean"])
        ink = "white" if float(np.dot(colour[:3], (0.299, 0.587, 0.114))) < 0.52 else "0.1"
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.7))
        partly = cell["done"] < cell["planned"]
        ax.text(
            x + 0.5,
            y + (0.40 if partly else 0.52),
            text(cell["mean"]),
            fontsize=FONT,
            color=ink,
            ha="center",
            va="center",
        )
        if partly:
            ax.text(
                x + 0.5,
                y + 0.79,
                f"{cell['done']:.0f}/{cell['planned']:.0f}",
                fontsize=SMALL_FONT,
                color=ink,
                ha="center",
                va="center",
            )
        return
    style = EMPTY[reason(cell)]
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

    A failure counts before unresolved, and both before missing.
    """
    return next((name for name in ("failed", "unresolved") if cell.get(name, 0) > 0), "missing")


def tile_legend(ax: "Axes", numbers: pd.DataFrame) -> None:
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
    if grid.some((numbers["done"] > 0) & (numbers["done"] < numbers["planned"])):
        handles.append(
            Patch(facecolor="none", edgecolor="none", label="2/3: mean of 2 of 3 planned")
        )
    if handles:
        legend_below(ax, handles, len(handles), handlelength=1.4)


def colour_bar(
    scale: "ScalarMappable", axes: "Sequence[Axes]", label: str, place: str = "right"
) -> None:
    """A thin bar beside these axes."""
    figure = axes[0].get_figure(root=False)
    assert figure is not None
    bar = figure.colorbar(
        scale, ax=list(axes), label=label, location=place, aspect=28, shrink=0.9, pad=0.015
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
