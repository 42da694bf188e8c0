"""Writes docs/models.md, the list of models with their sizes, from the code: `make docs`."""

from pathlib import Path

from odecore.models.sizes import Size, sizes

PAGE = Path(__file__).with_name("models.md")
HEAD = """# Models

`make docs` writes this page from [catalog.toml](../odecore/config/catalog.toml); do not edit it.
`odesweep models` prints the same list.

- **printed**: trainable parameters as the paper prints them.
- **here**: trainable parameters of the model that this project builds.
- **without norms**: the same without scales and shifts of norms (the gains of weight normalization
  are counted).

If the printed number differs from both others, the note says why.
"""


def page() -> str:
    """The page as Markdown, one table per paper."""
    parts = [HEAD]
    rows = sizes()
    for paper in dict.fromkeys(row.paper for row in rows):
        parts.append(
            f"\n## {paper}\n\n"
            "| model | data set | printed | here | without norms | where | note |\n"
            "|---|---|---:|---:|---:|---|---|\n"
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
