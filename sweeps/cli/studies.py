"""`odesweep studies`: all studies, how large they are, and what they cost."""

import json
from typing import Any

from sweeps.cli import JsonOption
from sweeps.cli.output import console, duration, table


def studies(as_json: JsonOption = False) -> None:
    """List all studies with their scales, number of cells and trials, predicted hours and paper."""
    from sweeps.planning.plan import plan
    from sweeps.studies import studies as all_studies
    from sweeps.study.overrides import select

    rows: list[dict[str, Any]] = []
    for study in all_studies().values():
        for scale in study.scales:
            current = plan(select(study, scale))
            rows.append(
                {
                    "study": study.name,
                    "scale": scale,
                    "cells": len({entry.trial.cell_id for entry in current.entries}),
                    "trials": len(current.entries),
                    "evaluations": sum(len(entry.trial.evaluations) for entry in current.entries),
                    "predicted_core_hours": current.seconds / 3600,
                    "paper": study.paper,
                    "title": study.title,
                    "testing": study.testing,
                }
            )
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        _show(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    counted = ("cells", "trials", "evaluations")
    shown = table(("study", "scale"), (*counted, "one core"), ("paper", "title"))
    for column in shown.columns[:2]:
        column.no_wrap = True
    previous = ""
    for row in rows:
        name = row["study"] if row["study"] != previous else ""
        previous = row["study"]
        paper = "for testing" if row["testing"] else row["paper"]
        numbers = [f"{row[key]:,}" for key in counted]
        shown.add_row(
            name,
            row["scale"],
            *numbers,
            duration(row["predicted_core_hours"] * 3600),
            paper if name else "",
            row["title"] if name else "",
        )
    console().print(shown)
