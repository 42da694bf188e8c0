"""The input and the output of a check."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.doctor import probe
from sweeps.execute.registry import executors
from sweeps.planning.forecast import Size
from sweeps.profiles import Profile
from sweeps.store import Results


class Level(StrEnum):
    """ok: as it should be. warning: a sweep runs, with a problem. error: a sweep will fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One line: what was checked, the result, and a remedy unless it is ok."""

    level: Level
    name: str
    text: str
    remedy: str = ""

    def __post_init__(self) -> None:
        # Messages of the operating system may have line breaks.
        for part in ("text", "remedy"):
            object.__setattr__(self, part, " ".join(getattr(self, part).split()))
        assert bool(self.remedy) == (self.level is not Level.OK), self


def good(name: str, text: str) -> Finding:
    """A finding that all is well."""
    return Finding(Level.OK, name, text)


def warn(name: str, text: str, remedy: str) -> Finding:
    """A finding that will hurt a sweep."""
    return Finding(Level.WARNING, name, text, remedy)


def fail(name: str, text: str, remedy: str) -> Finding:
    """A finding with which a sweep fails."""
    return Finding(Level.ERROR, name, text, remedy)


class TorchProbe:
    """A Python process that imports torch, torchvision and torchdiffeq while other checks run.

    The import takes seconds.
    """

    def __init__(self, seconds: float = 120.0) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._answer: tuple[dict[str, Any] | None, str] | None = None

    def start(self) -> None:
        """Start it, if torch is installed."""
        if version("torch") and self._process is None:
            command = [sys.executable, "-P", "-W", "ignore", probe.__file__, "torch"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

    def answer(self) -> tuple[dict[str, Any] | None, str]:
        """What torch sees (`probe.torch_report`), or None and the reason.

        The reason is the last line of its output, empty if torch is not installed.
        """
        if self._answer is None:
            self.start()
            self._answer = (None, "") if self._process is None else self._wait(self._process)
        return self._answer

    def close(self) -> None:
        """End the process when nobody needs the answer any more."""
        if self._process is not None and self._answer is None:
            self._process.kill()
            self._process.communicate()

    def _wait(self, process: subprocess.Popen[str]) -> tuple[dict[str, Any] | None, str]:
        try:
            out, err = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None, f"no answer within {self.seconds:.0f} s"
        if process.returncode:
            return None, (err.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        seen = json.loads(out.splitlines()[-1])
        return (None, seen["error"]) if "error" in seen else (seen, "")


class Needed(NamedTuple):
    """What a study that was named still takes on disk at most, and the data sets that it reads.

    what: its name, for messages.
    """

    what: str
    size: Size
    data: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Situation:
    """What doctor was given.

    results: the folder, which need not exist. data_root: the folder with data sets. profile: of the
    executor to check. needed: by the study that was named, if one was.
    """

    results: Path
    data_root: Path | None
    profile: Profile | None = None
    needed: Needed | None = None
    torch: TorchProbe = field(default_factory=TorchProbe)

    @property
    def folders(self) -> Results:
        """The layout of the results folder."""
        return Results(self.results)

    @cached_property
    def login_node(self) -> bool:
        """Whether jobs are submitted from here and this machine has no GPU itself.

        Nothing large should run on it.
        """
        programs = [one.submits_with for one in executors().values() if one.submits_with]
        return any(map(shutil.which, programs)) and not isinstance(probe.driver_gpus(), list)

    @property
    def existing(self) -> Path:
        """The results folder, or the nearest existing folder above it."""
        return nearest_existing(self.folders.path)


def nearest_existing(path: Path) -> Path:
    """`path` or the nearest existing path above it; may be a file."""
    return next(one for one in (path, *path.parents) if one.exists())


def version(package: str) -> str | None:
    """The installed version, read without importing; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
