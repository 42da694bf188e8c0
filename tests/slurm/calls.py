"""Counts SLURM's commands, and looks at submissions and the processes of its hosts."""

import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sweeps.store import Results, list_submissions, read_sent, read_submission

COUNTED = ("sbatch", "squeue", "sacct", "scontrol", "sacctmgr", "scancel")
# Profiles: waiting for an hour, running at once, and running with little time.
HELD = 'partition = "low"\ntime = 10\nsignal = "USR2@60"\nbegin = "now+1hour"\n'
SOON = 'partition = "low"\ntime = 10\nsignal = "USR2@60"\n'
SHORT = 'partition = "low"\ntime = 2\nsignal = "USR2@60"\n'
DEVCLUSTER = ("--executor", "slurm", "--profile", "devcluster")
LIVE = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED", "SUSPENDED")


def slurm_arguments(folder: Path, profile: str) -> tuple[str, ...]:
    """Arguments for `run` with a profile of one's own."""
    path = folder / "profile.toml"
    path.write_text(profile)
    return ("--executor", "slurm", "--profile", str(path))


def submitted(results: Path) -> list[list[str]]:
    """The trials of each submission, in the order in which they were sent."""
    folder = Results(results)
    sent = sorted(
        list_submissions(folder), key=lambda one: int((read_sent(folder, one) or (0,))[0] or 0)
    )
    return [[row["trial_id"] for row in read_submission(folder, one).rows()] for one in sent]


class Calls:
    """Scripts on PATH that note each call of a SLURM command and pass it on.

    instead: command -> a script of one's own.
    """

    def __init__(self, folder: Path, instead: dict[str, str] | None = None) -> None:
        self.log, self.bin = folder / "calls", folder / "bin"
        self.bin.mkdir()
        self.log.touch()
        for name in COUNTED:
            real = next(
                path
                for path in map(Path, (f"/usr/bin/{name}", f"/usr/local/bin/{name}"))
                if path.exists()
            )
            script = (instead or {}).get(name, f'exec {real} "$@"')
            (self.bin / name).write_text(
                f'#!/bin/bash\necho "$(date +%s) {name} $*" >> {self.log}\n{script}\n'
            )
            (self.bin / name).chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """PATH with the scripts first."""
        return {"PATH": f"{self.bin}:{os.environ['PATH']}"}

    def count(self) -> Counter[str]:
        """Command -> how often it was called so far."""
        return Counter(line.split()[1] for line in self.log.read_text().splitlines())

    def reset(self) -> None:
        """Count anew."""
        self.log.write_text("")


def slurm(*command: str) -> str:
    """Output of a SLURM command."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def states(comment: str | None = None) -> dict[str, str]:
    """Task -> state of what squeue shows; only of one submission if asked."""
    lines = [
        line.split("|")
        for line in slurm("squeue", "-r", "-h", "-t", "all", "-o", "%i|%T|%k").splitlines()
    ]
    return {task: state for task, state, note in lines if comment in (None, note)}


def local_pid(host: str, pid: int) -> int:
    """The process that is number `pid` on the devcluster's `host`, by its number here."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            numbers = next(
                line.split()[1:]
                for line in (folder / "status").read_text().splitlines()
                if line.startswith("NSpid:")
            )
            if len(numbers) > 1 and numbers[-1] == str(pid) and _host(int(folder.name)) == host:
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError(f"no process {pid} on {host}")


def _host(pid: int) -> str:
    """The host whose first process is an ancestor.

    The command line of that process has the host's name and the cluster's folder.
    """
    while pid > 1:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if "devcluster-host" in words and words[0] == "bash":
            host, folder = words[words.index("devcluster-host") + 1 :][:2]
            return host if folder == str(Path(os.environ["SLURM_CONF"]).parent) else ""
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return ""


def left_running(results: Path) -> list[str]:
    """Processes on any host whose output goes to a results folder or beside it.

    They get some time to end first.
    """
    deadline = time.monotonic() + 20
    while (found := list(writers(str(results)))) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def writers(folder: str) -> Iterator[str]:
    """Command lines of processes whose output goes to a file below a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str((process / "fd" / "1").readlink()).startswith(folder):
                yield (process / "cmdline").read_text().replace("\0", " ")


def cancel_all(folder: Path) -> None:
    """End the jobs of every results folder below `folder`, and wait until they are gone."""
    mine = {path.stem for path in folder.rglob("submissions/*.parquet")}
    deadline = time.monotonic() + 60
    while jobs := {
        task.partition("_")[0]
        for one in mine
        for task, state in states(one).items()
        if state in LIVE
    }:
        assert time.monotonic() < deadline, f"jobs {jobs} do not end"
        subprocess.run(["scancel", *jobs], check=False)
        time.sleep(0.5)
