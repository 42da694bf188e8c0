"""`odereport claims`: the verdicts as a table on the terminal, as CSV, Markdown and JSON."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from analysis.claims.claim import select
from analysis.claims.verdict import CONTRADICTED, INCONCLUSIVE, NOT_ENOUGH, REPRODUCED, row, weigh
from analysis.drawing.save import markdown
from analysis.errors import ReportError
from analysis.make import CONSOLE, INCOMPLETE, OK, Reader
from analysis.rows.stats import MIN_N_SIGN_FLIP

STYLES = {REPRODUCED: "green", CONTRADICTED: "red", INCONCLUSIVE: "yellow", NOT_ENOUGH: "dim"}
RULE = (
    "A claim is reproduced if the whole 95 % interval of its statistic lies where the claim "
    "holds, contradicted if none of it does, and inconclusive if it straddles the threshold. It "
    "needs more data when it has fewer seeds than it asks for. Every number of a claim must "
    "hold; one that is contradicted, after Holm's correction for several numbers, contradicts "
    "the claim. Rows below a claim's scale or epochs, or on generated data, are judged in a "
    "column of their own, from three seeds on; claims about what only full training shows are "
    "not. p: a sign-flip test of the number that decides, from six seeds on; small if the claim "
    "holds. P(A > B): share of pairs in which the first is larger. docs/verdicts.md has the "
    "error rates. `odereport check --decide` says how many more seeds would decide an "
    "inconclusive claim."
)


def rows(target: str | None, reader: Reader) -> list[dict[str, Any]]:
    """The verdicts on the claims for `target`, one flat row each.

    With a plan, only those about its study. Raises ReportError for a plan or a scale that the
    folder does not have, and if no claim is about the plan's study.
    """
    reader.check_choice()
    chosen = select(target)
    if reader.plan is not None:
        study = reader.plan.partition("@")[0]
        chosen = [claim for claim in chosen if study in claim.studies]
        if not chosen:
            raise ReportError(
                f"--plan {reader.plan}: no claim of {target or 'the papers'} is about study "
                f"{study}; leave out --plan, or name a plan of the claims' own study"
            )
    return [row(weigh(claim, reader)) for claim in chosen]


def claims(target: str | None, reader: Reader, out: Path, as_json: bool) -> int:
    """Judge, print and write claims.csv and claims.md; returns the exit code.

    It is 1 if a claim lacks data at its own scale.
    """
    out.mkdir(parents=True, exist_ok=True)
    verdicts = rows(target, reader)
    frame = pd.DataFrame(verdicts)
    shown = _readable(frame)
    frame.to_csv(out / "claims.csv", index=False, lineterminator="\n")
    (out / "claims.md").write_text(f"{markdown(shown)}\n{RULE}\n", encoding="utf-8")
    # Last, because a reader such as `head` may stop listening.
    if as_json:
        CONSOLE.print(frame.to_json(orient="records", indent=2))
    else:
        _print(shown, frame.loc[frame["verdict"] == NOT_ENOUGH])
    return INCOMPLETE if NOT_ENOUGH in set(frame["verdict"]) else OK


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "claim": frame["paper"] + "/" + frame["key"],
            **{name: frame[name] for name in ("statement", "source", "verdict")},
            "at reduced scale": [
                f"{word} (n = {n})" if word else ""
                for word, n in zip(
                    frame["at_reduced_scale"], frame["n_at_reduced_scale"], strict=True
                )
            ],
            "statistic": frame["measure"]
            + "; holds if "
            + frame["holds"]
            + "; ours "
            + frame["parts"].replace("", "none yet")
            + [
                f"; p = {p:.2g}" if n >= MIN_N_SIGN_FLIP and p == p else ""
                for p, n in zip(frame["p"], frame["n"], strict=True)
            ],
            "command": "`" + frame["command"] + "`",
        }
    )


def _styled(text: str) -> str:
    style = STYLES.get(text.partition(" (n = ")[0])
    return f"[{style}]{text}[/]" if style else text


def _print(shown: pd.DataFrame, lacking: pd.DataFrame) -> None:
    columns = [name for name in shown.columns if name not in ("source", "command")]
    lines = shown.filter(columns).to_numpy().tolist()
    if CONSOLE.is_terminal:
        table = Table(*columns, title="claims")
        for line in lines:
            table.add_row(*map(_styled, line))
        CONSOLE.print(table, markup=True)
    else:
        # In a pipe or a file one claim a line, so that grep and cut can take it.
        for line in [columns, *lines]:
            CONSOLE.print("\t".join(" ".join(text.split()) for text in line))
    for line in lacking.to_dict("records"):
        missing = line["missing"] or (
            "nothing, but too few runs completed; odereport check --decide names further seeds"
        )
        CONSOLE.print(f"{line['paper']}/{line['key']}: missing: {missing}")
        CONSOLE.print(f"  fill with: {line['command']}")
    CONSOLE.print(RULE)
