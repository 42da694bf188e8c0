"""`odesweep export`: the runs of a study for other tools."""

import shlex
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from sweeps.cli import (
    DEFAULT_RESULTS,
    ResultsOption,
    SavedScaleOption,
    StudyArgument,
    command_line,
    existing,
)
from sweeps.cli.output import count
from sweeps.errors import InfrastructureError, UserError


class _Target(NamedTuple):
    """module: in `sweeps.export`. package, extra: needed, and what installs it. shown: by what."""

    module: str
    package: str | None
    extra: str | None
    shown: str


_TARGETS = {
    "tensorboard": _Target(
        "to_tensorboard", "tensorboardX", "tensorboard", "tensorboard --logdir {folder}"
    ),
    "mlflow": _Target(
        "to_mlflow",
        "mlflow",
        "mlflow",
        "mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db",
    ),
    "wandb-offline": _Target(
        "to_wandb", "wandb", "wandb", "wandb sync {folder}/wandb/offline-run-*"
    ),
    "csv": _Target("to_csv", None, None, ""),
    "json": _Target("to_json", None, None, ""),
}


def export(
    study: StudyArgument,
    to: Annotated[
        Literal["tensorboard", "mlflow", "wandb-offline", "csv", "json"],
        typer.Option("--to", help="The tool, or the kind of file."),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="The folder for the exports.", file_okay=False)
    ] = Path("export"),
    scale: SavedScaleOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Write the accepted runs of a study for another tool: settings, curves, final numbers.

    Failed runs are exported too, as failed. Nothing is sent anywhere.
    """
    from sweeps.export.runs import runs_of
    from sweeps.inspection.status import Watch

    target = _TARGETS[to]
    if target.package and find_spec(target.package) is None:
        raise UserError(
            f"export --to {to} needs {target.package}, which is not installed: pip install "
            f"'odesweep[{target.extra}]'"
        )
    watch = Watch(existing(results))
    plan = watch.find_plan(study, scale)
    runs = runs_of(watch.results, plan, study)
    if not runs:
        command = command_line("run", study, scale=scale, results=results)
        raise UserError(f"{plan} has no accepted run yet; `{command}` trains some")
    folder = out / f"{plan.replace('/', '-')}-{to}"
    try:
        folder.mkdir(parents=True)
        write: Callable[..., None] = import_module(f"sweeps.export.{target.module}").write
        write(runs, folder)
    except FileExistsError:
        raise UserError(
            f"{folder} is already there; remove it, or give another folder with --out"
        ) from None
    except OSError as error:
        raise InfrastructureError(f"cannot write {folder}: {error.strerror or error}") from None
    except Exception as error:
        # Whatever another package raises, in one line.
        line = (str(error).splitlines() or [""])[0]
        raise InfrastructureError(
            f"{target.package or to} failed ({type(error).__name__}: {line}); {folder} is "
            "incomplete: remove it"
        ) from error
    command = target.shown.format(folder=shlex.quote(str(folder)))
    shown = f"; to look at them: {command}" if command else ""
    print(f"wrote {count(len(runs), 'run')} of {plan} to {folder}{shown}")
