"""The drawing of pictures of any study, with seaborn."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.drawing.curves import draw_curves
from analysis.drawing.legend import failed_handle
from analysis.drawing.shared import band, mark_at, shared_limits
from analysis.drawing.style import Axes
from analysis.drawing.tiles import colour_bar, draw_tiles, plain, tile_legend
from analysis.plot.chart import Chart
from analysis.plot.look import MARKER, Look, below, failed_mark
from analysis.plot.names import numeric
from analysis.plot.panels import each, edges, page_width
from analysis.plot.places import across, fit_ticks, in_bytes
from analysis.plot.words import axis_label, labels, metric_label
from analysis.rows.stats import MIN_N_INTERVAL

# Seaborn computes what it draws. From low, mean and high of a number their median is the mean, and
# their range is the interval: exactly the numbers beside the picture.
INTERVAL: dict[str, Any] = {"estimator": "median", "errorbar": ("pi", 100)}
DODGE = 0.7
# What the vertical axis takes of a panel, in inches.
AXIS_INCHES = 0.4
# Lines as they are, without computing anything.
AS_IS: dict[str, Any] = {"estimator": None, "errorbar": None}
# Markers without a face.
LINE_MARKERS = ("x", "+", "1", "2", "3", "4", "|", "_")
# Curves with fewer places than this also have a dot at each.
FEW_PLACES = 8
# From this factor between largest and smallest cost on its axis is logarithmic.
LOG_COST = 30


def draw_points(
    numbers: pd.DataFrame, axes: Sequence[Axes], chart: Chart, style: Look, columns: int
) -> None:
    """Means with their intervals, joined by lines for kind "line"; a cross where all failed."""
    along = across(numbers[chart.x])
    colour = style.colour(numbers)
    beside = _beside(chart, style, DODGE) if along.places else {}
    rows = numbers.assign(colour=colour, marker=style.marker(numbers))
    rows = rows.assign(place=along.at(rows, chart.x, [beside.get(word, 0.0) for word in colour]))
    for _, shown, ax in each(axes, rows, chart.cols, columns):
        if along.log:
            ax.set_xscale("log")
        there = shown.loc[shown["n"] > 0]
        if len(there):
            joined = "-" if chart.kind == "line" else "none"
            bars = {"err_style": "bars", "err_kws": {"elinewidth": 0.7}}
            _lines(ax, _with_intervals(there), "place", style, linestyle=joined, **bars, **INTERVAL)
            _dots(ax, there, "place", style)
        for row in _all_failed(shown).to_dict("records"):
            mark_at(ax, [row["place"]], 0.03, color=style.palette[row["colour"]], clip_on=False)
        along.finish(ax, page_width(ax) / columns - AXIS_INCHES)
        in_bytes(ax, chart.y, "y")
    edges(axes, columns, axis_label(chart.x), metric_label(chart.y))
    crosses = [failed_mark()] if len(_all_failed(numbers)) else []
    _legend(axes, chart, style, crosses, line=chart.kind == "line")


def draw_curves_of(
    numbers: pd.DataFrame, axes: Sequence[Axes], chart: Chart, style: Look, columns: int
) -> None:
    """Means with bands along training; each failed run on its own, dashed from a cross on."""
    rows = numbers.assign(colour=style.colour(numbers), marker=MARKER)
    for _, shown, ax in each(axes, rows, chart.cols, columns):
        mean = shown.loc[shown["line"] == "mean"]
        if len(mean):
            _lines(ax, mean.assign(value=mean["mean"]), chart.x, style, **AS_IS)
            for word, line in mean.groupby("colour", sort=False):
                band(ax, line, chart.x, style.palette[str(word)])
            two = mean.loc[mean["n"] == MIN_N_INTERVAL - 1]
            for seed in ("minimum", "maximum") if len(two) else ():
                thin = {"linewidth": 0.4, "alpha": 0.6}
                _lines(ax, two.assign(value=two[seed]), chart.x, style, **thin, **AS_IS)
            if mean[chart.x].nunique() < FEW_PLACES:
                _dots(ax, mean, chart.x, style)
        failed = shown.loc[shown["line"] == "failed"]
        if len(failed):
            draw_curves(
                ax, failed, ["colour"], lambda of: {"color": style.palette[of["colour"]]}, chart.x
            )
        in_bytes(ax, chart.y, "y")
    edges(axes, columns, chart.x, metric_label(chart.y))
    failures = [failed_handle()] if "failed" in set(numbers["line"]) else []
    _legend(axes, chart, style, failures, line=True)


def draw_boxes(
    numbers: pd.DataFrame, axes: Sequence[Axes], chart: Chart, style: Look, columns: int
) -> None:
    """Boxes of single runs, and the runs as dots.

    The boxes are matplotlib's: those of seaborn 0.13 use an argument that matplotlib removes.
    """
    import seaborn as sns

    along = across(numbers[chart.x], names=True)
    names = labels(along.values)
    # The distance that stripplot has between colours.
    beside = _beside(chart, style, 0.8)
    rows = numbers.assign(
        colour=style.colour(numbers), name=[names[value] for value in numbers[chart.x]]
    )
    for _, shown, ax in each(axes, rows, chart.cols, columns):
        for key, group in shown.groupby([chart.x, "colour"], sort=False):
            value, word = tuple(key)  # pyright: ignore[reportArgumentType] - pairs, of two columns
            drawn = ax.boxplot(
                [group["value"].to_numpy(float)],
                positions=[along.places[value] + beside.get(str(word), 0.0)],
                widths=0.7 / max(1, len(beside)),
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
                medianprops={"color": "black", "linewidth": 0.9},
                whiskerprops={"linewidth": 0.6},
                capprops={"linewidth": 0.6},
            )
            for box in drawn["boxes"]:
                box.set(facecolor=style.palette[str(word)], alpha=0.35, linewidth=0.5)
        sns.stripplot(
            shown,
            x="name",
            y="value",
            hue="colour",
            order=list(names.values()),
            hue_order=list(style.palette),
            palette=list(style.palette.values()),
            dodge=bool(beside),
            jitter=False,
            size=2.2,
            legend=False,
            ax=ax,
        )
        along.finish(ax, page_width(ax) / columns - AXIS_INCHES)
        in_bytes(ax, chart.y, "y")
    edges(axes, columns, axis_label(chart.x), metric_label(chart.y))
    _legend(axes, chart, style, [], line=False)


def draw_heat(numbers: pd.DataFrame, axes: Sequence[Axes], chart: Chart, columns: int) -> None:
    """Tiles with the mean; a sign where every run failed."""
    down, along = str(chart.hue), chart.x
    means = numbers["mean"].dropna()
    text = plain if means.between(0, 1).all() else lambda value: f"{value:.3g}"
    names, words = labels(numbers[down]), labels(numbers[along])
    # Every panel has all rows and all columns.
    every = pd.DataFrame({down: _sorted(names)}).merge(
        pd.DataFrame({along: _sorted(words)}), how="cross"
    )
    counts = ["done", "planned", "failed", "missing"]
    scale, shown_axes, drawn = None, [], []
    for index, shown, ax in each(axes, numbers, chart.cols, columns):
        tiles = every.merge(shown, on=[down, along], how="left")
        drawn.append(tiles.assign(**{name: tiles[name].fillna(0) for name in counts}))
        scale = draw_tiles(
            ax,
            drawn[-1],
            down,
            along,
            limits=shared_limits(numbers),
            colours="viridis",
            text=text,
            labels=words.__getitem__,
            names=names.__getitem__,
            row_labels=index % columns == 0,
        )
        fit_ticks(ax, [words[value] for value in _sorted(words)], page_width(ax) / columns - 0.8)
        ax.set_ylabel(axis_label(down) if index % columns == 0 else "")
        shown_axes.append(ax)
    for ax in shown_axes[-columns:]:
        ax.set_xlabel(axis_label(along))
    assert scale is not None
    colour_bar(scale, shown_axes, metric_label(chart.y))
    tile_legend(axes[0], pd.concat(drawn))


def draw_outcomes(
    numbers: pd.DataFrame, axes: Sequence[Axes], colours: Mapping[str, str], columns: int
) -> None:
    """Stacked bars: how many planned trials of each value ended how. One panel for each axis."""
    import seaborn as sns
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator

    ended = [name for name in colours if name in set(numbers["outcome"])]
    tallest = numbers.groupby("axis")["value"].nunique().max()
    for _, shown, ax in each(axes, numbers, ["axis"], columns):
        sns.histplot(
            shown,
            y="value",
            hue="outcome",
            hue_order=ended[::-1],
            weights="trials",
            multiple="stack",
            discrete=True,
            shrink=0.75,
            palette=dict(colours),
            alpha=1,
            linewidth=0,
            legend=False,
            ax=ax,
        )
        ax.set(xlabel="planned trials", ylabel="", ylim=(tallest - 0.4, -0.6))
        words = labels(shown["value"])
        ax.set_yticks(range(len(words)), list(words.values()))
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.tick_params(axis="y", length=0, labelsize=6)
    handles = [Patch(color=colours[name], label=name.replace("_", " ")) for name in ended]
    below(axes[0], handles, page_width(axes[0]), None)


def draw_costs(
    numbers: pd.DataFrame, axes: Sequence[Axes], chart: Chart, style: Look, columns: int
) -> None:
    """One dot per cell: the metric, with its interval, against each cost."""
    rows = numbers.assign(colour=style.colour(numbers), marker=style.marker(numbers))
    for index, shown, ax in each(axes, rows, ["cost"], columns):
        many = shown.loc[shown["n"] >= MIN_N_INTERVAL].reset_index(names="cell")
        if len(many):
            bars = {"units": "cell", "linewidth": 0.5, "alpha": 0.6}
            _lines(ax, _with_intervals(many), "amount", style, **bars, **AS_IS)
        _dots(ax, shown, "amount", style)
        cost, amounts = str(shown["cost"].iloc[0]), [float(one) for one in shown["amount"]]
        if max(amounts) >= LOG_COST * min(amounts):
            ax.set_xscale("log")
        in_bytes(ax, cost, "x")
        ax.set_title(f"({chr(ord('a') + index)})" if columns > 1 else "", loc="left")
        ax.set(xlabel=metric_label(cost), ylabel=metric_label(chart.y) if index == 0 else "")
    _legend(axes, chart, style, [], line=False)


def _sorted(values: Iterable[Any]) -> list[Any]:
    """Numbers in their order, names in that of the study."""
    found = list(values)
    return sorted(found) if numeric(found) else found


def _with_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Each row three times, with low, mean and high as `value`; once where it has no interval."""
    parts = [rows.assign(value=rows[name]) for name in ("low", "mean", "high")]
    return pd.concat(parts, ignore_index=True).dropna(subset=["value"])


def _lines(ax: Axes, rows: pd.DataFrame, x: str, style: Look, **more: Any) -> None:
    """Lines through column `value`, one of each colour."""
    import seaborn as sns

    sns.lineplot(
        rows, x=x, y="value", hue="colour", palette=_of(style, rows), legend=False, ax=ax, **more
    )


def _dots(ax: Axes, rows: pd.DataFrame, x: str, style: Look) -> None:
    """Means; below n = 3 the single seeds."""
    import seaborn as sns

    few = rows["n"] < MIN_N_INTERVAL
    ends = [rows["mean"].mask(few, rows[end]) for end in ("minimum", "maximum")]
    dots = pd.concat([rows.assign(value=end) for end in ends]).drop_duplicates()
    # Seaborn does not mix filled markers with others in one call.
    for marker, some in dots.dropna(subset=["value"]).groupby("marker", sort=False):
        sns.scatterplot(
            some,
            x=x,
            y="value",
            hue="colour",
            palette=_of(style, some),
            marker=str(marker),
            legend=False,
            s=16,
            linewidth=0.3 if marker not in LINE_MARKERS else 0.9,
            ax=ax,
        )


def _of(style: Look, rows: pd.DataFrame) -> dict[str, Any]:
    """The colours of these rows; seaborn wants no others."""
    return {word: style.palette[word] for word in dict.fromkeys(rows["colour"])}


def _beside(chart: Chart, style: Look, room: float) -> dict[str, float]:
    """Colour -> how far beside a name it stands; nothing where the colour is the name."""
    if not chart.explains_colour:
        return {}
    count = len(style.palette)
    return {word: (k - (count - 1) / 2) * room / count for k, word in enumerate(style.palette)}


def _all_failed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.query("n == 0 and failed > 0")


def _legend(
    axes: Sequence[Axes],
    chart: Chart,
    style: Look,
    more: list[Any],
    line: bool,
) -> None:
    """The colours, unless the horizontal axis names them, and what else there is."""
    handles = [*(style.handles(line) if chart.explains_colour else []), *more]
    name = axis_label(str(chart.hue)) if chart.explains_colour else None
    below(axes[0], handles, page_width(axes[0]), name)
