"""Reading generations: the files that `compact` made of many.

A generation is valid from the moment its manifest has its name.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from sweeps.errors import InfrastructureError
from sweeps.store.files import list_files, read_bytes
from sweeps.store.folders import Results
from sweeps.store.schema import TABLES, VERSION, VERSION_KEY

_NAME = re.compile(r"MANIFEST\.([1-9][0-9]*)")
_DATA_NAME = re.compile(r"[A-Za-z0-9_-]+\.parquet")


@dataclass(frozen=True)
class DataFile:
    """One data file of a generation, which never changes. name: within the folder of its table."""

    name: str
    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of generation `number`.

    base: the generation it was made from, 0 if none. at: epoch seconds of the file system's clock.
    by: who made it. files: table -> its files. superseded: folder, relative to the results -> name
    -> since when a generation holds all of that file. set_aside: sorted "trial/attempt" of the runs
    that count as final and are not accepted: all other final runs here are. accepted: trial ->
    attempt; only manifests of schema versions 1 and 2 have it, and no set_aside.
    """

    number: int = 0
    base: int = 0
    at: float = 0.0
    by: str = ""
    files: Mapping[str, tuple[DataFile, ...]] = field(default_factory=dict)
    superseded: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    set_aside: tuple[str, ...] = ()
    accepted: Mapping[str, str] | None = None

    def paths(self, results: Results, table: str) -> list[Path]:
        """The table's data files."""
        return [results.generations(table) / file.name for file in self.files.get(table, ())]

    def encode(self) -> bytes:
        """The bytes of the manifest's file."""
        values = {
            name: value for name, value in vars(self).items() if name not in ("files", "accepted")
        }
        files = {table: [vars(file) for file in files] for table, files in self.files.items()}
        return json.dumps(
            {VERSION_KEY.decode(): VERSION, **values, "files": files}, separators=(",", ":")
        ).encode()


NONE = Manifest()


def check_content(results: Results, manifest: Manifest, table: str, ending: str = "") -> None:
    """Raise InfrastructureError if a file of this table is not the one that was written.

    ending: what else to say of it.
    """
    for file in manifest.files.get(table, ()):
        path = results.generations(table) / file.name
        with path.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
                raise InfrastructureError(
                    f"{path} is damaged (sha256){ending}; "
                    f"{remedy(manifest_path(results, manifest.number), manifest)}"
                )


def relative(results: Results, folder: Path) -> str:
    """The name of a folder in manifests."""
    return folder.relative_to(results.path).as_posix()


def read_newest(results: Results) -> Manifest:
    """The valid manifest; NONE before the first `compact`.

    Raises InfrastructureError if it cannot be read, instead of using an older one, and
    FileNotFoundError if it was removed after it was listed.
    """
    numbers = manifest_numbers(results)
    return read_manifest(results, numbers[-1]) if numbers else NONE


def manifest_numbers(results: Results) -> list[int]:
    """Numbers of the generations whose manifests exist, ascending."""
    names = list_files(results.manifests, prefix="MANIFEST.")
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def manifest_path(results: Results, number: int) -> Path:
    """The path of the manifest of that generation."""
    return results.manifests / f"MANIFEST.{number}"


def read_manifest(results: Results, number: int) -> Manifest:
    """The manifest of that generation.

    Raises FileNotFoundError if it is gone, InfrastructureError if it is damaged or of a newer
    version.
    """
    path = manifest_path(results, number)
    state = path.stat()
    # Manifests never change. The rest of the key distinguishes folders that had the same name one
    # after the other.
    return _read(path, number, state.st_ino, state.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, number: int, inode: int, modified: int) -> Manifest:  # noqa: ARG001 - part of the key
    try:
        data = json.loads(read_bytes(path))
        if data[VERSION_KEY.decode()] > VERSION:
            raise InfrastructureError(
                f"{path} has results schema version {data[VERSION_KEY.decode()]}, this odesweep "
                f"reads up to {VERSION}; upgrade odesweep"
            )
        files = {
            table: tuple(DataFile(**file) for file in data["files"].get(table, ()))
            for table in TABLES
        }
        if data["number"] != number or not all(
            _DATA_NAME.fullmatch(file.name) for group in files.values() for file in group
        ):
            raise ValueError("names that no compact gives")
        return Manifest(
            number,
            data["base"],
            data["at"],
            data["by"],
            files,
            data["superseded"],
            tuple(data.get("set_aside", ())),
            data["accepted"] if "set_aside" not in data else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InfrastructureError(
            f"{path} is damaged ({type(error).__name__}); {remedy(path)}"
        ) from None


def remedy(path: Path, manifest: Manifest = NONE) -> str:
    """What to do about a damaged generation with its manifest at `path`, which may be unreadable.

    Without it the generation before it counts, if that is whole, or else the files that this one
    was made from, if they are not pruned yet.
    """
    results, number = Results(path.parent.parent), int(path.suffix[1:])
    older = [one for one in manifest_numbers(results) if one < number]
    if older and _is_whole(results, older[-1]):
        others = "the generation before it and the files not yet pruned count again"
    elif not older and manifest.superseded and _has_sources(results, manifest):
        others = "the files that it was made from are still there and count again"
    else:
        return "restore it from a backup"
    return f"restore it from a backup, or remove {path.name}: then {others}"


def _has_sources(results: Results, manifest: Manifest) -> bool:
    """Whether the files that the first generation was made from are all there."""
    sources = (
        results.path / folder / name
        for folder in manifest.superseded
        for name in manifest.superseded[folder]
    )
    return all(path.is_file() for path in sources)


def _is_whole(results: Results, number: int) -> bool:
    """Whether that manifest can be read and its files exist."""
    try:
        manifest = read_manifest(results, number)
    except (InfrastructureError, OSError):
        return False
    return all(path.is_file() for table in TABLES for path in manifest.paths(results, table))
