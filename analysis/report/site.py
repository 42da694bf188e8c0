"""`odereport site`: the results as static pages, one per paper, in HTML and in Markdown.

Pictures and numbers are files beside them, so that both show the same.
"""

import base64
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pandas as pd

from analysis.check import select
from analysis.claims.command import RULE
from analysis.drawing.save import markdown
from analysis.make import CONSOLE, OK, Reader
from analysis.papers import PAPERS
from analysis.report import summary
from analysis.report.page import Content, gather, page
from analysis.report.sections import Item, Section
from analysis.report.verdicts import Card, sentences

# The pages, and the folder of their pictures and numbers.
INDEX = "index"
FILES = "pages"


def write_site(reader: Reader, out: Path) -> int:
    """Write the pages below `out`; returns the exit code.

    A paper without any figure, table or verdict has no page; the index lists what is missing.
    """
    content = gather(reader)
    folder = out / FILES
    folder.mkdir(parents=True, exist_ok=True)
    shown = [
        replace(one, items=[_filed(each, folder) for each in one.items]) for one in content.sections
    ]
    papers = [one for one in shown if _cards(content, one, True) or _there(one)]
    links = {"all results": f"{INDEX}.html", **{one.key: f"{_stem(one)}.html" for one in papers}}
    index = replace(content, sections=[], headline=None)
    _write(folder / f"{INDEX}.html", page(reader, index, pages=links))
    _write(folder / f"{INDEX}.md", "\n".join(_index(reader, content, papers)))
    for one in papers:
        own = Content(_cards(content, one), [one], None)
        told = sentences(own.cards, _runs(reader, one)) if own.cards else []
        about = summary.of_paper(one.key)
        html = page(reader, own, pages=links, sentences=told, place=one.key, about=about)
        _write(folder / f"{_stem(one)}.html", html)
        _write(folder / f"{_stem(one)}.md", "\n".join(_paper(own, one, about, told)))
    for name in ("page.css", "page.js"):
        _write(folder / name, files("analysis.report").joinpath(name).read_text(encoding="utf-8"))
    CONSOLE.print(f"{folder / INDEX}.html and .md: {len(papers)} pages")
    return OK


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _stem(section: Section) -> str:
    return section.key.replace("/", "-")


def _there(section: Section) -> list[Item]:
    return [item for item in section.items if item.is_there]


def _cards(content: Content, section: Section, decided: bool = False) -> list[Card]:
    own = [card for card in content.cards if card.about["paper"] == section.key]
    return [card for card in own if not card.is_open] if decided else own


def _runs(reader: Reader, section: Section) -> int:
    """How many runs its figures, tables and verdicts read."""
    values = select(section.key, "FIGURES", "TABLES") if section.key in PAPERS else []
    studies = {study for value in values for study in value.studies} or {section.key}
    return len(reader.trained(tuple(sorted(studies))))


def _filed(item: Item, folder: Path) -> Item:
    """The item with its picture and its numbers as files."""
    for kind, suffix in (("image", "png"), ("csv", "csv")):
        if uri := getattr(item, kind):
            path = folder / f"{item.anchor}.{suffix}"
            path.write_bytes(base64.b64decode(uri.partition(",")[2]))
            item = replace(item, **{kind: path.name})
    return item


def _index(reader: Reader, content: Content, papers: list[Section]) -> Iterator[str]:
    yield "# Results\n"
    yield f"{' '.join(sentences(content.cards, len(reader.trained('*'))))}\n"
    counts = [
        {
            "page": f"[{one.key}]({_stem(one)}.md)",
            "what": one.title.rstrip("."),
            "verdicts": str(len(_cards(content, one, True))),
            "claims": str(len(_cards(content, one))),
            "figures and tables": f"{len(_there(one))} of {len(one.items)}",
        }
        for one in papers
    ]
    yield markdown(pd.DataFrame(counts))
    yield f"Written by `odereport site --results {reader.folder.path}`. {RULE}\n"
    absent = [one.key for one in content.sections if one.key not in {one.key for one in papers}]
    if absent:
        yield f"Nothing yet of {', '.join(absent)}: `odereport check` has the commands.\n"


def _paper(
    content: Content, section: Section, about: summary.Summary | None, told: list[str]
) -> Iterator[str]:
    yield f"# {section.key}\n"
    yield f"{section.title} [All results]({INDEX}.md)\n"
    if about:
        yield from about.markdown(told)
    if decided := _cards(content, section, True):
        yield "## Verdicts\n"
        yield markdown(pd.DataFrame([_verdict(card) for card in decided]))
    waiting = len(content.cards) - len(decided)
    if waiting:
        yield f"{waiting} claims have too little data for a verdict.\n"
    yield "## Figures and tables\n"
    for item in _there(section):
        yield from _item(item)
    if absent := [item.name for item in section.items if not item.is_there]:
        yield f"Not drawn yet: {', '.join(absent)}.\n"


def _verdict(card: Card) -> dict[str, str]:
    one = card.about
    interval = f" [{one['low']:.3g}, {one['high']:.3g}]" if one["low"] == one["low"] else ""
    # The claim's measure says of what a share is.
    unit = "" if one["unit"].startswith("of ") else f" {one['unit']}".rstrip()
    return {
        "verdict": f"**{card.shown}**{' at reduced scale' if card.reduced else ''}",
        "claim": one["statement"],
        "holds if": f"{one['measure']}: {one['holds']}",
        "ours": f"{one['value']:.3g}{unit}{interval}",
        "n": str(one["n"]),
        "source": one["source"],
    }


def _item(item: Item) -> Iterator[str]:
    yield f"### {item.name}\n"
    if item.shown is not None:
        yield markdown(item.shown)
    else:
        yield f"![{item.name}]({item.image})\n"
    yield f"{item.short_caption}\n"
    facts = ", ".join(f"{name}: {text}" for name, text in item.facts.items())
    numbers = f" [CSV]({item.csv})" if item.csv else ""
    yield f"<details><summary>Whole caption, and origin</summary>\n\n{item.caption}\n"
    yield f"{facts}.{numbers}\n\n</details>\n"
