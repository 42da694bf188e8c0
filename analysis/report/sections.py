"""What the report shows: each paper's figures and tables as they would be saved.

If one is missing, the page says why and which command helps.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module

import pandas as pd

from analysis.check import examine, select, values
from analysis.data import Data
from analysis.errors import ReportError
from analysis.figure import Figure, Table
from analysis.make import Reader
from analysis.papers import PAPERS
from analysis.plot.page import page
from analysis.read import EVERY_STUDY, NoPlan
from analysis.save import png
from sweeps.store import PlanInfo

# Of a page's width, as in the papers. Screens show an inch as 96 pixels.
PIXELS_PER_INCH = 96 * 1.25
DOTS_PER_INCH = 220


@dataclass(frozen=True)
class Item:
    """A figure, a table, or what is missing.

    image: data URI of a PNG. reason, commands: why there is nothing, or what is missing, and what
    helps.
    """

    name: str
    caption: str = ""
    image: str = ""
    width: int = 0
    shown: pd.DataFrame | None = None
    reason: str = ""
    commands: list[str] = field(default_factory=list)

    @property
    def is_there(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.image) or self.shown is not None


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


def own_sections(reader: Reader) -> Iterator[Section]:
    """The pictures of each study here that no figure or table of a paper reads."""
    for plan in own_plans(reader):
        data = reader(plan.name).with_variants
        title = plan.title or "A study of your own"
        if not len(data.runs):
            finding = examine(data, ("runs",))
            lacking = Item(plan.study, reason=finding.summary, commands=finding.commands)
            yield Section(plan.study, title, [lacking])
            continue
        drawn = [
            _item(one, data) if isinstance(one, Figure) else Item(one[0], reason=one[1])
            for one in page(data, plan.study)
        ]
        yield Section(plan.study, title, drawn)


def own_plans(reader: Reader) -> list[PlanInfo]:
    """The plans of studies that no figure or table of a paper reads."""
    covered = {study for value in select(None, "FIGURES", "TABLES") for study in value.studies}
    return [plan for plan in reader(EVERY_STUDY).plans if plan.study not in covered]


def items(reader: Reader) -> Iterator[Item]:
    """Each figure and table in turn."""
    for value in select(None, "FIGURES", "TABLES"):
        try:
            yield _item(value, reader(value.study))
        except NoPlan as reason:
            yield Item(value.name, reason=reason.reason, commands=reason.commands)
        except ReportError as reason:
            yield Item(value.name, reason=str(reason))


def _item(value: Figure | Table, data: Data) -> Item:
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
    )
    if isinstance(value, Table):
        return replace(item, shown=value.readable(numbers))
    width = round(value.size_inches[0] * PIXELS_PER_INCH)
    return replace(item, image=_image(value, numbers), width=width)


def _image(figure: Figure, numbers: pd.DataFrame) -> str:
    # The page has the caption as text.
    image = png(figure, numbers, "", DOTS_PER_INCH)
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"
