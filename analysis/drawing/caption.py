"""Captions.

Every caption says n, the interval, the scale, what is missing, what failed and what was overridden.
"""

from collections.abc import Callable, Iterable

import pandas as pd

from analysis.rows.data import Data
from analysis.rows.stats import MIN_N_INTERVAL
from sweeps.store import PlanInfo

INTERVAL = "95 % Student t interval over seeds"
# If there are more plans of one scale than this, they are counted, not named.
MAX_NAMED = 4


# Of the data shown, what a figure needs and its numbers: the sentences that follow the caption's
# own text.
Notes = Callable[[Data, tuple[str, ...], pd.DataFrame], list[str]]


def seeds(numbers: pd.DataFrame) -> pd.Series:
    """The n behind each number; 1 where single runs are shown.

    Lines of failed runs do not count.
    """
    if "n" not in numbers:
        return pd.Series([1])
    if "line" in numbers:
        numbers = numbers.loc[numbers["line"] != "failed"]
    return numbers.loc[:, "n"]


def standard_notes(
    shown: Callable[[pd.DataFrame], pd.Series] = seeds,
    spread: Callable[[pd.DataFrame], str] | None = None,
) -> Notes:
    """Sentences on n and interval, scale, what failed and what is missing.

    shown: gives the n of the numbers shown. spread: says n and interval in another way.
    """

    def notes(data: Data, needs: tuple[str, ...], numbers: pd.DataFrame) -> list[str]:
        return [
            spread(numbers) if spread else interval_text(shown(numbers)),
            ends_text(numbers),
            scale_text(data),
            failures_text(data, needs),
            missing_text(data, needs),
        ]

    return notes


STANDARD_NOTES = standard_notes()


def scale_only(data: Data, _needs: tuple[str, ...], _numbers: pd.DataFrame) -> list[str]:
    """For numbers that count what ran and are no means over seeds."""
    return [scale_text(data)]


def interval_text(n: pd.Series) -> str:
    """How many seeds a number stands for, and which interval its bar, its band or its ± shows."""
    n = n.dropna().loc[lambda counts: counts > 0]
    if not len(n):
        return "No numbers yet: n = 0, no interval."
    smallest, largest = int(n.min()), int(n.max())
    seeds = count_text(n)
    if largest < 3:
        return f"{seeds} per point: single seeds are shown, no interval."
    singles = "; single seeds where n < 3" if smallest < 3 else ""
    return f"Mean and {INTERVAL}, {seeds} per point{singles}."


def ends_text(numbers: pd.DataFrame) -> str:
    """Says that intervals of shares, also in percent, are cut, where one of them is."""
    if not {"n", "low", "high"} <= set(numbers):
        return ""
    many = numbers.loc[numbers["n"] >= MIN_N_INTERVAL]
    cut = many["low"].eq(0.0) | many["high"].isin([1.0, 100.0])
    return "Intervals of shares end at 0 and 1." if cut.any() else ""


def count_text(n: pd.Series) -> str:
    """`n = 3` or `n = 1 to 3`, of counts of which there is at least one."""
    smallest, largest = int(n.min()), int(n.max())
    return f"n = {smallest}" if smallest == largest else f"n = {smallest} to {largest}"


def half_widths(numbers: pd.DataFrame) -> str:
    """For figures without bars: the n of each number and the half-widths of the intervals."""
    n = numbers.loc[numbers["n"] > 0, "n"]
    if not len(n):
        return "No numbers yet: n = 0, no interval."
    seeds = count_text(n)
    # An end that is cut says nothing about the width.
    mean = numbers["mean"]
    longer = (numbers["high"] - mean).clip(lower=mean - numbers["low"])
    half = longer.loc[numbers["n"] >= MIN_N_INTERVAL].dropna()
    if not len(half):
        return f"Mean over seeds, {seeds} per number: no interval below n = {MIN_N_INTERVAL}."
    return (
        f"Mean over seeds, {seeds} per number; half-width of the 95 % Student t interval over "
        f"seeds: median {half.median():.2g}, "
        f"at most {half.max():.2g} (the CSV has each)."
    )


def scale_text(data: Data) -> str:
    """Each plan with the sentence that names its scale, and its overrides if any.

    Also generated data, and studies without a plan here.
    """
    sentences = [_plan_text(plan) for plan in data.plans[:MAX_NAMED]]
    if len(data.plans) > MAX_NAMED:
        sentences = [f"{len(data.plans)} plans: {data.names}."]
    if data.larger:
        words = dict.fromkeys(word for plan in data.larger for word in plan.overrides)
        sentences.append(f"With what was added: {' '.join(words)}.")
    if "data_source" in data.runs and "generated" in set(data.runs["data_source"]):
        sentences.append("Trained on generated data, not on the real set.")
    if data.unplanned:
        sentences.append(f"Not planned here: {', '.join(data.unplanned)}.")
    return " ".join(sentences)


def _plan_text(plan: PlanInfo) -> str:
    overrides = f" Overridden: {' '.join(plan.overrides)}." if plan.overrides else ""
    return f"Plan {plan.name}: {plan.scale_label.rstrip('.')}.{overrides}"


def failures_text(data: Data, needs: Iterable[str]) -> str:
    """Counts of runs that ended in a scientific failure. They are never averaged."""
    counts = data.failures(needs)
    return (
        "Not averaged: " + ", ".join(f"{n} {outcome}" for outcome, n in counts.items()) + "."
        if counts
        else ""
    )


def missing_text(data: Data, needs: Iterable[str]) -> str:
    """How much of the plan has no row yet."""
    needs = tuple(needs)
    parts = []
    for kind, n in data.missing(needs).groupby("kind", sort=False).size().items():
        table, _, grid = str(kind).partition(":")
        of = f" ({grid})" if grid else ""
        if table == "trial":
            parts.append(f"{n} of {len(data.planned_trials(needs))} trials")
        elif table == "evaluations":
            parts.append(f"{n} of {len(data.planned(str(kind)))} evaluations{of}")
        else:
            parts.append(
                f"{n} probes ({table.removeprefix('probe_')}{': ' + grid if grid else ''})"
            )
    return f"Missing: {', '.join(parts)}." if parts else ""
