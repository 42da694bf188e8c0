"""`odesweep doctor`: find what would make a sweep fail here, before it starts."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import DEFAULT_RESULTS, JsonOption, ResultsOption, ScaleOption, shell_completion
from sweeps.cli.data import DataOption
from sweeps.cli.output import console

if TYPE_CHECKING:
    from sweeps.doctor import Finding, Needed
    from sweeps.profiles import Profile

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
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]",
            help="Also compare free space and quotas with what is left of this study.",
            autocompletion=shell_completion.study_names,
        ),
    ] = None,
    scale: ScaleOption = None,
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
    chosen = load(profile) if profile else None
    what = needed(study, scale, results, chosen) if study else None
    for finding in examine(results, data_root, chosen, what):
        found.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    return 3 if any(finding.level is Level.ERROR for finding in found) else 0


def needed(study: str, scale: str | None, results: Path, profile: "Profile | None") -> "Needed":
    """What the pending trials of a study take at most, with all slots of the profile at work."""
    from sweeps.device import of_profile
    from sweeps.doctor import Needed
    from sweeps.execute.auto_slots import most_slots
    from sweeps.keep_weights import effective
    from sweeps.planning.plan import current_plan, forecast_of
    from sweeps.planning.shards import local_slots
    from sweeps.profiles import Profile
    from sweeps.store import Results
    from sweeps.studies import find
    from sweeps.study.overrides import select

    selection = select(find(study), scale)
    current, costs = current_plan(Results(results), selection)
    pending = [entry.trial for entry in current.of("pending")]
    keep = effective(selection.study.keep_weights, profile.keep_weights if profile else None)
    slots = local_slots(profile or Profile())
    if profile and profile.options:  # of a scheduler, which starts as many tasks as there is room
        device = of_profile(profile)
        auto = most_slots(profile.cpus, max(1, round(device.share)) if device.gpu else 1)
        slots = auto if profile.slots == "auto" else profile.slot_count or 1
        slots *= profile.throttle or len(pending)
    size = forecast_of(replace(selection, selected=pending), costs, keep).most(slots)
    data = frozenset(trial.spec.data.name for trial in selection.selected)
    return Needed(selection.plan_name, size, data)


def _show(finding: "Finding") -> None:
    from rich.text import Text

    remedy = f"; {finding.remedy}" if finding.remedy else ""
    console().print(
        Text.assemble(
            (f"{finding.level:8}", COLOURS[finding.level]),
            (f"{finding.name:18} ", "bold"),
            f"{finding.text}{remedy}",
        )
    )
