"""What the report shows: each paper's figures and tables as they would be saved, or why not and which command helps."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO

import pandas as pd

from analysis import PAPERS
from analysis.check import examine, figure_module, not_planned, select, table_module
from analysis.data import Data
from analysis.errors import ReportError
from analysis.make import Reader
from analysis.read import NoPlan
from analysis.save import Figure, compose_figure

# Of a page's width, as in the papers: screens show an inch as 96 pixels.
PIXELS_PER_INCH = 96 * 1.25
DOTS_PER_INCH = 220


@dataclass(frozen=True)
class Item:
    """A figure, a table, or what is not there. image: data URI of a PNG.

    reason, commands: why there is nothing, or what is missing, and what helps.
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
    """A paper: its key, what it is, its items."""

    key: str
    title: str
    items: list[Item]


def names() -> list[str]:
    """Every figure and table that there is, as `paper/name`."""
    return select(None, "FIGURES", "TABLES")


def sections(items: dict[str, Item]) -> list[Section]:
    """The items by paper, figures before tables, in the papers' order."""
    found = []
    for paper in PAPERS:
        package = import_module(f"analysis.{paper}")
        own = [items[f"{paper}/{name}"] for name in (*package.FIGURES, *package.TABLES)]
        if own:
            found.append(Section(paper, (package.__doc__ or paper).splitlines()[0], own))
    return found


def items(reader: Reader) -> Iterator[Item]:
    """Each figure and table in turn."""
    for name in names():
        try:
            yield _item(name, reader(table_module(name).STUDY))
        except NoPlan as reason:
            yield Item(name, reason=reason.reason, commands=reason.commands)
        except ReportError as reason:
            yield Item(name, reason=str(reason))


def _item(name: str, data: Data) -> Item:
    module = table_module(name)
    if absent := not_planned(data, module.NEEDS):
        return Item(name, reason=f"{data.names} does not plan {', '.join(absent)}")
    finding = examine(data, module.NEEDS)
    numbers = module.table(data)
    if numbers.empty:
        return Item(name, reason=finding.summary, commands=finding.commands)
    caption = module.caption(data, numbers)
    if not hasattr(module, "draw"):
        return Item(
            name,
            caption,
            shown=module.readable(numbers),
            reason=finding.summary if finding.cells else "",
            commands=finding.commands,
        )
    figure = figure_module(name)
    image = _image(figure, numbers)
    width = round(figure.SIZE_INCHES[0] * PIXELS_PER_INCH)
    return Item(
        name,
        caption,
        image,
        width,
        reason=finding.summary if finding.cells else "",
        commands=finding.commands,
    )


def _image(module: Figure, numbers: pd.DataFrame) -> str:
    import matplotlib.pyplot as plt

    png = BytesIO()
    # The page has the caption as text.
    figure = compose_figure(module, numbers, "")
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    plt.close(figure)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
