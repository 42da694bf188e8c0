"""`odesweep compact`: merge result files into a few per table; --prune deletes the old ones."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import DEFAULT_RESULTS, DryRunOption, ResultsOption, existing
from sweeps.cli.output import count, count_kind, duration

if TYPE_CHECKING:
    from sweeps.store import Results
    from sweeps.store.compact import Compaction

PruneOption = Annotated[
    bool,
    typer.Option(
        "--prune",
        help=(
            "Also delete files that were replaced more than 24 hours ago. Takes two minutes: files "
            "are listed twice, two minutes apart, and deleted only if both lists contain them."
        ),
    ),
]


def compact(
    prune: PruneOption = False,
    results: ResultsOption = DEFAULT_RESULTS,
    dry_run: DryRunOption = False,
) -> None:
    """Merge all result files into a few per table, which read many times faster.

    This is safe while workers write.
    """
    from sweeps.store.compact import compact as compact_rows

    folder = existing(results)
    folder.share()
    for line in _lines(folder, compact_rows(folder, dry_run=dry_run), dry_run):
        print(line)
    if prune:
        _prune(folder, dry_run)


def _lines(folder: "Results", done: "Compaction", dry_run: bool) -> list[str]:

    place = "where it is" if done.damaged == 1 else "where they are"
    lines = [f"left {count(done.damaged, 'damaged file')} {place}"] if done.damaged else []
    number = done.manifest.number
    if done.made:
        rows = ", ".join(
            count_kind(sum(file.rows for file in files), table)
            for table, files in done.manifest.files.items()
            if files
        )
        size = sum(file.size_bytes for files in done.manifest.files.values() for file in files)
        return [
            (
                f"generation {number} of {folder.path}: {rows} ({size / 1e6:,.1f} MB), "
                f"{count(done.files, 'new file')} taken in"
            ),
            *lines,
        ]
    if dry_run:
        return [f"would take in {count(done.files, 'new file')} after generation {number}", *lines]
    if done.files:
        return [
            (
                f"{done.manifest.by} made generation {number} meanwhile; this one was given up, "
                "nothing is lost"
            ),
            *lines,
        ]
    return [
        f"nothing new since generation {number}"
        if number
        else f"nothing to compact in {folder.path}",
        *lines,
    ]


def _prune(folder: "Results", dry_run: bool) -> None:
    import time

    from sweeps.store.prune import prune

    def wait(seconds: float) -> None:
        print(
            f"listing the files again in {duration(seconds)} before anything is deleted", flush=True
        )
        time.sleep(seconds)

    found = Counter(one.why for one in prune(folder, dry_run=dry_run, wait=wait))
    verb = "would delete" if dry_run else "deleted"
    print(
        "\n".join(f"{verb} {number:,} {why}" for why, number in found.items()) or "nothing to prune"
    )
