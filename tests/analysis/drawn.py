"""What a drawn page must not have."""

from typing import Any


def assert_no_text_is_cut(figure: Any) -> None:
    """Every title, label, note and legend lies within the page."""
    figure.canvas.draw()
    width, height = figure.bbox.width, figure.bbox.height
    panels = [ax for ax in figure.axes if ax.axison]
    texts = [
        text
        for ax in panels
        for text in (ax.title, ax.xaxis.label, ax.yaxis.label, *_titles(ax), *ax.texts)
    ]
    texts += [
        text
        for legend in [*figure.legends, *(ax.get_legend() for ax in panels)]
        if legend
        for text in legend.get_texts()
    ]
    texts += [
        text for part in figure.subfigs for legend in part.legends for text in legend.get_texts()
    ]
    for text in texts:
        box = text.get_window_extent()
        if text.get_text() and text.get_visible():
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            assert inside, f"{text.get_text()!r} is cut: {box.bounds} in {width} x {height}"


def _titles(ax: Any) -> list[Any]:
    # matplotlib keeps left and right titles to itself.
    return [child for child in ax.get_children() if child.__class__.__name__ == "Text"]
