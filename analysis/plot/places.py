"""The horizontal axis of pictures of any study: numbers, or names one beside another."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from analysis.drawing.style import Axes
from analysis.plot.look import CHARACTER
from analysis.plot.names import numeric, value_label
from analysis.plot.words import labels

# Below this factor between largest and smallest an axis is never logarithmic.
LOG_FROM = 8
MARGIN = 0.04


@dataclass(frozen=True)
class Across:
    """The horizontal axis. places: value -> place; none of numbers, which are their own places."""

    values: list[Any]
    places: Mapping[Any, int]
    log: bool = False

    def at(self, rows: pd.DataFrame, column: str, offset: Sequence[float]) -> list[float]:
        """The place of each row. offset: beside it, only between names."""
        if not self.places:
            return [float(value) for value in rows[column]]
        return [
            self.places[value] + beside for value, beside in zip(rows[column], offset, strict=True)
        ]

    def finish(self, ax: Axes, width: float) -> None:
        """The same range in all panels, ticks at the values. width: of the panel in inches."""
        if self.places:
            words = list(labels(self.values).values())
            ax.set_xticks(list(self.places.values()), words)
            ax.set_xlim(-0.6, len(words) - 0.4)
            fit_ticks(ax, words, width)
            return
        low, high = float(self.values[0]), float(self.values[-1])
        if self.log:
            ax.set_xlim(low * (low / high) ** MARGIN, high * (high / low) ** MARGIN)
        elif high > low:
            ax.set_xlim(low - MARGIN * (high - low), high + MARGIN * (high - low))
        words = [value_label(value) for value in self.values]
        if len(words) <= 10 and max(map(len, words)) <= 7:
            ax.set_xticks(self.values, words)
            ax.minorticks_off()
            fit_ticks(ax, words, width)
        elif self.log:
            ax.xaxis.set_minor_formatter("")


def across(values: Iterable[Any], names: bool = False) -> Across:
    """The horizontal axis for these values. names: numbers stand like names, one beside another."""
    found = list(dict.fromkeys(values))
    if numeric(found) and not names:
        found = sorted(found)
        return Across(found, {}, _geometric(found))
    found = sorted(found) if numeric(found) else found
    return Across(found, {value: place for place, value in enumerate(found)})


def _geometric(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis puts these ascending values at more equal distances."""
    if len(values) < 3 or values[0] <= 0 or values[-1] < LOG_FROM * values[0]:
        return False
    plain, log = np.diff(values), np.diff(np.log(np.asarray(values, dtype=float)))
    return bool(max(log) / min(log) < max(plain) / min(plain))


def fit_ticks(ax: Axes, words: Sequence[str], width: float) -> None:
    """Turn tick labels that would overlap. width: of all of them, in inches."""
    place, lengths = width / max(1, len(words)), [len(word) for word in words] or [0]
    beside = [(one + other) / 2 for one, other in pairwise(lengths)] or lengths
    if (max(beside) + 1) * CHARACTER <= place:
        return
    if max(lengths) <= 4 or place < 0.2:
        ax.tick_params(axis="x", rotation=90)
        return
    ax.tick_params(axis="x", rotation=35)
    for text in ax.get_xticklabels():
        text.set(ha="right", rotation_mode="anchor")


def in_bytes(ax: Axes, metric: str, axis: str) -> None:
    """Ticks such as 200 MB where the metric counts bytes. axis: "x" or "y"."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    if metric.endswith("_bytes"):
        place = getattr(ax, f"{axis}axis")
        place.set_major_formatter(EngFormatter("B"))
        if place.get_scale() == "linear":
            place.set_major_locator(MaxNLocator(3))
