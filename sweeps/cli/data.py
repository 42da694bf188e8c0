"""`odesweep data check|fetch`: check or download the data sets of a study.

Workers never download.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sweeps.cli import (
    DryRunOption,
    JsonOption,
    OverridesArgument,
    ScaleOption,
    StudyArgument,
    command_line,
)
from sweeps.cli.installed import check_installed
from sweeps.errors import InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from odecore.config.data import Images
    from odecore.config.spec import TrialSpec

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        envvar="ODESWEEP_DATA",
        help="The folder with the data sets.",
        file_okay=False,
    ),
]
ActionArgument = Annotated[
    Literal["check", "fetch"],
    typer.Argument(help="check: check that the files exist. fetch: download missing files."),
]
VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="With check: also read the files and compare checksums (seconds to minutes).",
    ),
]


def data(
    action: ActionArgument,
    study: StudyArgument,
    overrides: OverridesArgument = None,
    scale: ScaleOption = None,
    data_root: DataOption = None,
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> int:
    """Check that the data sets of a study are complete, or download what is missing.

    The exit code is 3 if something is missing.
    """
    from sweeps.studies import find
    from sweeps.study.overrides import select

    if action == "fetch" and data_root is None:
        raise UserError(
            "no data folder is given; give the folder for downloads with --data-root or "
            "ODESWEEP_DATA"
        )
    if action == "fetch" or verify:
        check_installed()
    fetching = words_of_fetch(study, overrides or (), scale, data_root)
    groups = _groups(trial.spec for trial in select(find(study), scale, overrides or ()).selected)
    rows = []
    for name, configs in groups.items():
        row = (
            _fetched(name, configs, data_root, dry_run)
            if action == "fetch" and data_root
            else _checked(name, configs, data_root, fetching, verify)
        )
        rows.append(row)
        if not as_json:
            print(f"{name}: {'ok' if row['ok'] else 'not ok'}: {row['text']}", flush=True)
    if as_json:
        print(json.dumps(rows, indent=1))
    return 0 if all(row["ok"] for row in rows) else 3


def words_of_fetch(
    study: str, overrides: "Iterable[str]", scale: str | None, data_root: Path | None
) -> str:
    """What a hint types behind `odesweep data fetch`."""
    command = command_line("data", "fetch", study, *overrides, scale=scale, data_root=data_root)
    return command.removeprefix("odesweep data fetch ")


def check(specs: "Iterable[TrialSpec]", data_root: Path | None, fetching: str) -> None:
    """Check the data sets in `data_root`. fetching: of `words_of_fetch`.

    Raises InfrastructureError, one line, for the first one that is not complete.
    """
    from odecore.config.data import what_is_missing

    for config in dict.fromkeys(spec.data for spec in specs):
        if missing := what_is_missing(config, data_root, fetching):
            raise InfrastructureError(f"data set {config.name}: {missing}")


def _groups(specs: "Iterable[TrialSpec]") -> "dict[str, list[Images]]":
    """Data set -> those of its configurations that read files."""
    from odecore.config.data import missing_files

    found: dict[str, Any] = {}
    for config in dict.fromkeys(spec.data for spec in specs):
        # Without a folder, every data set that is read from files is missing.
        found.setdefault(config.name, []).extend([config] if missing_files(config, None) else [])
    return found


def _checked(
    name: str, configs: "list[Images]", root: Path | None, fetching: str, verify: bool
) -> dict[str, Any]:
    """Check one data set.

    It must exist; with `verify` checksums are compared and it is read as every configuration reads
    it.
    """
    if not configs:
        return _row(name, "generated when it is needed, has no files")
    from odecore.config.data import IMAGE_SETS, what_is_missing

    if (missing := what_is_missing(configs[0], root, fetching)) or root is None:
        return _row(name, missing, ok=False)
    known = IMAGE_SETS[name]
    text = f"{known.train_size:,} training and {known.test_size:,} test images in {root}"
    if verify:
        from odecore import data as datasets
        from odecore.data import images

        try:
            compared = images.verify(configs[0].name, root)
            for config in configs:
                datasets.load(config, root)
        except datasets.DataMissing as error:
            return _row(name, str(error), ok=False)
        text += (
            f", read; {compared} checksums compared"
            if compared
            else ", read; no checksums are known"
        )
    return _row(name, text)


def _fetched(name: str, configs: "list[Images]", root: Path, dry_run: bool) -> dict[str, Any]:
    """Download one data set, or in a dry run say what would be downloaded."""
    if not configs:
        return _row(name, "generated when it is needed, nothing to download")
    from odecore.config.data import missing_files
    from odecore.data import DataMissing
    from odecore.data import fetch as downloads

    if dry_run and missing_files(configs[0], root) and (url := downloads.url(configs[0].name)):
        return _row(name, f"would be downloaded from {url} into {root}")
    try:
        fetched = downloads.fetch(configs[0].name, root)
    except DataMissing as error:
        return _row(name, str(error), ok=False)
    return _row(name, f"downloaded into {root}" if fetched else f"already in {root}")


def _row(name: str, text: str | None, *, ok: bool = True) -> dict[str, Any]:
    return {"data": name, "ok": ok, "text": (text or "").removeprefix(f"data set {name}: ")}
