"""`odesweep merge`: results folders of several clusters or people become one."""

from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.output import count_kind

FoldersArgument = Annotated[
    list[Path], typer.Argument(metavar="FOLDER…", help="Results folders. They are only read.")
]
IntoOption = Annotated[
    Path,
    typer.Option(
        "--into", help="The results folder that gets what it lacks; made if it does not exist."
    ),
]
WeightsOption = Annotated[
    bool,
    typer.Option(
        "--weights/--no-weights",
        help="Whether to copy trained weights. Evaluations that you add later need them.",
    ),
]


def merge(folders: FoldersArgument, into: IntoOption, weights: WeightsOption = True) -> None:
    """Copy rows, plans, submissions, retractions, events and logs into one results folder.

    Nothing is overwritten and no row comes twice. Merging again copies only what is new.
    """
    from sweeps.store import Results
    from sweeps.store.merge import check_places
    from sweeps.store.merge import merge as merge_folder

    target = Results(into)
    for source in check_places([Results(folder) for folder in folders], target):
        copied = merge_folder(source, target, weights=weights)
        counts = ", ".join(count_kind(number, kind) for kind, number in copied.items())
        print(f"from {source.path}: {counts or 'nothing new'}")
    print(f"merged into {target.path}")
