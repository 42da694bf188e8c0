"""Hosts: each is one process that is PID 1 of its own namespaces.

The namespaces are those of PIDs, network, mounts and host name. When the process ends, everything
on the host ends.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CONTROLLER = "ctl"
NODES = ("n1", "n2", "n3", "n4")
MARKER = "devcluster-host"
# Bash as PID 1 collects orphans, which `sleep` alone would not.
INIT = "while :; do sleep infinity & wait; done"
NAMESPACES = (
    "--net",
    "--uts",
    "--pid",
    "--mount",
    "--propagation",
    "slave",
    "--fork",
    "--kill-child",
    "--mount-proc",
)
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}


class DevclusterError(Exception):
    """One line for the user."""


def run(*command: str, text: str | None = None) -> str:
    """Run a command and return its output. Raises DevclusterError with its message if it fails."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip().splitlines() or [
            f"exit code {done.returncode} of: {' '.join(command)}"
        ]
        raise DevclusterError(complaint[-1])
    return done.stdout


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until this is true; it is checked five times a second.

    Raises DevclusterError after the time limit.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise DevclusterError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)


@dataclass(frozen=True)
class Hosts:
    """The hosts of the cluster that is kept in `folder`."""

    folder: Path

    def living(self) -> dict[str, int]:
        """Host -> process id of its PID 1 as seen from here.

        Found by looking through /proc, so that no pid file can be stale.
        """
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                argv = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if argv[0] != "bash" or argv[3:4] != [MARKER] or argv[5] != str(self.folder):
                    continue
                ids = next(
                    line.split()[1:]
                    for line in (process / "status").read_text().splitlines()
                    if line.startswith("NSpid:")
                )
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            if len(ids) > 1 and ids[-1] == "1":
                found[argv[4]] = int(process.name)
        return found

    def all_alive(self) -> bool:
        """Whether every host runs."""
        return set(self.living()) == {CONTROLLER, *NODES}

    def pid(self, host: str) -> int:
        """Process id of a host. Raises DevclusterError if it does not run."""
        if (pid := self.living().get(host)) is None:
            raise DevclusterError(
                f"host {host} is not running; start the cluster: devcluster start"
            )
        return pid

    def inside(self, host: str, *command: str) -> str:
        """Output of a command on a host.

        The command has the host's processes, network, /etc/hosts and name. Raises DevclusterError
        if it fails.
        """
        return run("nsenter", "-t", str(self.pid(host)), "-n", "-u", "-p", "-m", "--", *command)

    def start(self) -> None:
        """Start all hosts, not connected yet."""
        quiet = subprocess.DEVNULL
        for host in (CONTROLLER, *NODES):
            command = ["unshare", *NAMESPACES, "bash", "-c", INIT, MARKER, host, str(self.folder)]
            subprocess.Popen(
                command,
                stdin=quiet,
                stdout=quiet,
                stderr=quiet,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
            )
        wait_until(
            self.all_alive,
            10,
            "the namespaces of the hosts (a container must be privileged)",
        )
        for host in (CONTROLLER, *NODES):
            self.inside(host, "hostname", host)

    def stop(self) -> None:
        """End every process of every host; their networks and mounts end with them."""
        wait_until(self._none_left, 20, "the processes of the hosts to end")

    def _none_left(self) -> bool:
        found = self.living()
        for pid in found.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found
