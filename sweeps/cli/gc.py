"""`odesweep gc`: delete what a sweep left on disk and nobody will use again."""

from typing import Annotated

import typer

from sweeps.cli import DEFAULT_RESULTS, ResultsOption, command_line, existing
from sweeps.cli.output import duration

DeleteOption = Annotated[
    bool,
    typer.Option(
        "--delete",
        help=(
            "Delete it. Takes two minutes: everything is looked for twice, two minutes apart, and "
            "only what is found both times is deleted. Default: only say what there is."
        ),
    ),
]


def gc(results: ResultsOption = DEFAULT_RESULTS, delete: DeleteOption = False) -> None:
    """Show, or delete, what nobody will use again: one line per kind.

    Copies of the code, decoded images in the results folder, weights that no row names, checkpoints
    of accepted trials, unfinished files. Only files older than a day are listed, and none that
    belong to a trial that may be running or queued.
    """
    import time

    from sweeps.gc import collect
    from sweeps.planning.forecast import size_text

    folder = existing(results)

    def wait(seconds: float) -> None:
        print(f"looking again in {duration(seconds)} before anything is deleted", flush=True)
        time.sleep(seconds)

    piles = collect(folder, delete=delete, wait=wait)
    for pile in piles:
        verb = "deleted" if delete else "would delete"
        print(f"{verb} {pile.kind}: {pile.count:,} ({size_text(pile.bytes)})")
    if not piles:
        print("nothing to delete")
    elif not delete:
        print(
            f"nothing was deleted yet; `{command_line('gc', '--delete', results=results)}` does it"
        )
