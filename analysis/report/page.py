"""The page itself: what was found, then each paper, each other study, and what was not drawn.

Styles, scripts, images and numbers are inside the page.
"""

import base64
import gzip
import json
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.progress import track

from analysis import claims
from analysis.check import select
from analysis.claims_command import RULE
from analysis.make import CONSOLE, INCOMPLETE, OK, Reader
from analysis.report.explorer import explorer
from analysis.report.sections import Item, Pictures, items, own_plans, own_sections, sections
from analysis.report.verdicts import Card, cards, most_wanted, scores, sentences
from analysis.verdict import NOT_ENOUGH, VERDICTS

NAME = "report.html"
# The figure of the first screen.
HEADLINE = "cross/accuracy"
NO_CHARTS = "Charts that answer to the mouse need odesweep[report]; the pictures are complete."


def write_report(reader: Reader, out: Path) -> int:
    """Write `out`/report.html; returns the exit code.

    It is 1 if something could not be drawn or a claim lacks data.
    """
    html, judged, pictures = compose(reader)
    out.mkdir(parents=True, exist_ok=True)
    (out / NAME).write_text(html, encoding="utf-8")
    there = sum(item.is_there for item in pictures)
    CONSOLE.print(
        f"{out / NAME}: {len(judged)} claims, {there} of {len(pictures)} figures and tables"
    )
    if not has_charts():
        CONSOLE.print(NO_CHARTS)
    complete = all(card.about["verdict"] != NOT_ENOUGH for card in judged)
    return OK if there == len(pictures) and complete else INCOMPLETE


def compose(
    reader: Reader, live: int = 0, drawn: Pictures | None = None
) -> tuple[str, list[Card], list[Item]]:
    """The page, its claims, and its figures and tables.

    live: the number of this version of a page that looks for its next one. drawn: pictures of an
    earlier page that may still do.
    """
    bar = {"console": CONSOLE, "transient": True, "disable": bool(live) or not CONSOLE.is_terminal}
    drawn = Pictures() if drawn is None else drawn
    values, own = len(select(None, "FIGURES", "TABLES")), len(own_plans(reader))
    found = {one.name: one for one in track(items(reader, drawn), "report", total=values, **bar)}
    others = list(track(own_sections(reader, drawn), "other studies", total=own, **bar))
    pictures = [*found.values(), *(item for section in others for item in section.items)]
    judged = cards(reader, claims.all_claims())
    bundle = vega_bundle()
    html = render(
        cards=judged,
        scores=scores(judged),
        sentences=sentences(judged, len(reader("*").runs)),
        wanted=most_wanted(judged),
        words=VERDICTS,
        rule=RULE,
        sections=[*sections(found), *others],
        headline=found.get(HEADLINE),
        absent=[item for item in pictures if not item.is_there],
        plans=reader("*").plans,
        results=reader.folder.path,
        bundle=bundle,
        charts=_charts(pictures) if bundle else {},
        rows=packed(embedded(explorer(reader))) if bundle and len(reader("*").runs) else "",
        live=live,
    )
    return html, judged, pictures


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
    """The page with this content. Everything in it is escaped except style and script."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    place = files("analysis.report")
    template, style, *scripts = (
        place.joinpath(name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", "page.js", "charts.js", "explorer.js")
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    content["charts"] = Markup(embedded(content["charts"]))
    return environment.from_string(template).render(
        style=Markup(style), scripts=[Markup(script) for script in scripts], **content
    )
