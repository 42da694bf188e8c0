"""The place of the results.

The kind of file system, free space, and leftovers of killed writers.
"""

import os
import time
from collections.abc import Iterator

from sweeps.doctor.finding import Finding, Situation, fail, good, nearest_existing, warn
from sweeps.doctor.probe import mounted
from sweeps.planning.forecast import Size, size_text
from sweeps.store.prune import DAY_SECONDS, unfinished

# About 100,000 runs: 10 kB of rows, and a few files of weights and checkpoints each.
LEAST_FREE_BYTES = 5 * 10**9
LEAST_FREE_INODES = 100_000

NETWORK = {
    "nfs",
    "nfs4",
    "lustre",
    "gpfs",
    "beegfs",
    "cephfs",
    "ceph",
    "fuse.sshfs",
    "cifs",
    "smb3",
    "9p",
    "glusterfs",
    "fuse.glusterfs",
    "afs",
    "orangefs",
}
IN_MEMORY = {"tmpfs", "ramfs"}


def file_system(situation: Situation) -> Iterator[Finding]:
    """The kind of file system of the results."""
    kind, mount = mounted(situation.existing)
    text = f"{situation.folders.path} on {kind} ({mount})"
    if not situation.folders.path.exists():
        text += ", does not exist yet"
    if kind in IN_MEMORY:
        yield warn(
            "results",
            f"{text}: in memory, lost when the machine restarts",
            "give a folder on a disk with --results",
        )
    elif kind in NETWORK:
        yield good(
            "results",
            f"{text}: network file system; other machines see new files some seconds later",
        )
    else:
        yield good("results", f"{text}: a disk of this machine")


def space(situation: Situation) -> Iterator[Finding]:
    """Free bytes and free inodes, for a large sweep or for the study that was named."""
    found = os.statvfs(situation.existing)
    free, inodes = found.f_bavail * found.f_frsize, found.f_favail
    # Some file systems (btrfs, several network ones) create inodes when needed and report none.
    counted = found.f_files > 0
    text = f"{free / 1e9:,.1f} GB and {f'{inodes:,}' if counted else 'any number of'} files free"
    size = Size(LEAST_FREE_BYTES, LEAST_FREE_INODES)
    what = "a large sweep needs"
    if situation.needed:
        what, size = f"{situation.needed.what} may take", situation.needed.size
    if free < size.bytes or (counted and inodes < size.files):
        yield warn(
            "disk",
            f"{text}; {what} {size_text(size.bytes)} and {size.files:,} files",
            "make room, or give another folder with --results",
        )
    else:
        yield good("disk", text)


def same_file_system(situation: Situation) -> Iterator[Finding]:
    """Whether results and state are on the same file system."""
    results, state = situation.folders.path, situation.folders.state
    if state.exists() and not state.is_dir():
        yield fail(
            "state",
            f"{state} is not a folder, but checkpoints need to go there",
            "move it away, or give another folder with --results",
        )
    elif nearest_existing(results).stat().st_dev == nearest_existing(state).stat().st_dev:
        yield good("state", f"checkpoints in {state.name}, on the same file system")
    else:
        remedy = (
            "if the results folder is itself a mount point, give a folder inside it with --results"
        )
        yield warn(
            "state",
            f"checkpoints in {state}, on another file system than the results",
            remedy,
        )


def leftovers(situation: Situation) -> Iterator[Finding]:
    """Unfinished files of killed writers, in the folders where the store writes."""
    # `compact --prune` requires this age. A file that is being written is younger.
    old = sum(1 for _ in unfinished(situation.folders, time.time() - DAY_SECONDS))
    if old:
        yield warn(
            "leftovers",
            f"{old:,} unfinished files of killed writers, older than a day; harmless",
            "`odesweep compact --prune` removes them",
        )
    else:
        yield good("leftovers", "no unfinished files older than a day")
