"""The panels of pictures of any study: how many beside one another, their titles and labels."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.drawing.shared import no_rows
from analysis.drawing.style import COLUMN_INCHES, FULL_INCHES, Axes
from analysis.plot.look import CHARACTER
from analysis.plot.words import labels, short
from analysis.rows.data import TEST
from analysis.rows.frames import tuples


def panels_of(rows: pd.DataFrame, cols: Sequence[str]) -> list[tuple[Any, ...]]:
    """The panels, in the order of the numbers."""
    if not cols:
        return [()]
    return list(dict.fromkeys(tuples(rows, *cols)))


def shape(keys: Sequence[tuple[Any, ...]], most: int = 6) -> tuple[int, int]:
    """Rows and columns of panels. most: columns.

    Of several axes each value of the last gets its column where that fits.
    """
    count = len(keys)
    last = len({key[-1] for key in keys}) if keys[0] else 1
    if len(keys[0]) > 1 and 1 < last <= most and count % last == 0 and count <= 3 * last**2:
        return count // last, last
    columns = min(count, most, count if count <= 4 else 3 if count <= 6 else 4)
    if count > 16:
        columns = min(most, 5)
    return math.ceil(count / columns), columns


def width_of(columns: int) -> float:
    """The width of a figure with this many panels beside one another, in inches."""
    return FULL_INCHES if columns > 1 else COLUMN_INCHES


def page_width(ax: Axes) -> float:
    """The width of the whole figure in inches."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(figure.get_size_inches()[0])


def each(
    axes: Sequence[Axes], rows: pd.DataFrame, cols: Sequence[str], columns: int
) -> Iterator[tuple[int, pd.DataFrame, Axes]]:
    """Index, rows and axes of each panel, with its title; axes left over are turned off.

    columns: of panels, beside one another.
    """
    keys = panels_of(rows, cols)
    for ax in axes[len(keys) :]:
        ax.set_axis_off()
    words = {column: labels(rows[column]) for column in cols}
    places = list(tuples(rows, *cols))
    room = max(8, int(page_width(axes[0]) / columns / CHARACTER / 1.2) - 4)
    texts = [
        ", ".join(
            _panel_word(name, value, words[name][value])
            for name, value in zip(cols, key, strict=True)
        )
        for key in keys
    ]
    titles = [textwrap.wrap(text, room) or [""] for text in texts]
    many = room < 20 or any(len(lines) > 1 for lines in titles)
    small: dict[str, Any] = {"fontsize": 6.5} if many else {}
    for index, (key, ax) in enumerate(zip(keys, axes, strict=False)):
        shown = rows.loc[[place == key for place in places]] if cols else rows
        # The alphabet has 26 letters.
        letter = f"({chr(ord('a') + index)}) " if 1 < len(keys) <= 26 else ""
        ax.set_title(letter + "\n".join(titles[index]), loc="left", **small)
        yield index, shown, ax


def _panel_word(column: str, value: Any, word: str) -> str:
    """`steps = 4`, `test midpoint` or `batch`: a name alone says which axis it is of."""
    if isinstance(value, str) and value and column.startswith(TEST):
        return f"test {word}"
    # Not broken into two lines at its spaces.
    return word if isinstance(value, str) and value else f"{short(column)}\u00a0=\u00a0{word}"


def edges(axes: Sequence[Axes], columns: int, x: str, y: str) -> None:
    """Labels only at the left and at the bottom, and one range of numbers for all panels.

    A panel of which nothing has run says so.
    """
    shown = [ax for ax in axes if ax.axison]
    limits = [
        end for ax in shown if np.isfinite(ax.dataLim.intervaly).all() for end in ax.get_ylim()
    ] or [0.0, 1.0]
    for index, ax in enumerate(shown):
        if not ax.has_data():
            no_rows(ax)
        ax.set_ylim(min(limits), max(limits))
        ax.set_xlabel(x if index + columns >= len(shown) else "")
        ax.set_ylabel(y if index % columns == 0 else "")
        if index % columns:
            ax.tick_params(axis="y", labelleft=False)
