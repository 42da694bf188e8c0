"""Published values: each paper's published.toml, every number with its source."""

import tomllib
from importlib.resources import files
from typing import Any


def load(paper: str, name: str) -> dict[str, Any]:
    """The entries of one figure or table of a paper, such as "figure1" of "ott2021"."""
    text = files(f"analysis.{paper}").joinpath("published.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)[name]
