"""A paper's claims as data.

Statistic, threshold and the least evidence for a verdict are fixed before any row exists.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from math import inf
from typing import Any, NamedTuple

from analysis.claims.statistic import Quantity, Statistics
from analysis.errors import ReportError, did_you_mean
from analysis.papers import PAPERS
from sweeps.store import label


class Region(NamedTuple):
    """Where the statistic lies if the claim holds.

    Above low, below high; between both, ends included.
    """

    low: float = -inf
    high: float = inf

    def __str__(self) -> str:
        if self.high == inf:
            return f"> {self.low:g}"
        return f"< {self.high:g}" if self.low == -inf else f"{self.low:g} to {self.high:g}"


def above(threshold: float) -> Region:
    """The claim holds if the statistic is larger."""
    return Region(low=threshold)


def below(threshold: float) -> Region:
    """The claim holds if the statistic is smaller."""
    return Region(high=threshold)


def within(low: float, high: float) -> Region:
    """The claim holds if the statistic lies between these values, ends included."""
    return Region(low, high)


class Evidence(NamedTuple):
    """The least on which a verdict stands.

    The plan's scale, seeds, and how long each net was trained.
    """

    seeds: int = 3
    epochs: int | None = None
    iterations: int | None = None
    scale: str = "paper"

    def __str__(self) -> str:
        """Such as "paper scale, 3 seeds, 128 epochs"."""
        amounts = {"seeds": self.seeds, "epochs": self.epochs, "iterations": self.iterations}
        return ", ".join(
            [f"{self.scale} scale", *(f"{n:,} {unit}" for unit, n in amounts.items() if n)]
        )


@dataclass(frozen=True)
class Claim:
    """One claim: every part of the `statistic` of a `quantity` has to lie in `holds`.

    key: unique in its paper, lower case with dashes. source: where it is made, such as "Gusak 2020,
    Table 1". measure: the statistic in words. where: the trials that it is about, axis -> value or
    tuple of values; with an empty one also where a plan lacks the axis. at_any_scale: False for
    what shorter training of fewer images cannot show, such as the accuracy at its end; then rows
    below its scale have no verdict.
    """

    paper: str
    key: str
    statement: str
    source: str
    study: str | tuple[str, ...]
    quantity: Quantity
    statistic: Statistics
    holds: Region
    measure: str
    where: Mapping[str, Any] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    at_any_scale: bool = True

    @property
    def name(self) -> str:
        """`paper/key`."""
        return f"{self.paper}/{self.key}"

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies whose rows it reads."""
        return (self.study,) if isinstance(self.study, str) else self.study

    @property
    def commands(self) -> list[str]:
        """The commands that compute all the rows that it needs, one per study."""
        words = [
            f"{axis}={','.join(label(one) for one in values if one != '')}"
            for axis, value in self.where.items()
            if len(self.studies) == 1
            for values in [value if isinstance(value, tuple) else (value,)]
        ]
        return [
            shlex.join(["odesweep", "run", study, "--scale", self.evidence.scale, *words])
            for study in self.studies
        ]


def all_claims() -> list[Claim]:
    """The CLAIMS of all papers, in the order of the papers."""
    names = [f"analysis.{paper}.claims" for paper in PAPERS]
    return [claim for name in names if find_spec(name) for claim in import_module(name).CLAIMS]


def select(target: str | None) -> list[Claim]:
    """The claims for `target`: None means all, a paper its own, `paper/key` one.

    Raises ReportError that lists the valid names.
    """
    valid = all_claims()
    chosen = [claim for claim in valid if target is None or target in (claim.name, claim.paper)]
    if not chosen and (target is not None or valid):
        papers = list(dict.fromkeys(claim.paper for claim in valid))
        paper = str(target).partition("/")[0]
        listed = [claim.name for claim in valid if claim.paper == paper] or papers
        raise ReportError(
            "no claim "
            f"{target!r}{did_you_mean(str(target), [*papers, *(claim.name for claim in valid)])}; "
            f"choose from {', '.join(listed)}"
        )
    return chosen
