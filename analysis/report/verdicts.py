"""The verdicts as the page shows them: three sentences, a score per paper, and a card per claim."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from analysis.claims.verdict import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_ENOUGH,
    REPRODUCED,
    VERDICTS,
    Verdict,
    row,
    weigh,
)
from analysis.make import Reader

# Space beyond the outermost number of a strip plot, as a share of its span.
MARGIN = 0.12


@dataclass(frozen=True)
class Strip:
    """Positions in percent of a strip plot's width.

    holds: from and to where the claim holds. low, high: of the interval. value: the estimate.
    """

    holds: tuple[float, float]
    low: float
    high: float
    value: float


@dataclass(frozen=True)
class Card:
    """A claim with its verdict. shown: the verdict that has data; reduced: at reduced scale.

    about: the flat row of `analysis.claims.verdict.row`.
    """

    about: dict[str, Any]
    shown: str
    reduced: bool
    strip: Strip | None

    @property
    def is_open(self) -> bool:
        """Whether no scale has a verdict."""
        return self.shown == NOT_ENOUGH


@dataclass(frozen=True)
class Score:
    """Claims of one paper by verdict: (verdict, at reduced scale, how many), open ones last."""

    paper: str
    claims: int
    parts: list[tuple[str, bool, int]]


def cards(reader: Reader, claims: Sequence[Any]) -> list[Card]:
    """One card per claim."""
    return [_card(weigh(claim, reader)) for claim in claims]


def _card(verdict: Verdict) -> Card:
    full = verdict.full.verdict
    reduced = full == NOT_ENOUGH and verdict.reduced is not None
    shown = verdict.reduced.verdict if reduced and verdict.reduced else full
    return Card(row(verdict), shown, reduced and shown != NOT_ENOUGH, strip(verdict))


def strip(verdict: Verdict) -> Strip | None:
    """The interval of the part that decides against the threshold; None without an interval."""
    _, estimate = verdict.shown.deciding(verdict.claim)
    holds, numbers = verdict.claim.holds, (estimate.low, estimate.value, estimate.high)
    if not all(map(isfinite, numbers)):
        return None
    ends = [end for end in holds if isfinite(end)]
    first, last = min(*numbers, *ends), max(*numbers, *ends)
    space = (last - first) * MARGIN or abs(first) * MARGIN or 1.0
    first, last = first - space, last + space

    def place(value: float) -> float:
        return round(100 * (min(max(value, first), last) - first) / (last - first), 1)

    return Strip(
        holds=(place(holds.low), place(holds.high)),
        low=place(estimate.low),
        high=place(estimate.high),
        value=place(estimate.value),
    )


def scores(found: Sequence[Card]) -> list[Score]:
    """The score of each paper, in the papers' order."""
    papers = dict.fromkeys(card.about["paper"] for card in found)
    return [
        _score(paper, [card for card in found if card.about["paper"] == paper]) for paper in papers
    ]


def _score(paper: str, found: Sequence[Card]) -> Score:
    counts = Counter((card.shown, card.reduced) for card in found)
    order = [(word, reduced) for word in VERDICTS for reduced in (False, True)]
    return Score(paper, len(found), [(*kind, counts[kind]) for kind in order if counts[kind]])


def sentences(found: Sequence[Card], runs: int) -> list[str]:
    """What was asked, what was found, and what is missing."""
    papers = len({card.about["paper"] for card in found})
    if not runs:
        waiting = f"{_count(len(found), 'claim')} of {_count(papers, 'source')} wait for data"
        return [f"No training run has ended yet; {waiting}."]
    asked = (
        f"We judge {_count(len(found), 'claim')} of {_count(papers, 'source')} about "
        "normalization, solver and depth of neural ODEs by "
        f"{_count(runs, 'training run')}."
    )
    counts = Counter((card.shown, card.reduced) for card in found)

    def told(reduced: bool) -> str:
        words = (REPRODUCED, CONTRADICTED, INCONCLUSIVE)
        parts = [
            f"{count} {'is' if count == 1 else 'are'} {word}"
            for word in words
            if (count := counts[word, reduced])
        ]
        return ", ".join(parts)

    full, reduced = told(False), told(True)
    results = [
        f"At the scale that the claims ask for, {full}." if full else "",
        f"At reduced scale, {reduced}." if reduced else "",
    ]
    without = sum(count for (word, _), count in counts.items() if word == NOT_ENOUGH)
    missing = (
        f"{without} {'has' if without == 1 else 'have'} too little data for a verdict."
        if without
        else ""
    )
    nothing = "" if full or reduced else "No claim has a verdict yet."
    return [text for text in (asked, " ".join(filter(None, results)) or nothing, missing) if text]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def most_wanted(found: Sequence[Card]) -> tuple[str, int] | None:
    """The command that most claims without a verdict at their own scale wait for, and how many."""
    counts = Counter(
        command
        for card in found
        if card.about["verdict"] == NOT_ENOUGH
        for command in card.about["command"].split(" && ")
    )
    return counts.most_common(1)[0] if counts else None
