"""Garbage: what a sweep left on disk and nobody will use again.

Everything is of no use to anybody by itself, so a death in the middle of deleting loses nothing.
Nothing of a trial that may be running or queued is garbage, nor what was written to since `before`.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeps.execute.queues import Queues
from sweeps.inspection.status import Watch
from sweeps.store import Results, list_folder
from sweeps.store.clock import folder_clock, shared_time
from sweeps.store.files import one_line
from sweeps.store.prune import (
    DAY_SECONDS,
    UNFINISHED,
    Found,
    checkpoints,
    delete_twice_seen,
    is_older,
    unfinished,
)

CODE = "copies of the code that no queued or running job uses"
CACHE = "decoded image sets in the results folder"
WEIGHTS = "weights of attempts that are not accepted"


@dataclass(frozen=True)
class Pile:
    """All garbage of one kind. count: of files, or of folders."""

    kind: str
    count: int
    bytes: int


def collect(
    results: Results,
    *,
    delete: bool,
    age_seconds: float = DAY_SECONDS,
    look_seconds: float = 120.0,
    wait: Callable[[float], None] = time.sleep,
) -> list[Pile]:
    """The garbage of a results folder, and with `delete` it is deleted.

    To delete, it is looked for twice, `look_seconds` apart, and only what is found both times goes.
    age_seconds: nobody wrote to it for this long. Raises InfrastructureError for a disk that fails.
    """
    sizes: dict[Path, int] = {}

    def find() -> list[Found]:
        # Without deleting, a folder in which nothing can be written is looked at too.
        clock = folder_clock if delete else shared_time
        found = list(garbage(results, clock(results.path) - age_seconds))
        sizes.update((one.path, _size(one.path)) for one in found)
        return found

    with one_line(f"cannot collect in {results.path}", "what is not deleted yet stays"):
        found = delete_twice_seen(find, dry_run=not delete, look_seconds=look_seconds, wait=wait)
    counts, total = Counter(one.why for one in found), Counter[str]()
    for one in found:
        total[one.why] += sizes[one.path]
    return [Pile(kind, count, total[kind]) for kind, count in counts.items()]


def garbage(results: Results, before: float) -> Iterator[Found]:
    """Everything that may go. before: nothing was written to it since then, in epoch seconds."""
    watch = Watch(results)
    flight = watch.queues.in_flight()
    busy = watch.running() | flight.trials.keys() | flight.unknown
    yield from unfinished(results, before)
    yield from _halves(results, before)
    yield from _code(watch.queues, before)
    if not busy:
        yield from _caches(results, before)
    yield from _weights(watch, busy, before)
    for found in checkpoints(results, before):
        if found.path.parent.name not in busy:
            yield found


def _code(queues: Queues, before: float) -> Iterator[Found]:
    for scheduler in queues.schedulers.values():
        for path in scheduler.unused_code():
            if is_older(path, before):
                yield Found(path, CODE, tree=True)


def _weights(watch: Watch, busy: set[str], before: float) -> Iterator[Found]:
    """Files that no accepted row names.

    An attempt writes its weights, or makes them young again, before its row. So old ones without a
    row belong to an attempt that died, or that was withdrawn or never accepted. While a file of
    rows cannot be read, it may name any of them.
    """
    if watch.view.unread():
        return
    folder = watch.results.weights
    for name in list_folder(folder):
        trial, _, rest = name.partition("-")
        accepted = watch.view.accepted.get(trial)
        named = accepted is not None and (accepted.weights_sha256 or "")[:16]
        if (
            name.endswith(".safetensors")
            and trial not in busy
            and rest != f"{named}.safetensors"
            and is_older(folder / name, before)
        ):
            yield Found(folder / name, WEIGHTS)


def _caches(results: Results, before: float) -> Iterator[Found]:
    """Image sets decoded into the results folder, because ODESWEEP_CACHE pointed there."""
    for folder in _foreign(results):
        facts, images = folder / "facts.json", folder / "train_x.npy"
        if images.is_file() and is_older(facts, before):
            yield Found(folder, CACHE, tree=True)


def _halves(results: Results, before: float) -> Iterator[Found]:
    """Folders of which only a part was deleted."""
    for place in (results.path, results.state, *_foreign(results)):
        for path in place.glob(".*.tmp") if place.is_dir() else ():
            if path.is_dir() and is_older(path, before):
                yield Found(path, UNFINISHED, tree=True)


def _foreign(results: Results) -> Iterator[Path]:
    """Folders beside those of the store, and the folders in them."""
    own = {path.name for path in (*results.folders(), results.manifests)}
    for place in (results.path, results.state):
        others = [place / name for name in list_folder(place) if name not in own]
        for path in others:
            inside = [path / name for name in list_folder(path)] if path.is_dir() else []
            yield from (one for one in (path, *inside) if one.is_dir())


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 for what has just gone."""
    try:
        inner = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
        return sum(one.stat().st_size for one in inner)
    except FileNotFoundError:
        return 0
