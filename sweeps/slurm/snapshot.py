"""The copy of the code that a queued array runs. Later edits of the checkout do not change it."""

import hashlib
import re
import shutil
from pathlib import Path
from uuid import uuid4

from sweeps.errors import UserError
from sweeps.store import Results, list_folder, publish_bytes
from sweeps.store.files import one_line
from sweeps.study.study_file import modules_beside

PACKAGES = ("odecore", "sweeps", "analysis")
ROOT = Path(__file__).parents[2]


def code(study_file: Path | None = None) -> dict[str, bytes]:
    """The files of the packages, by their paths in the copy.

    Also the user's study file and the modules beside it that it has imported, so that the copy
    says which study it was. Tasks do not load them.
    """
    paths = [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    if study_file:
        ours = {path.resolve() for path in paths}
        own = {study_file.parent / relative: relative for relative in modules_beside(study_file)}
        for path, relative in {study_file: Path(study_file.name), **own}.items():
            if path.resolve() in ours:
                continue  # a study file in the root of the checkout
            try:
                files[f"study/{relative.as_posix()}"] = path.read_bytes()
            except OSError as error:
                raise UserError(f"cannot copy {path}: {error.strerror}") from None
    return files


def content_hash(files: dict[str, bytes]) -> str:
    """The hash of all names and contents, 16 hex digits."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def folder(results: Results, files: dict[str, bytes]) -> Path:
    """The folder of the copy of these files."""
    return _place(results) / content_hash(files)


def copies(results: Results) -> list[Path]:
    """The folders of all copies."""
    place = _place(results)
    return [place / name for name in list_folder(place)]


def named_in(jobs: Path) -> set[str]:
    """The copies that the batch scripts in a folder of submitit run, by the names of their folders.

    Empty if there is no script.
    """
    scripts = list(jobs.glob("*.sh")) if jobs.is_dir() else []
    texts = [path.read_text(errors="replace") for path in scripts if path.is_file()]
    return {name for text in texts for name in re.findall(r"/code/([0-9a-f]{16})\b", text)}


def _place(results: Results) -> Path:
    return results.state / "code"


def write(results: Results, files: dict[str, bytes]) -> Path:
    """Write the copy, or the files that it lacks: scratch disks remove old files.

    Raises InfrastructureError when it cannot be written.
    """
    path = folder(results, files)
    with one_line(f"cannot copy the code to {path}", "nothing was submitted"):
        if not path.exists():
            _make(path, files)
        for name, content in files.items():
            target = path / name
            if not target.is_file() or target.read_bytes() != content:
                target.parent.mkdir(parents=True, exist_ok=True)
                publish_bytes(target, content, replace=True)
    return path


def _make(path: Path, files: dict[str, bytes]) -> None:
    """Write all files or none, without a sync per file. The next `run` repairs what is lost."""
    beside = path.with_name(f".{uuid4().hex}.tmp")
    try:
        for parent in {(beside / name).parent for name in files}:
            parent.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (beside / name).write_bytes(content)
        beside.rename(path)
    except OSError:
        # Another process may have made it meanwhile.
        if not path.exists():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
