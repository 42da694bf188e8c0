"""`odesweep doctor`: find what would make a sweep fail here, before it starts."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import DEFAULT_RESULTS, JsonOption, ResultsOption, shell_completion
from sweeps.cli.data import DataOption

if TYPE_CHECKING:
    from sweeps.doctor import Finding

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help=(
            "Name or TOML file of a profile. Also checks what tasks with this profile get, with a "
            "small test job."
        ),
        autocompletion=shell_completion.profile_names,
    ),
]
COLOURS = {"ok": "green", "warning": "yellow", "error": "bold red"}


def doctor(
    results: ResultsOption = DEFAULT_RESULTS,
    data_root: DataOption = None,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check versions, results folder, data, GPU, limits and cluster.

    Prints one line per check, with a remedy. The exit code is 3 if a check is an error.
    """
    from sweeps.doctor import Level, examine
    from sweeps.profiles import load

    found = []
    for finding in examine(results, data_root, load(profile) if profile else None):
        found.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    return 3 if any(finding.level is Level.ERROR for finding in found) else 0


def _show(finding: "Finding") -> None:
    from rich.text import Text

    from sweeps.cli.plan import console

    remedy = f"; {finding.remedy}" if finding.remedy else ""
    console().print(
        Text.assemble(
            (f"{finding.level:8}", COLOURS[finding.level]),
            (f"{finding.name:18} ", "bold"),
            f"{finding.text}{remedy}",
        )
    )
