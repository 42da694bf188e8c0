"""The places of everything in a results folder, and the names that may become file names there."""

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sweeps.errors import UserError
from sweeps.store.files import one_line
from sweeps.store.schema import TABLES, schema_of

_PART = re.compile(r"[A-Za-z0-9_+@-][A-Za-z0-9._+@-]*")
# Leaves room for a suffix within the 255 bytes of a file name.
_LONGEST = 180


@dataclass(frozen=True)
class Results:
    """A results folder.

    Constructing it touches no files; `create` makes what is missing. path: the folder, relative or
    absolute.
    """

    path: Path

    def __init__(self, path: Path | str) -> None:
        object.__setattr__(self, "path", Path(path).absolute())

    def parts(self, table: str) -> Path:
        """Files as workers publish them, one per time slice."""
        schema_of(table)
        return self.path / "parts" / table

    def merged(self, table: str) -> Path:
        """One file per worker that ended normally."""
        schema_of(table)
        return self.path / "merged" / table

    @property
    def manifests(self) -> Path:
        """`MANIFEST.<n>` of each generation that `compact` made; the highest n is valid."""
        return self.path / "generations"

    def generations(self, table: str) -> Path:
        """Data files of generations. Only a manifest says which of them count."""
        schema_of(table)
        return self.manifests / table

    @property
    def weights(self) -> Path:
        """Final weights, `<trial_id>-<sha256[:16]>.safetensors`."""
        return self.path / "weights"

    @property
    def plans(self) -> Path:
        """Saved plans: which trials a study consists of."""
        return self.path / "plans"

    @property
    def events(self) -> Path:
        """What workers report while they run, one JSONL file each."""
        return self.path / "events"

    @property
    def submissions(self) -> Path:
        """What was passed to an executor, and cancellations."""
        return self.path / "submissions"

    @property
    def retractions(self) -> Path:
        """Rows that `retry` withdrew."""
        return self.path / "retractions"

    @property
    def logs(self) -> Path:
        """What workers and trials printed."""
        return self.path / "logs"

    def timings(self, name: str) -> "Results":
        """The results folder of what `odesweep probe` ran under a profile or on a machine."""
        return Results(self.path / "timings" / file_stem(name))

    def timed(self) -> list["Results"]:
        """Those that exist, by name."""
        return [
            Results(folder)
            for folder in sorted(self.path.glob("timings/*"))
            if (folder / "parts").is_dir()
        ]

    @property
    def state(self) -> Path:
        """The folder beside the results, on the same file system.

        It can be deleted once everything is done.
        """
        return self.path.with_name(f"{self.path.name}.state")

    @property
    def checkpoints(self) -> Path:
        """`<trial_id>/<attempt_id>/` of unfinished trials."""
        return self.state / "checkpoints"

    def folders(self) -> list[Path]:
        """The folders besides those of the tables."""
        return [
            self.weights,
            self.plans,
            self.events,
            self.submissions,
            self.retractions,
            self.logs,
            self.checkpoints,
        ]

    def share(self) -> None:
        """In a folder that a group shares, let what this process makes be the group's.

        A folder is shared if its group may write and it has the setgid bit. The state folder beside
        it becomes the same; only its first user can do that.
        """
        try:
            status = self.path.stat()
        except OSError:
            return
        if not (status.st_mode & stat.S_ISGID and status.st_mode & stat.S_IWGRP):
            return
        os.umask(os.umask(0o077) & ~0o070)
        with suppress(OSError):
            self.state.mkdir()
            os.chown(self.state, -1, status.st_gid)
            self.state.chmod(0o2770 | stat.S_IMODE(status.st_mode) & 0o007)

    def create(self, option: str = "--results") -> None:
        """Make every folder that is missing. option: what names another folder.

        Raises InfrastructureError if that is impossible.
        """
        self.share()
        tables = [folder for table in TABLES for folder in (self.parts(table), self.merged(table))]
        for folder in (*tables, *self.folders()):
            with one_line(
                f"cannot make the results folder {folder}",
                f"make room or repair it, or give another folder with {option}",
            ):
                folder.mkdir(parents=True, exist_ok=True)


def default_folder() -> Path:
    """The results folder if no option names one."""
    return Path(os.environ.get("ODESWEEP_RESULTS") or "results")


def file_stem(name: str) -> str:
    """A name such as `ott2021/sphere2-fixed@small` as the stem of a file name: "/" becomes "--".

    Raises UserError for a name that could leave its folder, be hidden in it or stand for two names.
    """
    parts = name.split("/")
    if (
        not all(_PART.fullmatch(part) and "--" not in part for part in parts)
        or len(name) > _LONGEST
    ):
        raise UserError(
            f"{name[:_LONGEST]!r} is not a valid name; use letters, digits and . _ + @ - in parts "
            'joined by /, where no part is empty or begins with a dot, no "--", at most '
            f"{_LONGEST} characters"
        )
    return "--".join(parts)


def is_name(name: str) -> bool:
    """Whether `name` can be that of a worker or a submission: a file stem of one part."""
    return _PART.fullmatch(name) is not None and len(name) <= _LONGEST


def check_name(name: str) -> str:
    """Return `name` if it is a file stem of one part (worker, submission).

    Raises UserError otherwise.
    """
    if not is_name(name):
        raise UserError(
            f"{name[:_LONGEST]!r} is not a valid name; use letters, digits and . _ + @ -, not "
            f"beginning with a dot, at most {_LONGEST} characters"
        )
    return name
