"""The page itself: verdicts first, then each paper, each other study, and what was not drawn.

Styles, script and images are inside the page.
"""

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.progress import track

from analysis.check import select
from analysis.claims_command import RULE, rows
from analysis.make import CONSOLE, INCOMPLETE, OK, Reader
from analysis.report.sections import items, own_plans, own_sections, sections
from analysis.verdict import VERDICTS

NAME = "report.html"


def write_report(reader: Reader, out: Path) -> int:
    """Write `out`/report.html; returns the exit code.

    It is 1 if something could not be drawn or a claim lacks data.
    """
    bar = {"console": CONSOLE, "transient": True, "disable": not CONSOLE.is_terminal}
    values, own = len(select(None, "FIGURES", "TABLES")), len(own_plans(reader))
    found = {one.name: one for one in track(items(reader), "report", total=values, **bar)}
    others = list(track(own_sections(reader), "other studies", total=own, **bar))
    pictures = [*found.values(), *(item for section in others for item in section.items)]
    verdicts = rows(None, reader)
    out.mkdir(parents=True, exist_ok=True)
    (out / NAME).write_text(
        render(
            verdicts=verdicts,
            words=VERDICTS,
            counts=Counter(one["verdict"] for one in verdicts),
            rule=RULE,
            sections=[*sections(found), *others],
            absent=[item for item in pictures if not item.is_there],
            plans=reader("*").plans,
            results=reader.folder.path,
        ),
        encoding="utf-8",
    )
    there = sum(item.is_there for item in pictures)
    CONSOLE.print(
        f"{out / NAME}: {len(verdicts)} claims, {there} of {len(pictures)} figures and tables"
    )
    return (
        OK
        if there == len(pictures) and all(one["verdict"] != VERDICTS[-1] for one in verdicts)
        else INCOMPLETE
    )


def render(**content: Any) -> str:
    """The page with this content. Everything in it is escaped except style and script."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    place = files("analysis.report")
    template, style, script = (
        place.joinpath(name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", "page.js")
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(
        style=Markup(style), script=Markup(script), **content
    )
