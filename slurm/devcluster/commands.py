"""The subcommands of `devcluster`."""

import argparse
import fcntl
import os
import shutil
import sys
import time
from pathlib import Path

import daemons
import network
from hosts import ENVIRONMENT, NODES, DevclusterError, Hosts, run, wait_until

DEFAULT_FOLDER = Path("/run/odesweep-devcluster")
NEEDED = (
    "slurmctld",
    "slurmd",
    "sbatch",
    "munged",
    "slurmdbd",
    "mariadbd",
    "mariadb-install-db",
    "ip",
    "unshare",
    "nsenter",
    "mount",
    "umount",
)
INSTALL = "apt-get install -y slurmctld slurmd slurm-client munge slurmdbd mariadb-server iproute2"
FILE_SYSTEM = "devcluster"
FOR_ANYBODY = ("env", "status")


def start(hosts: Hosts) -> None:
    """Start the cluster; first remove what a crash left."""
    begin = time.monotonic()
    if missing := [name for name in NEEDED if not shutil.which(name, path=ENVIRONMENT["PATH"])]:
        raise DevclusterError(f"{', '.join(missing)} not found; as root: {INSTALL}")
    if hosts.all_alive() and daemons.node_states(hosts.folder):
        raise DevclusterError("it is already running; see: devcluster status")
    if _remains(hosts):
        print("removing what an earlier one left", flush=True)
        _tear_down(hosts)
    try:
        _start(hosts)
    except BaseException as error:
        logs = daemons.last_words(hosts.folder)
        _tear_down(hosts)
        if isinstance(error, DevclusterError | OSError):
            raise DevclusterError(f"{error}{logs}") from error
        raise  # Ctrl-C
    print(
        f"{len(NODES)} nodes are idle after {time.monotonic() - begin:.0f} s; now: eval "
        f'"$({sys.argv[0]} env)"',
        flush=True,
    )


def _start(hosts: Hosts) -> None:
    address = network.free_addresses()
    print("hosts: " + ", ".join(f"{host} {ip}" for host, ip in address.items()), flush=True)
    hosts.folder.mkdir()
    # A separate file system: /run often refuses to execute files, such as batch scripts, and this
    # way nothing reaches the disk. Shared: the hosts see what is mounted below it later, such as a
    # small disk to fill.
    run(
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "mode=755,size=2g",
        "--make-shared",
        FILE_SYSTEM,
        str(hosts.folder),
    )
    hosts.start()
    network.connect(hosts, address)
    daemons.configure(hosts.folder, address)
    daemons.start_munge(hosts)
    print("accounting ...", flush=True)
    daemons.start_database(hosts)
    print("controller and nodes ...", flush=True)
    daemons.start_controller(hosts)
    for node in NODES:
        daemons.start_slurmd(hosts, node)
    wait_until(lambda: daemons.all_idle(hosts.folder), 60, "all nodes to be idle")


def stop(hosts: Hosts) -> None:
    """Stop everything, including jobs, and remove all files."""
    if _remains(hosts):
        _tear_down(hosts)
        print("stopped", flush=True)
    else:
        print("it is not running", flush=True)


def _remains(hosts: Hosts) -> bool:
    # Whether there is anything to remove. A folder of somebody else is neither unmounted nor
    # removed.
    folder = hosts.folder
    if (
        folder.exists()
        and not _mounted(folder)
        and (not folder.is_dir() or folder.is_mount() or any(folder.iterdir()))
    ):
        raise DevclusterError(
            f"{folder} is not a devcluster's; give a folder that does not exist yet"
        )
    return bool(hosts.living()) or folder.exists()


def _mounted(folder: Path) -> bool:
    return any(
        line.split()[:3] == [FILE_SYSTEM, str(folder), "tmpfs"]
        for line in Path("/proc/mounts").read_text().splitlines()
    )


def _tear_down(hosts: Hosts) -> None:
    hosts.stop()
    network.disconnect(hosts)
    while _mounted(hosts.folder):
        # Lazily: somebody may be looking at a log in it.
        run("umount", "--lazy", str(hosts.folder))
    if hosts.folder.exists():
        hosts.folder.rmdir()


def status(hosts: Hosts) -> None:
    """Print SLURM's state of each node, and whether its network is cut."""
    if not hosts.living():
        raise DevclusterError("it is not running; start it: devcluster start")
    if not (states := daemons.node_states(hosts.folder)):
        raise DevclusterError("the controller does not answer; try: devcluster restart-controller")
    for node in NODES:
        # Only root may look into another network.
        cable = " (cut off)" if os.geteuid() == 0 and network.is_cut(hosts, node) else ""
        print(f"{node} {states.get(node, 'unknown')}{cable}")


def env(hosts: Hosts) -> None:
    """Print the environment variables that a shell needs: eval "$(devcluster env)"."""
    if not (hosts.folder / "slurm.conf").exists():
        raise DevclusterError("it is not running; start it: devcluster start")
    print(f"export SLURM_CONF={hosts.folder / 'slurm.conf'}")


def heal(hosts: Hosts, node: str) -> None:
    """Restore the network of a node."""
    network.heal(hosts, node)
    # On its own, the controller asks a node that is down only every one and a half minutes.
    daemons.report(hosts, node)


WHOLE = {
    "start": start,
    "stop": stop,
    "status": status,
    "env": env,
    "restart-controller": daemons.restart_controller,
}
NODE = {
    "cut": network.cut,
    "heal": heal,
    "kill-slurmd": daemons.kill_slurmd,
    "start-slurmd": daemons.start_slurmd,
}


def main() -> int:
    """Run one subcommand; an error is one line and exit code 1."""
    parser = argparse.ArgumentParser(
        prog="devcluster", description="A real SLURM of four hosts (n1 ... n4) on this machine."
    )
    parser.add_argument(
        "--dir",
        type=Path,
        default=DEFAULT_FOLDER,
        help=f"folder for all files while it runs ({DEFAULT_FOLDER})",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in (WHOLE | NODE).items():
        sub = commands.add_parser(name, help=(function.__doc__ or "").partition("\n")[0])
        if name in NODE:
            sub.add_argument("node", choices=NODES)
    given = parser.parse_args()
    hosts = Hosts(given.dir.resolve())
    try:
        if given.command not in FOR_ANYBODY:
            if os.geteuid():
                raise DevclusterError(f"needs root: sudo {sys.argv[0]} {given.command}")
            # One command at a time, without a lock file that would stay behind.
            fcntl.flock(os.open("/run", os.O_RDONLY), fcntl.LOCK_EX)
        if given.command in WHOLE:
            WHOLE[given.command](hosts)
        else:
            NODE[given.command](hosts, given.node)
    except (DevclusterError, OSError) as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
