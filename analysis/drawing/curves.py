"""Curves over epochs or iterations.

Mean and interval over seeds, and each failed run as a separate line.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.drawing.shared import band, mark_at
from analysis.drawing.style import Axes
from analysis.rows.cells import STATISTICS, one_per_seed
from analysis.rows.data import COMPLETED, Data
from analysis.rows.frames import stack
from analysis.rows.stats import MIN_N_INTERVAL, summarise

Style = Callable[[Mapping[str, Any]], dict[str, Any]]


def over_epochs(
    data: Data,
    by: Sequence[str],
    value: str = "accuracy_test",
    x: str = "epoch",
    rows: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Rows line = "mean": n, mean, low, high, minimum, maximum of completed runs at each x.

    Rows line = "failed": one run, its value as `mean`.

    A failed run stands at its last value from where it failed to the end of the axis, with carried
    = True there (Zheng 2024, Figure 1); it is in no mean. One that failed before it recorded
    anything has a single row with x = 0 and mean = NaN. x: "epoch" or "iteration". rows: what was
    recorded, the epochs when None. Raises ReportError where `by` would average over another axis.
    """
    by = list(by)
    one_per_seed(data.runs, by)
    rows = (data.epochs if rows is None else rows).dropna(subset=[value])
    done = summarise_at(rows.loc[rows["run.outcome"] == COMPLETED], by, x, value).assign(
        line="mean", carried=False
    )
    end = max((float(place) for place in data.epochs[x]), default=0.0)
    runs = data.runs.loc[data.runs["outcome"] != COMPLETED]
    failed = [
        _carried(run, rows.loc[rows["trial_id"] == run["trial_id"]], by, value, x, end)
        for run in runs.to_dict("records")
    ]
    columns = [*by, "line", "seed", x, *STATISTICS, "carried", "outcome"]
    return stack((done, *failed), columns)


def summarise_at(rows: pd.DataFrame, by: Sequence[str], x: str, value: str) -> pd.DataFrame:
    """`summarise` at every x, groups in the order of `rows`.

    Also for series, with x = "iteration", value = "value".
    """
    numbers = summarise(rows.astype({value: float}), [*by, x], value)
    order = rows.filter(list(by)).drop_duplicates(ignore_index=True).reset_index(names="place")
    return (
        numbers.merge(order, on=list(by))
        .sort_values(["place", x], kind="stable", ignore_index=True)
        .drop(columns="place")
    )


def _carried(
    run: Mapping[Any, Any], rows: pd.DataFrame, by: list[str], value: str, x: str, end: float
) -> pd.DataFrame:
    own = rows.loc[rows["study"] == run["study"]].sort_values(x)
    places, heights = list(own[x].astype(float)), list(own[value].astype(float))
    carried = [False] * len(places)
    if not places:
        places, heights, carried = [0.0], [float("nan")], [True]
    else:
        # The last value is used twice: at the end of the solid line, and dashed to the end of the
        # axis.
        places, heights, carried = (
            [*places, places[-1], end],
            [*heights, heights[-1], heights[-1]],
            [*carried, True, True],
        )
    about = {name: run[name] for name in by} | {
        "seed": run["seed"],
        "line": "failed",
        "n": 1,
        "outcome": run["outcome"],
    }
    return pd.DataFrame(
        {x: places, "mean": heights, "minimum": heights, "maximum": heights, "carried": carried}
    ).assign(**about)


def draw_curves(
    ax: Axes,
    numbers: pd.DataFrame,
    by: Sequence[str],
    style: Style,
    x: str = "epoch",
) -> None:
    """Means with their bands, in the style of their group.

    Where n = 2, both seeds are thin lines. Failed runs are dashed from a cross on.
    style: the group's values, such as {"axis.norm": "batch"} -> color, label and other properties
    of lines.
    """
    for _, group in numbers.groupby(list(by), sort=False, dropna=False):
        properties = style({name: str(group[name].iloc[0]) for name in by})
        mean = group.loc[group["line"] == "mean"].sort_values(x)
        if len(mean):
            _draw_mean(ax, mean, x, properties)
        unlabelled = {**properties, "label": "_" if len(mean) else properties.get("label", "_")}
        for _, run in group.loc[group["line"] == "failed"].groupby("seed", dropna=False):
            _draw_failed(ax, run, x, unlabelled)
            unlabelled["label"] = "_"


def _draw_mean(ax: Axes, mean: pd.DataFrame, x: str, style: dict[str, Any]) -> None:
    ax.plot(mean[x], mean["mean"], **style)
    band(ax, mean, x, style.get("color"))
    few = mean.loc[mean["n"] == MIN_N_INTERVAL - 1]
    for seed in ("minimum", "maximum"):
        ax.plot(
            few[x],
            few[seed],
            **{**style, "label": "_", "linewidth": 0.4, "alpha": 0.6, "marker": ""},
        )


def _draw_failed(ax: Axes, run: pd.DataFrame, x: str, style: dict[str, Any]) -> None:
    before, after = run.loc[~run["carried"].astype(bool)], run.loc[run["carried"].astype(bool)]
    label = style.pop("label", "_")
    if len(before):
        ax.plot(before[x], before["mean"], **{**style, "linewidth": 0.6})
    if after["mean"].notna().any():
        ax.plot(
            after[x],
            after["mean"],
            **{**style, "linestyle": (0, (3, 2)), "linewidth": 0.7},
            label=label,
        )
        first = after.iloc[0]
        place: dict[str, Any] = {"x": [float(first[x])], "height": float(first["mean"])}
        place["transform"] = ax.transData
    else:
        place = {"x": [0.0], "height": 0.02}
        ax.plot([], [], **style, label=label)
    mark_at(ax, **place, color=style.get("color"), markersize=4, clip_on=False)
