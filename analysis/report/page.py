"""The page itself: what was found, then each paper, each other study, and what was not drawn.

Styles, scripts, images and numbers are inside the page.
"""

import base64
import gzip
import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.progress import track

from analysis.check import select
from analysis.claims import claim as claims
from analysis.claims.command import RULE
from analysis.claims.verdict import NOT_ENOUGH, VERDICTS
from analysis.make import CONSOLE, INCOMPLETE, OK, Reader
from analysis.report.desktop import open_page
from analysis.report.explorer import explorer
from analysis.report.sections import (
    Item,
    Pictures,
    Section,
    items,
    own_plans,
    own_sections,
    sections,
)
from analysis.report.verdicts import Card, cards, most_wanted, scores, sentences

NAME = "report.html"
SCRIPTS = ("page.js", "charts.js", "explorer.js")
# The figure of the first screen.
HEADLINE = "cross/accuracy"
NO_CHARTS = "Charts that answer to the mouse need odesweep[report]; the pictures are complete."


@dataclass(frozen=True)
class Content:
    """What a page is made of: the claims, and the figures and tables of papers and own studies."""

    cards: list[Card]
    sections: list[Section]
    headline: Item | None

    @property
    def items(self) -> list[Item]:
        """Every figure and table."""
        return [item for section in self.sections for item in section.items]


def gather(reader: Reader, drawn: Pictures | None = None, quiet: bool = False) -> Content:
    """Draw and judge everything. drawn: pictures of an earlier page that may still do."""
    bar = {"console": CONSOLE, "transient": True, "disable": quiet or not CONSOLE.is_terminal}
    drawn = Pictures() if drawn is None else drawn
    values, own = len(select(None, "FIGURES", "TABLES")), len(own_plans(reader))
    found = {one.name: one for one in track(items(reader, drawn), "report", total=values, **bar)}
    others = track(own_sections(reader, drawn), "other studies", total=own, **bar)
    judged = cards(reader, claims.all_claims())
    return Content(judged, [*sections(found), *others], found.get(HEADLINE))


def write_report(reader: Reader, out: Path, show: bool = False) -> int:
    """Write `out`/report.html; returns the exit code.

    show: also open it in a browser, where there is a desktop. The code is 1 if something could not
    be drawn or a claim lacks data.
    """
    content = gather(reader)
    out.mkdir(parents=True, exist_ok=True)
    (out / NAME).write_text(interactive(reader, content), encoding="utf-8")
    there = sum(item.is_there for item in content.items)
    CONSOLE.print(
        f"{out / NAME}: {len(content.cards)} claims, {there} of {len(content.items)} figures and "
        "tables"
    )
    if not has_charts():
        CONSOLE.print(NO_CHARTS)
    if show:
        open_page((out / NAME).absolute().as_uri())
    complete = all(card.about["verdict"] != NOT_ENOUGH for card in content.cards)
    return OK if there == len(content.items) and complete else INCOMPLETE


def interactive(reader: Reader, content: Content, live: int = 0) -> str:
    """The page with charts and explorer, if their scripts are installed.

    live: of a page that looks for its next version, when it was drawn, in milliseconds.
    """
    bundle = vega_bundle()
    return page(
        reader,
        content,
        bundle=bundle,
        charts=_charts(content.items) if bundle else {},
        rows=packed(embedded(explorer(reader))) if bundle and len(reader("*").runs) else "",
        live=live,
    )


def page(reader: Reader, content: Content, **more: Any) -> str:
    """The page of this content. more: of `render`, for what is left empty or said differently."""
    usual = {"bundle": "", "charts": {}, "rows": "", "live": 0, "pages": {}, "place": ""}
    usual |= {"about": None}
    usual |= {"sentences": sentences(content.cards, len(reader.trained("*")))}
    return render(
        cards=content.cards,
        scores=scores(content.cards),
        wanted=most_wanted(content.cards),
        words=VERDICTS,
        rule=RULE,
        sections=content.sections,
        headline=content.headline,
        absent=[item for item in content.items if not item.is_there],
        plans=reader("*").plans,
        results=reader.folder.path,
        **{**usual, **more},
    )


def has_charts() -> bool:
    """Whether the scripts of the charts are installed."""
    return find_spec("vl_convert") is not None


def vega_bundle() -> str:
    """Vega, Vega-Lite and their embedding as one script, gzipped, in base64; empty without them.

    vl-convert brings the script, so that a page needs no network.
    """
    if not has_charts():
        return ""
    import vl_convert

    script: str = vl_convert.javascript_bundle()  # pyright: ignore[reportCallIssue] - it is optional
    return packed(script)


def packed(text: str) -> str:
    """The text gzipped, in base64."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _charts(found: list[Item]) -> dict[str, Any]:
    return {
        item.anchor: {"spec": item.chart, "study": item.study, "name": item.name}
        for item in found
        if item.chart
    }


def embedded(value: Any) -> str:
    """JSON that can stand inside a script element."""
    return json.dumps(_plain(value), allow_nan=False, separators=(",", ":")).replace("</", "<\\/")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and value - value != 0 else value


def render(**content: Any) -> str:
    """The page with this content. Everything in it is escaped except style and script.

    A page of a site (`pages`) has no charts, and shares its style and script with the others. Its
    `place` is the paper that it is about.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    place = files("analysis.report")
    template, style, *scripts = (
        place.joinpath(name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", *SCRIPTS, *(("live.js",) if content["live"] else ()))
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    content["charts"] = Markup(embedded(content["charts"]))
    return environment.from_string(template).render(
        style=Markup(style), scripts=[Markup(script) for script in scripts], **content
    )
