"""A paper's claims as data: statistic, threshold and the least evidence that may decide, all fixed before any row exists."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from math import inf
from typing import Any, NamedTuple

from analysis import PAPERS
from analysis.data import Data, label
from analysis.errors import ReportError, did_you_mean


class Estimate(NamedTuple):
    """A number with its 95 % interval (NaN where there is none) and the n behind it."""

    value: float
    low: float
    high: float
    n: int
    unit: str = ""


class Region(NamedTuple):
    """Where the statistic lies if the claim holds: above low, below high; between both, ends included."""

    low: float
    high: float

    def __str__(self) -> str:
        if self.high == inf:
            return f"> {self.low:g}"
        return f"< {self.high:g}" if self.low == -inf else f"{self.low:g} to {self.high:g}"


def above(threshold: float) -> Region:
    """The claim holds where the statistic is larger."""
    return Region(threshold, inf)


def below(threshold: float) -> Region:
    """The claim holds where the statistic is smaller."""
    return Region(-inf, threshold)


def within(low: float, high: float) -> Region:
    """The claim holds where the statistic lies between, ends included."""
    return Region(low, high)


Statistic = Callable[[Data], "Estimate | Mapping[str, Estimate]"]


@dataclass(frozen=True)
class Claim:
    """One claim. statistic: rows -> an estimate, or several by name, of which every one has to lie in `holds`.

    key: unique in its paper, lower case with dashes. source: where it is made, such as "Gusak 2020, Table 1". where: the trials that it is
    about, axis -> value or tuple of values. needs: as a figure's. scale, seeds, epochs, iterations: the least on which a verdict stands.
    """

    paper: str
    key: str
    statement: str
    source: str
    study: str | tuple[str, ...]
    statistic: Statistic
    holds: Region
    measure: str
    where: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ("runs",)
    scale: str = "paper"
    seeds: int = 3
    epochs: int | None = None
    iterations: int | None = None

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
        """What makes all the rows it needs, one command for each study."""
        import shlex

        axes = (
            {
                axis: value if isinstance(value, tuple) else (value,)
                for axis, value in self.where.items()
            }
            if len(self.studies) == 1
            else {}
        )
        words = [f"{axis}={','.join(map(label, values))}" for axis, values in axes.items()]
        return [
            shlex.join(["odesweep", "run", study, "--scale", self.scale, *words])
            for study in self.studies
        ]


def all_claims() -> list[Claim]:
    """Every paper's CLAIMS, in the papers' order."""
    modules = [
        import_module(f"analysis.{paper}.claims")
        for paper in PAPERS
        if find_spec(f"analysis.{paper}.claims")
    ]
    return [claim for module in modules for claim in module.CLAIMS]


def select(target: str | None) -> list[Claim]:
    """The claims that `target` means: None all, a paper its own, `paper/key` one. Raises ReportError that lists the valid ones."""
    valid = all_claims()
    chosen = [claim for claim in valid if target is None or target in (claim.name, claim.paper)]
    if not chosen and (target is not None or valid):
        papers = list(dict.fromkeys(claim.paper for claim in valid))
        paper = str(target).partition("/")[0]
        listed = [claim.name for claim in valid if claim.paper == paper] or papers
        raise ReportError(
            f"no claim {target!r}{did_you_mean(str(target), [*papers, *(claim.name for claim in valid)])}; "
            f"choose from {', '.join(listed)}"
        )
    return chosen
