"""Writes docs/models.md, the list of models with their sizes, from the code: `make docs`."""

from pathlib import Path

from odecore.models.sizes import Size, sizes

PAGE = Path(__file__).with_name("models.md")
HEAD = """# Models

Made by `make docs` from [catalog.toml](../odecore/config/catalog.toml); do not edit. `odesweep models` prints the same list.

Printed: trainable parameters as the paper prints them. Here: counted in the model that this project builds. Without norms: the same without scales
and shifts of norms (the gains of weight normalization stay). Where a printed number differs from both, the note says why.
"""


def page() -> str:
    """The page as Markdown, one table per paper."""
    parts = [HEAD]
    rows = sizes()
    for paper in dict.fromkeys(row.paper for row in rows):
        parts.append(
            f"\n## {paper}\n\n| model | data set | printed | here | without norms | where | note |\n|---|---|---:|---:|---:|---|---|\n"
        )
        parts += [_line(row) for row in rows if row.paper == paper]
    return "".join(parts)


def _line(row: Size) -> str:
    numbers = (row.printed, row.here, row.without_norms)
    cells = [
        row.label,
        row.data,
        *(f"{number:,}" if isinstance(number, int) else number or "" for number in numbers),
        row.source,
        row.note,
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
