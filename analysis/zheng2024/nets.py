"""The nets of Zheng 2024 by their number of layers, and how each is drawn.

A colour is a normalization; deeper nets are darker and thicker.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from analysis.drawing.legend import failed_handle, handle, published_handle
from analysis.drawing.style import NORM_COLOURS, NORM_LABELS, Axes, lighter
from odecore.config.backbone import STACKS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.lines import Line2D

# Convolutions of the right-hand side.
LAYERS: dict[str, int] = {name: len(rows) for name, rows in STACKS.items()}
# Share of white in the norm's colour, and width of the line.
WHITE_AND_WIDTH = {
    4: (0.7, 0.6),
    6: (0.6, 0.7),
    8: (0.5, 0.8),
    10: (0.36, 0.95),
    12: (0.2, 1.1),
    18: (0.0, 1.4),
}


def net_style(norm: str, backbone: str) -> dict[str, Any]:
    """Colour, width and label of a net's line."""
    layers = LAYERS[backbone]
    white, width = WHITE_AND_WIDTH[layers]
    return {
        "color": lighter(NORM_COLOURS[norm], white),
        "linewidth": width,
        "label": f"{NORM_LABELS[norm]}, {layers} layers",
    }


def layers_text(backbone: str) -> str:
    """A backbone in words, such as 18 layers (U-Net)."""
    return f"{LAYERS[backbone]} layers" + (" (U-Net)" if backbone == "unet18" else "")


def marks(numbers: "pd.DataFrame", published: bool) -> "list[Line2D]":
    """The legend entries for failed runs, if there are any, and for published values."""
    failed = [failed_handle()] if "failed" in set(numbers["line"]) else []
    return [*failed, published_handle("published, final")] if published else failed


def draw_final(ax: Axes, values: Iterable[tuple[Any, float]], end: float) -> None:
    """Published final values at the right end of the axis: (colour of the line, value)."""
    from analysis.drawing.shared import draw_published

    for colour, value in values:
        draw_published(ax, [end], [value], label="_", markerfacecolor=colour, clip_on=False)


def line_handles(styles: Iterable[dict[str, Any]]) -> "list[Line2D]":
    """One line for each different label."""
    return [handle(**style) for style in {style["label"]: style for style in styles}.values()]
