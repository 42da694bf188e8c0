"""What the report shows: each paper's figures and tables as they would be saved.

If one is missing, the page says why and which command helps.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import pandas as pd

from analysis.check import examine, select, values
from analysis.drawing.figure import Figure, Table
from analysis.drawing.save import csv_text, png
from analysis.drawing.vega import specification
from analysis.errors import ReportError
from analysis.make import Reader
from analysis.papers import PAPERS
from analysis.plot.page import page
from analysis.rows.data import Data
from analysis.rows.frames import tuples
from analysis.rows.read import EVERY_STUDY, NoPlan
from sweeps.store import PlanInfo

# Of a page's width, as in the papers. Screens show an inch as 96 pixels.
PIXELS_PER_INCH = 96 * 1.25
DOTS_PER_INCH = 220
# Larger numbers are not part of the page: their command writes them.
MOST_CSV_BYTES = 200_000
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z(]|n = )")
# How the sentence on n and interval reads.
SPREAD = re.compile(r"\bn = \d")


@dataclass(frozen=True)
class Item:
    """A figure, a table, or what is missing.

    image, csv: data URIs. chart: a Vega-Lite specification, None without. reason, commands: why
    there is nothing, or what is missing, and what helps. facts: what stands under it, name -> text.
    study: whose runs its points are.
    """

    name: str
    caption: str = ""
    image: str = ""
    width: int = 0
    shown: pd.DataFrame | None = None
    reason: str = ""
    commands: list[str] = field(default_factory=list)
    chart: dict[str, Any] | None = None
    csv: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    study: str = ""

    @property
    def is_there(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.image) or self.shown is not None

    @property
    def short_caption(self) -> str:
        """Three sentences of the caption: the first two, and the one on n and interval."""
        first, second, *more = [*SENTENCE_END.split(self.caption), "", ""]
        spread = [one for one in more if SPREAD.search(one)]
        return " ".join([first, second, *(spread or more)[:1]]).strip()

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return self.name.replace("/", "-")


class Pictures:
    """Images as data URIs. The same numbers are not drawn again: drawing takes the longest."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, str], str] = {}

    def of(self, figure: Figure, numbers: pd.DataFrame) -> str:
        """The image of a figure without its caption, which the page has as text."""
        key = (figure.name, csv_text(numbers))
        if key not in self._drawn:
            image = png(figure, numbers, "", DOTS_PER_INCH)
            for old in [known for known in self._drawn if known[0] == figure.name]:
                del self._drawn[old]
            self._drawn[key] = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        return self._drawn[key]


@dataclass(frozen=True)
class Section:
    """A paper: its key, its description, its items."""

    key: str
    title: str
    items: list[Item]


def sections(items: dict[str, Item]) -> list[Section]:
    """The items by paper, figures before tables, in the order of the papers."""
    found = []
    for paper in PAPERS:
        title = (import_module(f"analysis.{paper}").__doc__ or paper).splitlines()[0]
        shown = (*values(paper, "FIGURES"), *values(paper, "TABLES"))
        found.append(Section(paper, title, [items[value.name] for value in shown]))
    return found


def own_sections(reader: Reader, drawn: Pictures) -> Iterator[Section]:
    """The pictures of each study here that no figure or table of a paper reads."""
    for plan in own_plans(reader):
        data = reader(plan.name, added="+").with_variants
        title = plan.title or "A study of your own"
        if not len(data.runs):
            finding = examine(data, ("runs",))
            lacking = Item(plan.study, reason=finding.summary, commands=finding.commands)
            yield Section(plan.study, title, [lacking])
            continue
        shown = [
            _item(one, data, drawn) if isinstance(one, Figure) else Item(one[0], reason=one[1])
            for one in page(data, plan.study)
        ]
        yield Section(plan.study, title, shown)


def own_plans(reader: Reader) -> list[PlanInfo]:
    """The plans of studies that no figure or table of a paper reads."""
    covered = {study for value in select(None, "FIGURES", "TABLES") for study in value.studies}
    return [plan for plan in reader(EVERY_STUDY).plans if plan.study not in covered]


def items(reader: Reader, drawn: Pictures) -> Iterator[Item]:
    """Each figure and table in turn."""
    for value in select(None, "FIGURES", "TABLES"):
        try:
            yield _item(value, reader(value.study), drawn)
        except NoPlan as reason:
            yield Item(value.name, reason=reason.reason, commands=reason.commands)
        except ReportError as reason:
            yield Item(value.name, reason=str(reason))


def _item(value: Figure | Table, data: Data, drawn: Pictures) -> Item:
    if reason := value.not_planned(data):
        return Item(value.name, reason=reason)
    finding = examine(data, value.needs)
    numbers = value.table(data)
    if numbers.empty:
        return Item(value.name, reason=finding.summary, commands=finding.commands)
    item = Item(
        value.name,
        value.caption(data, numbers),
        reason=finding.summary if finding.cells else "",
        commands=finding.commands,
        csv=_csv(numbers),
        facts=facts(value, data),
        study=data.plans[0].study if len(data.plans) == 1 else "",
    )
    if isinstance(value, Table):
        return replace(item, shown=value.readable(numbers))
    width = round(value.size_inches[0] * PIXELS_PER_INCH)
    chart = specification(value.chart, numbers) if value.chart else None
    image = drawn.of(value, numbers)
    return replace(item, image=image, width=width, chart=chart)


def _again(value: Figure | Table) -> str:
    """The words of `odereport` that make it; pictures of any study have no name there."""
    registered = {one.name for one in select(None, "FIGURES", "TABLES")}
    if value.name not in registered:
        return f"plot {value.studies[0]}"
    return f"{'figures' if isinstance(value, Figure) else 'tables'} {value.name}"


def facts(value: Figure | Table, data: Data) -> dict[str, str]:
    """What its numbers rest on: plans, trials, rows, code, hours, and the command for it."""
    used = value.used(data)
    runs = used.runs
    commits = sorted({commit[:7] for commit in runs["code_commit"].dropna()})
    hours = (runs["train_seconds"].fillna(0) + runs["evaluate_seconds"].fillna(0)).sum() / 3600
    on_gpu = not runs["device"].fillna("cpu").str.startswith("cpu").all()
    return {
        "plans": data.names,
        "trials": f"{len(runs)} of {len(used.trials)}",
        "rows": f"generation {data.source.generation()}, hash {_hash(used, value.needs)}",
        "code": ", ".join(commits) or "unknown",
        "hours of training and its tests": f"{hours:.2g}{'' if on_gpu else ' on CPUs'}",
        "make it again": f"odereport {_again(value)} --results {data.results}",
    }


def _hash(used: Data, needs: tuple[str, ...]) -> str:
    """Twelve digits that change with the accepted rows behind the numbers: which, and whose."""
    tests = any(need.startswith("evaluations") for need in needs)
    names = [f"{run} {attempt}" for run, attempt in tuples(used.runs, "trial_id", "attempt_id")]
    if tests:
        pairs = tuples(used.evaluations, "eval_id", "attempt_id")
        names += [f"{one} {attempt}" for one, attempt in pairs]
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]


def _csv(numbers: pd.DataFrame) -> str:
    data = csv_text(numbers).encode()
    if len(data) > MOST_CSV_BYTES:
        return ""
    return f"data:text/csv;base64,{base64.b64encode(data).decode()}"
