"""`odereport claims`: the verdicts as a table on the terminal, CSV, Markdown and JSON."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from analysis.claims import select
from analysis.make import CONSOLE, INCOMPLETE, OK, Reader
from analysis.save import markdown
from analysis.verdicts import CONTRADICTED, INCONCLUSIVE, NOT_ENOUGH, REPRODUCED, row, weigh

STYLES = {REPRODUCED: "green", CONTRADICTED: "red", INCONCLUSIVE: "yellow", NOT_ENOUGH: "dim"}
RULE = (
    "A claim is reproduced if the whole 95 % interval of its statistic lies where the claim holds, "
    "contradicted if none of it does, and inconclusive if it straddles the threshold. It needs more "
    "data when it has fewer seeds than it asks for. Every number of a claim must hold; one that is "
    "contradicted contradicts the claim. Rows below a claim's scale or epochs, or on generated "
    "data, are judged in a column of their own."
)


def rows(target: str | None, reader: Reader) -> list[dict[str, Any]]:
    """The verdicts on the claims that `target` means, one flat row each."""
    return [row(weigh(claim, reader)) for claim in select(target)]


def claims(target: str | None, reader: Reader, out: Path, as_json: bool) -> int:
    """Judge, print and write claims.csv and claims.md; the exit code: 1 if a claim lacks data at its own scale."""
    found = rows(target, reader)
    if as_json:
        CONSOLE.print(json.dumps(_plain(found), indent=2))
    else:
        _show(found)
    out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(found).to_csv(out / "claims.csv", index=False, lineterminator="\n")
    (out / "claims.md").write_text(_markdown(found), encoding="utf-8")
    return INCOMPLETE if any(one["verdict"] == NOT_ENOUGH for one in found) else OK


def _show(found: list[dict[str, Any]]) -> None:
    table = Table("claim", "statement", "verdict", "at reduced scale", "statistic", title="claims")
    for one in found:
        verdict, reduced = (
            f"[{STYLES.get(word, 'none')}]{word}[/]"
            for word in (one["verdict"], one["at_reduced_scale"])
        )
        table.add_row(
            f"{one['paper']}/{one['key']}",
            one["statement"],
            verdict,
            reduced if one["at_reduced_scale"] else "",
            _statistic(one),
        )
    CONSOLE.print(table, markup=True)
    for one in found:
        if one["verdict"] == NOT_ENOUGH:
            CONSOLE.print(
                f"{one['paper']}/{one['key']}: missing: {one['missing'] or 'nothing; too few runs completed'}"
            )
            CONSOLE.print(f"  fill with: {one['command']}")
    CONSOLE.print(RULE)


def _markdown(found: list[dict[str, Any]]) -> str:
    frame = pd.DataFrame(
        [
            {
                "claim": f"{one['paper']}/{one['key']}",
                "statement": one["statement"],
                "source": one["source"],
                "verdict": one["verdict"],
                "at reduced scale": one["at_reduced_scale"],
                "statistic": _statistic(one),
                "command": f"`{one['command']}`",
            }
            for one in found
        ],
        columns=[
            "claim",
            "statement",
            "source",
            "verdict",
            "at reduced scale",
            "statistic",
            "command",
        ],
    )
    return f"{markdown(frame)}\n{RULE}\n"


def _statistic(one: dict[str, Any]) -> str:
    return f"{one['measure']} {one['holds']}; ours {one['parts'] or 'none yet'}"


def _plain(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """NaN is no JSON."""
    return [{key: None if value != value else value for key, value in one.items()} for one in found]
