"""Pruning: delete files that a generation replaced long ago, and leftovers of dead processes.

Files are listed twice, minutes apart. Only those in both lists are deleted.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sweeps.store.accept import accepted_runs
from sweeps.store.clock import folder_clock
from sweeps.store.files import list_files, list_folder, one_line
from sweeps.store.folders import Results
from sweeps.store.generations import (
    Manifest,
    check_content,
    manifest_path,
    read_manifest,
    relative,
)
from sweeps.store.read import newest
from sweeps.store.schema import TABLES

DAY_SECONDS = 24 * 3600.0
UNFINISHED = "unfinished files"


@dataclass(frozen=True)
class Found:
    """A file to delete, or the folder of an attempt's checkpoints. why: words for the summary.

    tree: a whole folder, with everything in it.
    """

    path: Path
    why: str
    tree: bool = False


def prune(
    results: Results,
    *,
    dry_run: bool = False,
    kept_seconds: float = DAY_SECONDS,
    leftover_seconds: float = DAY_SECONDS,
    look_seconds: float = 120.0,
    wait: Callable[[float], None] = time.sleep,
) -> list[Found]:
    """Delete what was superseded `kept_seconds` ago or left over `leftover_seconds` ago.

    The files are listed twice, `look_seconds` apart. dry_run: only list them, once. Raises
    InfrastructureError, before anything is deleted, if the newest generation differs from its
    manifest.
    """
    if not results.path.is_dir():
        return []
    with one_line(f"cannot prune {results.path}", "what is not deleted yet stays"):
        return delete_twice_seen(
            lambda: _candidates(results, kept_seconds, leftover_seconds),
            lambda: _check(results, newest(results)),
            dry_run=dry_run,
            look_seconds=look_seconds,
            wait=wait,
        )


def delete_twice_seen(
    find: Callable[[], Iterable[Found]],
    check: Callable[[], object] = lambda: None,
    *,
    dry_run: bool,
    look_seconds: float,
    wait: Callable[[float], None],
) -> list[Found]:
    """Call `find` twice, `look_seconds` apart, and delete only what is found both times.

    check: called in between, and may refuse. dry_run: only find, once.
    """
    first = set(find())
    if dry_run or not first:
        return sorted(first, key=lambda one: one.path)
    check()
    wait(look_seconds)
    agreed = sorted(first & set(find()), key=lambda one: one.path)
    for one in agreed:
        _delete(one)
    return agreed


def _delete(found: Found) -> None:
    path = found.path
    if found.tree:
        # In one step it is gone for those who use it. What is left of it is an unfinished file.
        hidden = path if _is_temporary(path) else path.with_name(f".{uuid4().hex}.tmp")
        with suppress(FileNotFoundError):
            path.rename(hidden)
            shutil.rmtree(hidden)
    elif path.is_dir():
        for inner in path.iterdir():
            inner.unlink(missing_ok=True)
        path.rmdir()
        with suppress(OSError):
            path.parent.rmdir()  # the trial's folder, if this was its last attempt
    else:
        path.unlink(missing_ok=True)


def _check(results: Results, manifest: Manifest) -> None:
    """Check that the files that are about to become the only copy are complete."""
    for table in TABLES:
        check_content(results, manifest, table, " and nothing was deleted")


def _candidates(results: Results, kept_seconds: float, leftover_seconds: float) -> Iterator[Found]:
    manifest = newest(results)
    now = folder_clock(results.path)
    yield from _superseded(results, manifest, now - kept_seconds)
    before = now - leftover_seconds
    yield from _unnamed(results, manifest, before)
    yield from unfinished(results, before)
    yield from checkpoints(results, before)


def unfinished(results: Results, before: float) -> Iterator[Found]:
    """Files that were never finished and to which nothing was written since `before`."""
    for folder in _folders(results):
        yield from (
            Found(path, UNFINISHED)
            for path in _entries(folder)
            if _is_temporary(path) and path.is_file() and is_older(path, before)
        )


def _superseded(results: Results, manifest: Manifest, before: float) -> Iterator[Found]:
    """What the generation replaced.

    The generation before it is kept, since a user may have to go back to it.
    """
    kept = (
        {manifest_path(results, manifest.base), *_data(results, manifest.base)}
        if manifest.base
        else set()
    )
    for folder in [results.manifests, *_of_tables(results)]:
        since = manifest.superseded.get(relative(results, folder), {})
        for name in list_folder(folder):
            if name in since and since[name] < before and folder / name not in kept:
                yield Found(folder / name, "superseded files")


def _data(results: Results, number: int) -> set[Path]:
    try:
        manifest = read_manifest(results, number)
    except FileNotFoundError:
        return set()
    return {path for table in TABLES for path in manifest.paths(results, table)}


def _unnamed(results: Results, manifest: Manifest, before: float) -> Iterator[Found]:
    """Data files of a compact that died or lost: no manifest names them."""
    for table in TABLES:
        folder = results.generations(table)
        named = {
            path.name for path in (*manifest.paths(results, table), *_data(results, manifest.base))
        }
        named |= set(manifest.superseded.get(relative(results, folder), ()))
        for name in list_files(folder):
            if name not in named and is_older(folder / name, before):
                yield Found(folder / name, "files of a compact that did not end")


def _folders(results: Results) -> list[Path]:
    """Every folder in which files are first written under a hidden name."""
    return [
        *_of_tables(results),
        results.manifests,
        results.weights,
        results.plans,
        results.submissions,
        results.retractions,
        results.path,
    ]


def _of_tables(results: Results) -> list[Path]:
    places = (results.parts, results.merged, results.generations)
    return [place(table) for table in TABLES for place in places]


def checkpoints(results: Results, before: float) -> Iterator[Found]:
    """Checkpoints of attempts of finished trials to which nothing was written for long."""
    done = set(accepted_runs(results, ["trial_id"])["trial_id"].to_pylist())
    for trial in done.intersection(list_folder(results.checkpoints)):
        for attempt in _entries(results.checkpoints / trial):
            if attempt.is_dir() and all(
                is_older(path, before) for path in (attempt, *_entries(attempt))
            ):
                yield Found(attempt, "checkpoints of accepted trials")


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".tmp")


def is_older(path: Path, before: float) -> bool:
    """Whether nothing was written to `path` since `before`; False if it has just gone."""
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False
