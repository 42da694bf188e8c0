"""Legends with the same meaning in every figure.

A colour is a normalization, a marker is a solver.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from analysis.drawing.style import NORM_COLOURS, NORM_LABELS, PUBLISHED, Axes

if TYPE_CHECKING:
    from matplotlib.lines import Line2D


def norm_style(name: str) -> dict[str, Any]:
    """Colour and label of a normalization, by its name in the spec."""
    return {"color": NORM_COLOURS[name], "label": NORM_LABELS[name]}


def norm_handles(names: Iterable[str]) -> "list[Line2D]":
    """One line per normalization."""
    return [handle(**norm_style(name)) for name in dict.fromkeys(names)]


def published_handle(label: str = "published") -> "Line2D":
    """The mark of published values."""
    return handle(**PUBLISHED, label=label)


def failed_handle() -> "Line2D":
    """The mark of runs that failed."""
    return handle(
        color="0.35",
        linestyle=(0, (3, 2)),
        linewidth=0.7,
        marker="x",
        markersize=4,
        label="failed: last value",
    )


def handle(**style: Any) -> "Line2D":
    """A legend's entry with these properties of lines."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **style)


def legend_below(
    ax: Axes, handles: "Iterable[Line2D] | None" = None, columns: int = 6, **more: Any
) -> None:
    """One legend for the whole figure, below all panels.

    handles: if None, the labels of the axes.
    """
    _figure_legend(
        ax,
        handles,
        "outside lower center",
        **({"ncols": columns, "columnspacing": 1.0, "handlelength": 1.6} | more),
    )


def legend_right(ax: Axes, handles: "Iterable[Line2D] | None" = None, **more: Any) -> None:
    """One legend for the whole figure, to the right of all panels."""
    _figure_legend(ax, handles, "outside right center", alignment="left", **more)


def _figure_legend(ax: Axes, handles: "Iterable[Line2D] | None", place: Any, **more: Any) -> None:
    figure = ax.get_figure(root=False)
    assert figure is not None
    if handles is None:
        labelled: dict[str, Any] = {}
        for axes in figure.axes:
            for artist, label in zip(*axes.get_legend_handles_labels(), strict=True):
                labelled.setdefault(label, artist)
        figure.legend(list(labelled.values()), list(labelled), loc=place, **more)
    else:
        figure.legend(handles=list(handles), loc=place, **more)
