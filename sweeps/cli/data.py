"""`odesweep data check`: whether the data sets a study needs are there. Workers never download."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sweeps.cli import OverridesArgument, ScaleOption, StudyArgument
from sweeps.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from odecore.config.spec import TrialSpec

DataOption = Annotated[Path | None, typer.Option("--data-root", envvar="ODESWEEP_DATA", help="Folder with the data sets.", file_okay=False)]
ActionArgument = Annotated[Literal["check"], typer.Argument(help="check: are the files there?")]


def data(
    action: ActionArgument, study: StudyArgument, overrides: OverridesArgument = None, scale: ScaleOption = None, data_root: DataOption = None
) -> None:
    """Say whether every data set of a study is there, as `run` does before it submits."""
    assert action == "check"
    from sweeps.overrides import select
    from sweeps.studies import find

    specs = [trial.spec for trial in select(find(study), scale, overrides or ()).selected]
    check(specs, data_root)
    print(f"{study}: data sets complete: {', '.join(dict.fromkeys(spec.data.name for spec in specs))}")


def check(specs: "Iterable[TrialSpec]", data_root: Path | None) -> None:
    """Raises InfrastructureError, one line, for the first data set that is not complete in `data_root`."""
    from odecore.config.data import missing_files

    for config in dict.fromkeys(spec.data for spec in specs):
        if missing := missing_files(config, data_root):
            where = f"is not in {data_root}" if data_root else "is needed, and no data folder is named"
            raise InfrastructureError(
                f"data set {config.name}: {missing[0]} {where}; lay the files out as torchvision does and name the folder with --data-root "
                "or ODESWEEP_DATA"
            )
