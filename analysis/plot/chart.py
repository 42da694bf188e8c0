"""What one picture shows: a number against an axis, by colour and by panels.

What the caller leaves open is chosen here. No axis is averaged over: an axis that nobody named
becomes the colour or one of the panels. Only boxes pool, because they show single runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.drawing.style import NORM_COLOURS
from analysis.errors import ReportError
from analysis.plot.names import FAILED, PROGRESS, Names, numeric, with_axes
from analysis.rows.data import AXIS, KEY, TEST, Data

KINDS = ("line", "point", "box", "heat", "curve")
STUDY = "study"
# More colours than this cannot be told apart in one panel; more panels cannot be read on one page.
MAX_COLOURS, MAX_PANELS = 9, 36


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a caller names of a picture; None is chosen for the study.

    y: a metric. x, hue: axes. col: the axes of the panels. kind: of KINDS.
    """

    y: str | None = None
    x: str | None = None
    hue: str | None = None
    col: tuple[str, ...] = ()
    kind: str | None = None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One picture. x, hue, cols: columns of its numbers. table: that has the metric y.

    hue is the colour, or of a heat map the rows.
    """

    kind: str
    y: str
    table: str
    x: str
    hue: str | None = None
    cols: tuple[str, ...] = ()

    @property
    def by(self) -> list[str]:
        """The columns that tell its numbers apart, but for the place on a curve."""
        roles = (*([] if self.kind == "curve" else [self.x]), self.hue, *self.cols)
        return list(dict.fromkeys(role for role in roles if role is not None)) or [STUDY]

    @property
    def explains_colour(self) -> bool:
        """Whether the colour says more than the horizontal axis, which names its values."""
        return self.hue is not None and (self.hue != self.x or self.kind == "cost")


def chart(data: Data, wish: Wish) -> Chart:
    """The picture for a wish. Raises ReportError in one line for what the study does not have."""
    names = Names(data)
    if wish.kind not in (None, *KINDS):
        raise ReportError(f"no kind {wish.kind!r} of plot; choose from {', '.join(KINDS)}")
    along = wish.x if wish.x in PROGRESS else None
    x = None if along or wish.x is None else names.role(wish.x)
    hue = None if wish.hue is None else names.role(wish.hue)
    cols = tuple(names.role(word) for word in wish.col)
    named = [role for role in (x, hue, *cols) if role is not None]
    # The colour may repeat the horizontal axis, unless it is the other axis of a map.
    roles = named if wish.kind == "heat" else [*dict.fromkeys([x, hue]), *cols]
    for role in filter(None, roles):
        if roles.count(role) > 1:
            raise ReportError(f"{role.removeprefix(AXIS)} is given twice; name each axis once")
    kind = "curve" if along else wish.kind
    y, table = _metric(data, names, wish.y, kind, named)
    kind = "curve" if table in ("epochs", "probe_series") else kind
    if kind == "curve" and any(role.startswith(TEST) for role in named):
        raise ReportError("a curve is of the training and has no axis test.*; leave it out")
    if kind == "curve" and x is not None:
        raise ReportError(f"--x {wish.x}: a curve goes along {' or '.join(PROGRESS)}")
    rows = planned(data, names, table, named)
    for role in named:
        if len(rows) and not set(rows[role]) - {""}:
            raise ReportError(f"no run of {data.names} has {role.removeprefix(AXIS)}")
    free = left_over(rows, names, named)
    if kind == "curve":
        x = along or progress(data, table)
        hue = hue or colour_axis(rows, free)
    else:
        x = x or _widest(rows, free or [hue or STUDY])
        free = [axis for axis in free if axis != x]
    if kind == "box":
        # Single runs of everything that nobody named.
        free = []
    elif kind == "heat":
        hue = hue or _rows(rows, free)
        if hue is None:
            raise ReportError(f"a heat map needs two axes; {data.names} has fewer to show")
    elif kind != "curve":
        joined = numeric(rows[x]) and x.removeprefix(AXIS) not in names.metrics["runs"]
        kind = kind or ("line" if joined else "point")
        hue = hue or colour_axis(rows, free) or (x if is_norm(rows, x) else None)
    rest = tuple(axis for axis in free if axis != hue)
    return _readable(rows, Chart(kind=kind, y=y, table=table, x=x, hue=hue, cols=cols + rest))


def _metric(
    data: Data, names: Names, y: str | None, kind: str | None, named: Sequence[str]
) -> tuple[str, str]:
    """The metric and its table."""
    tables: tuple[str, ...] = ("runs", "evaluations")
    if kind == "curve":
        tables = ("epochs", "probe_series")
    elif any(role.startswith(TEST) for role in named):
        tables = ("evaluations",)
    elif kind is None:
        tables = ("runs", "evaluations", "epochs", "probe_series")
    y = y or default_metric(data, tables[0])
    if kind == "box" and y == FAILED:
        raise ReportError(f"{FAILED} is a share of runs and has no boxes; give --kind point")
    return y, names.table(y, tables)


def default_metric(data: Data, table: str) -> str:
    """The first of the usual metrics that has a number."""
    if table == "evaluations":
        return "accuracy"
    rows = data.runs if table == "runs" else data.epochs
    usual = ("accuracy_test", "loss_test", "accuracy_train", "loss_train")
    return next((name for name in usual if len(rows[name].dropna())), usual[0])


def progress(data: Data, table: str) -> str:
    """Whether curves go along epochs or, where one epoch has several rows, along iterations."""
    if table != "epochs":
        return "iteration"
    rows = data.epochs.filter([*KEY, "epoch"])
    return "epoch" if len(rows.drop_duplicates()) == len(rows) else "iteration"


def planned(data: Data, names: Names, table: str, named: Sequence[str]) -> pd.DataFrame:
    """One row per planned trial, or evaluation, with its axes, its seed and the named columns."""
    data = with_axes(data, named)
    about = data.trials.filter(
        [*KEY, "seed", *(name for name in data.trials if name.startswith(AXIS))]
    )
    if table != "evaluations":
        return about
    return data.tests.filter([*KEY, "eval_id", *names.tests]).merge(about, on=KEY)


def left_over(rows: pd.DataFrame, names: Names, named: Sequence[str]) -> list[str]:
    """The axes beside the named ones without which a mean would be over more than seeds.

    An axis that the others determine, such as a zipped one, is none of them.
    """
    axes = [name for name in (*names.axes, *names.tests) if name in rows and name not in named]
    chosen: list[str] = []
    for axis in [*axes, None]:
        by = [*named, *chosen, "seed"]
        twice = rows.loc[rows.duplicated(by, keep=False)]
        if axis is None or not len(twice):
            break
        if len(twice.filter([*by, axis]).drop_duplicates()) > len(twice.drop_duplicates(by)):
            chosen.append(axis)
    return chosen


def is_norm(rows: pd.DataFrame, column: str) -> bool:
    """Whether the values are normalizations, which have their own colours."""
    return {*rows[column], ""} - {""} <= set(NORM_COLOURS)


def _count(rows: pd.DataFrame, column: str) -> int:
    return len(set(rows[column]))


def _widest(rows: pd.DataFrame, axes: Sequence[str]) -> str:
    """The horizontal axis: numbers before names, then most values, normalizations last."""
    return max(
        axes,
        key=lambda axis: (
            numeric(rows[axis]) and _count(rows, axis) > 1,
            not is_norm(rows, axis),
            _count(rows, axis),
        ),
    )


def colour_axis(rows: pd.DataFrame, axes: Sequence[str]) -> str | None:
    """The axis of the colour: normalizations first, then most values that can be told apart."""
    fit = [axis for axis in axes if is_norm(rows, axis) or 1 < _count(rows, axis) <= MAX_COLOURS]
    return max(fit, key=lambda axis: (is_norm(rows, axis), _count(rows, axis)), default=None)


def _rows(rows: pd.DataFrame, axes: Sequence[str]) -> str | None:
    """The rows of a heat map: normalizations first, then most values."""
    return max(axes, key=lambda axis: (is_norm(rows, axis), _count(rows, axis)), default=None)


def _readable(rows: pd.DataFrame, found: Chart) -> Chart:
    count = len(rows.filter(list(found.cols)).drop_duplicates()) if found.cols else 1
    if count > MAX_PANELS:
        axes = ", ".join(name.removeprefix(AXIS) for name in found.cols)
        raise ReportError(
            f"{count} panels ({axes}) are more than {MAX_PANELS} and cannot be read on one page; "
            "choose some with --where axis=value"
        )
    return found
