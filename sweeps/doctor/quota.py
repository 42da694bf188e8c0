"""Quotas of the user where the results go, and disks whose files are purged.

No other program knows a user's quota, so that the tools of the file systems are asked. An answer
that is missing, late or unreadable is never an error.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from sweeps.doctor.finding import Finding, Situation, good, warn
from sweeps.doctor.probe import mounted, source
from sweeps.planning.forecast import Size, size_text

# For all tools together.
SECONDS = 5.0
KIB = 1024
_BEEGFS_UNLIMITED = "unlimited"


class Limit(NamedTuple):
    """What one quota leaves. name: its file system, "" for the one that was asked for.

    bytes, files: that may still be written; None without a limit.
    """

    name: str
    bytes: int | None
    files: int | None


def quota(situation: Situation) -> Iterator[Finding]:
    """What quotas leave, and whether a named study fits. No finding without a tool and a study."""
    path, needed = situation.existing, situation.needed
    device, mount = source(path), mounted(path)[1]
    commands = {name: tool(path, mount) for name, (tool, _) in TOOLS.items() if shutil.which(name)}
    answers = answer(commands, SECONDS)
    names = {"", device, mount, device.rpartition("/")[2]}
    found = {
        name: limits
        for name, text in answers.items()
        if text is not None
        and (limits := [one for one in TOOLS[name][1](text) if one.name in names and one[1:]])
    }
    left = least(limit for limits in found.values() for limit in limits)
    late = [name for name, text in answers.items() if text is None]
    wants = f"{needed.what} may take {_words(*needed.size)}" if needed else ""
    if left is None:
        said = f"{' and '.join(late)} did not answer within {SECONDS:g} s" if late else ""
        if commands or needed:
            said = said or "no quota is known here"
            yield good("quota", "; ".join(part for part in (said, wants) if part))
        return
    text = f"{' and '.join(found)}: {_words(left.bytes, left.files)} left"
    text = "; ".join(part for part in (text, wants) if part)
    if needed and not _fits(needed.size, left):
        yield warn(
            "quota",
            text,
            "make room (`odesweep gc`), ask for more, run a part of the grid, or keep fewer "
            "weights (--keep-weights)",
        )
    elif 0 in (left.bytes, left.files):
        yield warn("quota", text, "make room (`odesweep gc`), or ask for more")
    else:
        yield good("quota", text)


def purged(situation: Situation) -> Iterator[Finding]:
    """Whether the path looks like a disk on which old files are deleted."""
    path = situation.folders.path
    scratch = os.environ.get("SCRATCH")
    places = {path, path.resolve()}
    why = None
    if scratch and any(one.is_relative_to(scratch) for one in places):
        why = f"{path} is below $SCRATCH"
    elif any("scratch" in part.lower() for one in places for part in one.parts):
        why = f"{path} looks like a scratch disk"
    if why:
        yield warn(
            "purge",
            f"{why}: many clusters delete files there that nobody has used for some weeks, also "
            "accepted rows and weights",
            "read your cluster's policy, and copy the results folder elsewhere after a sweep",
        )


def least(limits: Iterable[Limit]) -> Limit | None:
    """The smallest of each kind; None if nothing is limited."""
    limits = list(limits)
    sizes = [one.bytes for one in limits if one.bytes is not None]
    files = [one.files for one in limits if one.files is not None]
    if not sizes and not files:
        return None
    return Limit("", min(sizes, default=None), min(files, default=None))


def _fits(size: Size, left: Limit) -> bool:
    return (left.bytes is None or size.bytes <= left.bytes) and (
        left.files is None or size.files <= left.files
    )


def _words(size: int | None, files: int | None) -> str:
    return " and ".join(
        [
            *([size_text(size)] if size is not None else []),
            *([f"{files:,} files"] if files is not None else []),
        ]
    )


def answer(commands: Mapping[str, list[str]], seconds: float) -> dict[str, str | None]:
    """What each command prints, None for one that is not done in time. They run side by side."""
    running: dict[str, subprocess.Popen[str]] = {}
    for name, command in commands.items():
        with suppress(OSError):
            running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
                start_new_session=True,
                env=os.environ | {"LC_ALL": "C"},
            )
    deadline = time.monotonic() + seconds
    return {name: _output(process, deadline) for name, process in running.items()}


def _output(process: "subprocess.Popen[str]", deadline: float) -> str | None:
    try:
        # `quota` fails when somebody is above a quota, so that its exit code says nothing.
        return process.communicate(timeout=max(0.5, deadline - time.monotonic()))[0]
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # A process that waits for a dead file server does not die either: nobody waits for it.
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1.0)
        return None


def parse_blocks(text: str) -> list[Limit]:
    """`quota -w -p` and `lfs quota`: name, KiB, quota, limit, grace, files, quota, limit, grace.

    A long name has a line of its own.
    """
    found, name = [], ""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 1:
            name = words[0]
            continue
        if len(words) == 8 and name:
            words = [name, *words]
        name = ""
        numbers = [_number(word) for word in (*words[1:4], *words[5:8])]
        if len(words) != 9 or any(number is None for number in numbers):
            continue
        blocks, soft, hard, files, soft_files, hard_files = [number or 0 for number in numbers]
        found.append(
            Limit(
                words[0],
                _left(blocks * KIB, soft * KIB, hard * KIB),
                _left(files, soft_files, hard_files),
            )
        )
    return found


def parse_lfs(text: str) -> list[Limit]:
    """`lfs quota PATH`: only of that path's file system, under whatever name."""
    return [one._replace(name="") for one in parse_blocks(text)]


def parse_mmlsquota(text: str) -> list[Limit]:
    """`mmlsquota -Y`: fields between colons, named by a line with HEADER; blocks are KiB."""
    found: list[Limit] = []
    names: list[str] = []
    for line in text.splitlines():
        fields = [unquote(field) for field in line.split(":")]
        if "HEADER" in fields:
            names = fields
            continue
        row = dict(zip(names, fields, strict=False))
        wanted = [
            f"{kind}{what}" for kind in ("block", "files") for what in ("Usage", "Quota", "Limit")
        ]
        numbers = [_number(row.get(name, "")) for name in wanted]
        if any(number is None for number in numbers):
            continue
        blocks, soft, hard, files, soft_files, hard_files = [number or 0 for number in numbers]
        found.append(
            Limit(
                row["filesystemName"],
                _left(blocks * KIB, soft * KIB, hard * KIB),
                _left(files, soft_files, hard_files),
            )
        )
    return found


def parse_beegfs(text: str) -> list[Limit]:
    """`beegfs-ctl --getquota --csv`: name, id, bytes, limit, files, limit."""
    found = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        used = [_number(field) for field in fields[2:5:2]]
        if len(fields) != 6 or None in used:
            continue
        limits = [0 if one == _BEEGFS_UNLIMITED else _number(one) for one in fields[3:6:2]]
        if None in limits:
            continue
        size, files = (
            _left(have or 0, limit or 0, 0) for have, limit in zip(used, limits, strict=True)
        )
        found.append(Limit("", size, files))
    return found


def _number(word: str) -> int | None:
    """A count: `*` marks one above its quota, brackets one that a server did not confirm."""
    word = word.strip("*[]")
    return int(word) if word.isdigit() else None


def _left(used: int, soft: int, hard: int) -> int | None:
    """What may still be written, without going above the soft quota; zero is no quota."""
    limits = [one for one in (soft, hard) if one]
    return max(0, min(limits) - used) if limits else None


Tool = Callable[[Path, str], list[str]]
# Program -> its command line for a path and its mount point, and how its answer is read.
TOOLS: dict[str, tuple[Tool, Callable[[str], list[Limit]]]] = {
    "lfs": (lambda path, _: ["lfs", "quota", str(path)], parse_lfs),
    "mmlsquota": (lambda *_: ["mmlsquota", "-Y"], parse_mmlsquota),
    "beegfs-ctl": (
        lambda _, mount: [
            "beegfs-ctl",
            "--getquota",
            "--uid",
            str(os.getuid()),
            "--csv",
            f"--mount={mount}",
        ],
        parse_beegfs,
    ),
    "quota": (lambda *_: ["quota", "-u", "-g", "-w", "-p"], parse_blocks),
}
