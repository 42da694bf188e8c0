"""Does what the store does in the results folder, with its own files.

These are publishing, linking, appending, and being seen by another process.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from sweeps.doctor.finding import Finding, Situation, fail, good, warn
from sweeps.store import publish_bytes

MOST_SKEW_SECONDS = 5.0
ELSEWHERE = "give a folder on another file system with --results"

# A second process: it lists the folder, then publishes what it saw.
_SECOND = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
seen = " ".join(sorted(path.name for path in folder.iterdir()))
(folder / ".two.tmp").write_text(seen)
(folder / ".two.tmp").rename(folder / "two")
"""


def works(situation: Situation) -> Iterator[Finding]:
    """Do what the store does in a hidden folder, and remove the folder."""
    place = situation.existing
    if not place.is_dir():
        yield fail(
            "write",
            f"{place} is not a folder",
            "move it away, or give another folder with --results",
        )
        return
    probe = place / f".odesweep-doctor-{uuid4().hex[:8]}"
    try:
        probe.mkdir()
    except OSError as error:
        yield fail(
            "write",
            f"cannot write in {place}: {error.strerror}",
            "make room or repair it, or give another folder with --results",
        )
        return
    try:
        for name, attempt in ATTEMPTS.items():
            yield _tried(name, attempt, probe)
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def _tried(name: str, attempt: Callable[[Path], Finding], probe: Path) -> Finding:
    try:
        return attempt(probe)
    except OSError as error:
        return fail(name, f"fails: {error.strerror or error}", ELSEWHERE)


def _rename(probe: Path) -> Finding:
    """Publish as the store does. Another process must see the file, and we must see its file."""
    start = time.perf_counter()
    publish_bytes(probe / "one", b"odesweep")
    milliseconds = (time.perf_counter() - start) * 1e3
    done = subprocess.run(
        [sys.executable, "-S", "-c", _SECOND, str(probe)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        return fail(
            "rename",
            f"fails in a second process: {done.stderr.strip().splitlines()[-1]}",
            ELSEWHERE,
        )
    here, there = sorted(path.name for path in probe.iterdir()), (probe / "two").read_text().split()
    if here != ["one", "two"] or there != ["one"]:
        return fail(
            "rename",
            f"two processes do not see the same files: {here} and {there}",
            ELSEWHERE,
        )
    return good(
        "rename",
        f"works, with fsync in {milliseconds:.1f} ms, and a second process sees it",
    )


def _link(probe: Path) -> Finding:
    """Link as `compact` does. A link must be refused if the name exists."""
    (probe / "source").touch()
    remedy = (
        "run workers here if you like, but copy the results elsewhere before `odesweep compact`"
    )
    try:
        (probe / "linked").hardlink_to(probe / "source")
    except OSError as error:
        return warn("link", f"hard links do not work here: {error.strerror}", remedy)
    try:
        (probe / "linked").hardlink_to(probe / "source")
    except FileExistsError:
        return good("link", "works, and is refused if the name exists")
    return warn("link", "a link replaces an existing file", remedy)


def _append(probe: Path) -> Finding:
    """Append lines to a file, as events do."""
    path, lines = probe / "events.jsonl", ('{"n": 1}\n', '{"n": 2}\n')
    for line in lines:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    if path.read_text() != "".join(lines):
        return fail("append", "some lines appended to a file are lost", ELSEWHERE)
    return good("append", "works")


def _clock(probe: Path) -> Finding:
    before = time.time()
    (probe / "now").write_text("now")
    return compare_clocks((probe / "now").stat().st_mtime, before, time.time())


def compare_clocks(mtime_seconds: float, before_seconds: float, after_seconds: float) -> Finding:
    """Compare the clocks of file system and machine.

    mtime: of a file written between the two times of this machine's clock.
    """
    skew = max(before_seconds - mtime_seconds, mtime_seconds - after_seconds, 0.0)
    if skew > MOST_SKEW_SECONDS:
        side = "ahead of" if mtime_seconds > after_seconds else "behind"
        remedy = "synchronize both clocks with NTP; until then, old and new files may be confused"
        return warn(
            "clock",
            f"the file system's clock is {skew:.0f} s {side} this machine's",
            remedy,
        )
    return good(
        "clock", f"the clocks of file system and machine agree within {MOST_SKEW_SECONDS:.0f} s"
    )


ATTEMPTS: dict[str, Callable[[Path], Finding]] = {
    "rename": _rename,
    "link": _link,
    "append": _append,
    "clock": _clock,
}
