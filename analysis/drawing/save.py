"""Writing figures and tables: PNG, PDF, CSV of the numbers, and a caption.

The same numbers give the same bytes.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.drawing.figure import Figure
from analysis.drawing.style import SETTINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

CAPTION_POINTS = 6.5
LINE_INCHES = CAPTION_POINTS * 1.3 / 72
# Of a figure's width, on each side of the caption.
CAPTION_MARGIN_INCHES = 0.05


def compose_figure(figure: Figure, numbers: pd.DataFrame, caption: str) -> "MplFigure":
    """The figure with its caption below, in our style.

    It is none of pyplot's: it needs no display, and whatever a caller draws stays as it is.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as MplFigure

    rows, columns = figure.shape(numbers)
    width, row_height = figure.size_inches
    panel_height = row_height * rows
    # Pixels round each letter: a little room is left.
    room = 0.98 * (width - 2 * CAPTION_MARGIN_INCHES)
    lines = wrapped(caption, room * 72 / CAPTION_POINTS)
    caption_height = (len(lines) + 1) * LINE_INCHES
    with mpl.rc_context(SETTINGS):  # pyright: ignore[reportArgumentType] - any string is fine as a key
        page = MplFigure(figsize=(width, panel_height + caption_height), layout="constrained")
        FigureCanvasAgg(page)
        # Two parts, so that legends outside the axes cannot overlap the caption.
        parts = page.add_gridspec(2, 1, height_ratios=[panel_height, caption_height])
        above, strip = page.add_subfigure(parts[0]), page.add_subfigure(parts[1])
        figure.draw(numbers, list(above.subplots(rows, columns, squeeze=False).flat))
        strip.text(
            CAPTION_MARGIN_INCHES / width,
            CAPTION_MARGIN_INCHES / caption_height,
            "\n".join(lines),
            fontsize=CAPTION_POINTS,
            va="bottom",
            linespacing=1.2,
            color="0.2",
        )
    return page


def wrapped(text: str, width: float) -> list[str]:
    """The text in lines that are at most `width` wide, in sizes of the font.

    A word that is wider has a line of its own.
    """
    lines: list[str] = []
    left = 0.0
    for word in text.split():
        space, wide = _advance(" "), sum(map(_advance, word))
        if lines and space + wide <= left:
            lines[-1] += f" {word}"
            left -= space + wide
        else:
            lines.append(word)
            left = width - wide
    return lines


@cache
def _advance(letter: str) -> float:
    """How wide a letter of the captions' font is, in sizes of the font."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(SETTINGS["font.family"]))
    font.set_size(100, 72)
    return font.load_char(ord(letter)).linearHoriAdvance / 65536 / 100


def png(figure: Figure, numbers: pd.DataFrame, caption: str, dots_per_inch: int) -> bytes:
    """The figure as a PNG of 256 colours, a third of its size: our figures have few."""
    from io import BytesIO

    from PIL import Image

    large, small = BytesIO(), BytesIO()
    page = compose_figure(figure, numbers, caption)
    page.savefig(large, format="png", dpi=dots_per_inch)
    with Image.open(large) as image:
        few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(small, "PNG", optimize=True)
    return small.getvalue()


def save_figure(figure: Figure, numbers: pd.DataFrame, caption: str, stem: Path) -> list[Path]:
    """Draw and write stem.png, .pdf, .csv, .txt; returns their paths.

    Raises OSError if the folder cannot be written.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    import matplotlib as mpl

    page = compose_figure(figure, numbers, caption)
    paths = [stem.with_name(stem.name + suffix) for suffix in (".png", ".pdf", ".csv", ".txt")]
    with mpl.rc_context(SETTINGS):  # pyright: ignore[reportArgumentType] - any string is fine as a key
        # No dates, no versions: the same numbers give the same bytes.
        page.savefig(paths[0], metadata={"Software": None})
        page.savefig(paths[1], metadata={"CreationDate": None, "Creator": None, "Producer": None})
    write_csv(numbers, paths[2])
    paths[3].write_text(caption + "\n", encoding="utf-8")
    return paths


def save_table(numbers: pd.DataFrame, shown: pd.DataFrame, caption: str, stem: Path) -> list[Path]:
    """Write all `numbers` as stem.csv and the readable columns `shown` with the caption as stem.md.

    Returns their paths.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(stem.name + suffix) for suffix in (".csv", ".md")]
    write_csv(numbers, paths[0])
    paths[1].write_text(f"{markdown(shown)}\n{caption}\n", encoding="utf-8")
    return paths


def markdown(shown: pd.DataFrame) -> str:
    """A Markdown table of a frame of strings."""
    rows = [
        list(shown.columns),
        ["---"] * len(shown.columns),
        *shown.astype(str).to_numpy().tolist(),
    ]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def write_csv(numbers: pd.DataFrame, path: Path) -> None:
    """Write `csv_text`."""
    path.write_text(csv_text(numbers), encoding="utf-8", newline="\n")


def csv_text(numbers: pd.DataFrame) -> str:
    """Every number with all its digits."""
    return numbers.to_csv(index=False, lineterminator="\n")
