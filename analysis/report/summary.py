"""What a reader of a reproducibility report asks first, per paper, beside the results.

The texts are in each paper's summary.toml; the results come from the verdicts.
"""

import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import NamedTuple

HEADINGS = {
    "easy": "What was easy",
    "hard": "What was hard",
    "ask": "What we would ask the authors",
}


class Summary(NamedTuple):
    """Plain text: paragraphs, and lists of sentences."""

    scope: str
    method: str
    easy: Sequence[str]
    hard: Sequence[str]
    ask: Sequence[str]

    def lists(self) -> dict[str, Sequence[str]]:
        """Heading -> sentences."""
        return {heading: getattr(self, name) for name, heading in HEADINGS.items()}

    def markdown(self, results: Sequence[str]) -> Iterator[str]:
        """Its lines. results: what was found, in sentences."""
        yield "## Summary\n"
        for name, text in (("Scope", self.scope), ("Method", self.method)):
            yield f"**{name}.** {text}\n"
        if results:
            yield f"**Results.** {' '.join(results)}\n"
        for heading, sentences in self.lists().items():
            yield f"**{heading}**\n"
            yield "\n".join(f"- {sentence}" for sentence in sentences) + "\n"


def of_paper(key: str) -> Summary | None:
    """The summary of one paper, None for what is no paper."""
    place = files("analysis").joinpath(key, "summary.toml")
    if not place.is_file():
        return None
    values = tomllib.loads(place.read_text(encoding="utf-8"))
    texts = {name: " ".join(values[name].split()) for name in ("scope", "method")}
    return Summary(**(values | texts))
