"""A progress bar as HTML, for notebooks."""

from collections.abc import Iterable, Mapping
from html import escape

COLORS = {"done": "#3a7d44", "failed": "#b3402e", "running": "#3b6ea5", "pending": "#d9d9d9"}


def progress_html(title: str, counts: Mapping[str, int], lines: Iterable[str] = ()) -> str:
    """A bar with a part for each state. counts: state -> trials."""
    total = sum(counts.values()) or 1
    parts = "".join(
        f'<span style="width:{100 * number / total:.3f}%;background:{COLORS[state]}"></span>'
        for state, number in counts.items()
    )
    words = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    more = "".join(f"<div>{escape(line)}</div>" for line in lines)
    return (
        f'<div><b>{escape(title)}</b><div role="img" aria-label="{words}" '
        'style="display:flex;height:1em;max-width:40em;border-radius:3px;overflow:hidden">'
        f"{parts}</div><div>{words or 'no trials'}</div>{more}</div>"
    )
