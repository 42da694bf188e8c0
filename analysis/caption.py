"""Captions: every one says n, the interval, the scale, what is missing, what failed and what was overridden."""

from collections.abc import Iterable

import pandas as pd

from analysis.data import Data

INTERVAL = "95 % Student t interval over seeds"


def compose(text: str, data: Data, needs: Iterable[str], n: pd.Series) -> str:
    """The figure's own text followed by what every caption must say. n: seeds behind each number drawn."""
    needs = tuple(needs)
    parts = [" ".join(text.split()), interval_text(n), scale_text(data), failures_text(data, needs), missing_text(data, needs)]
    return " ".join(part for part in parts if part)


def interval_text(n: pd.Series) -> str:
    """How many seeds a number stands for, and which interval its bar is."""
    if not len(n):
        return "No accuracies yet: n = 0, no interval."
    smallest, largest = int(n.min()), int(n.max())
    seeds = f"n = {smallest}" if smallest == largest else f"n = {smallest} to {largest}"
    if largest < 3:
        return f"{seeds} per point: single seeds are shown, no interval."
    singles = "; single seeds where n < 3" if smallest < 3 else ""
    return f"Mean over seeds, {seeds} per point; bars: {INTERVAL}{singles}."


def scale_text(data: Data) -> str:
    """The plan, the sentence that says its scale, and its overrides if any."""
    overrides = f" Overridden: {data.plan.overrides}." if data.plan.overrides else ""
    return f"Plan {data.plan.name}: {data.plan.scale_label.rstrip('.')}.{overrides}"


def failures_text(data: Data, needs: Iterable[str]) -> str:
    """Counts of runs that ended in a scientific failure; they are shown nowhere else and never averaged."""
    counts = data.failures(needs)
    return "Not averaged: " + ", ".join(f"{n} {outcome}" for outcome, n in counts.items()) + "." if counts else ""


def missing_text(data: Data, needs: Iterable[str]) -> str:
    """How much of the plan has no row yet."""
    needs = tuple(needs)
    counts = data.missing(needs).value_counts("kind")
    planned = {"trial": len(data.planned_trials(needs)), "evaluations": len(data.plan.evaluations)}
    words = {"trial": "trials", "evaluations": "evaluations"}
    parts = [
        f"{n} of {planned[kind]} {words[kind]}" if kind in planned else f"{n} probes ({str(kind).removeprefix('probe_')})"
        for kind, n in ((str(key), int(value)) for key, value in counts.items())
    ]
    return f"Missing: {', '.join(parts)}." if parts else ""
