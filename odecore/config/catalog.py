"""Every model of the papers as a config, with the number of parameters that its paper prints.

It is read from catalog.toml beside this file.
"""

import tomllib
from importlib.resources import files
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One model of a paper.

    label: the paper's name. printed: trainable parameters as the paper prints them, None if it does
    not. note: why printed and counted differ. source: section or table of the paper.
    """

    label: str
    paper: str
    data: dict[str, Any]
    model: dict[str, Any]
    printed: int | str | None = None
    note: str = ""
    source: str = ""


def catalog() -> tuple[Row, ...]:
    """The rows, paper by paper."""
    papers = tomllib.loads(
        files("odecore.config").joinpath("catalog.toml").read_text(encoding="utf-8")
    )
    return tuple(
        Row(paper=paper, **row) for paper, table in papers.items() for row in table["models"]
    )
