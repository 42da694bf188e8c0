"""Heat maps of cells: the mean, its n, and clear marks for failed and missing cells."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FAILED_COLOUR, MISSING_COLOUR = "#F3D9D9", "#F4F4F4"


def draw_heat(
    ax: "Axes",
    numbers: pd.DataFrame,
    rows: str,
    columns: str,
    *,
    limits: tuple[float, float] | None = None,
    colours: str = "viridis",
    decimals: int = 2,
    labels: Mapping[str, str] | None = None,
    bar: bool = True,
) -> None:
    """Draw `numbers` (see `cells`): column `rows` from top to bottom, `columns` from left to right.

    Both come in the order of `numbers`. Each cell shows its mean and n. Hatched in red: every run
    there failed; grey and empty: no run yet; white: not in the grid; "1 failed" below a mean: not
    all runs completed. limits: of the colours, the smallest and largest mean if None. labels: text
    -> what to print for it.
    """
    import seaborn as sns

    words = dict(labels or {})
    down, across = (list(dict.fromkeys(numbers[name].astype(str))) for name in (rows, columns))
    keyed = {(str(row[rows]), str(row[columns])): row for row in numbers.to_dict("records")}
    means = pd.DataFrame(
        [[keyed.get((a, b), {}).get("mean", float("nan")) for b in across] for a in down],
        index=down,
        columns=across,
        dtype=float,
    )
    texts = [
        [_words(keyed[a, b], decimals) if (a, b) in keyed else "" for b in across] for a in down
    ]
    low, high = limits or (_finite(means.min().min(), 0.0), _finite(means.max().max(), 1.0))
    sns.heatmap(
        means,
        ax=ax,
        vmin=low,
        vmax=high,
        cmap=colours,
        annot=pd.DataFrame(texts, index=down, columns=across),
        fmt="",
        linewidths=0.6,
        cbar=bar,
        annot_kws={"fontsize": 6, "linespacing": 0.95},
        cbar_kws={"shrink": 0.8} if bar else None,
        mask=means.isna(),
    )
    for y, a in enumerate(down):
        for x, b in enumerate(across):
            if (a, b) in keyed and not keyed[a, b]["n"]:
                _draw_empty(ax, x, y, keyed[a, b], texts[y][x])
    ax.set_xticklabels([words.get(str(name), str(name)) for name in across], rotation=0)
    ax.set_yticklabels([words.get(str(name), str(name)) for name in down], rotation=0)
    ax.set_xlabel("")
    ax.set_ylabel("")


def _draw_empty(ax: "Axes", x: int, y: int, cell: Mapping[Any, Any], text: str) -> None:
    from matplotlib.patches import Rectangle

    failed = cell["failed"] > 0
    look: dict[str, Any] = (
        {"facecolor": FAILED_COLOUR, "edgecolor": "#B03030", "hatch": "////"}
        if failed
        else {"facecolor": MISSING_COLOUR, "edgecolor": "0.75"}
    )
    ax.add_patch(Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, linewidth=0.4, zorder=2, **look))
    box = {"facecolor": look["facecolor"], "edgecolor": "none", "pad": 0.8}
    ax.text(
        x + 0.5,
        y + 0.5,
        text,
        ha="center",
        va="center",
        fontsize=6,
        color="0.25",
        zorder=3,
        bbox=box,
    )


def _words(cell: Mapping[Any, Any], decimals: int) -> str:
    failed = f"{cell['failed']:.0f} failed" if cell["failed"] else ""
    if not cell["n"]:
        return failed or "missing"
    return "\n".join(
        part for part in (f"{cell['mean']:.{decimals}f}", f"n = {cell['n']:.0f}", failed) if part
    )


def _finite(value: float, otherwise: float) -> float:
    return float(value) if value == value else otherwise


def shared_limits(numbers: pd.DataFrame) -> tuple[float, float]:
    """Smallest and largest mean, for several heat maps with one colour scale."""
    means = [float(mean) for mean in numbers["mean"] if mean == mean]
    return (min(means), max(means)) if means else (0.0, 1.0)


def ordered(numbers: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    """Rows in this order of a column's values; other values come last."""
    place = {name: index for index, name in enumerate(order)}
    return numbers.sort_values(
        column, key=lambda values: values.map(lambda one: place.get(one, len(place))), kind="stable"
    )
