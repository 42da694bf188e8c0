"""Daemons: munge, the database and the controller on the host `ctl`, one slurmd on each node."""

import os
import secrets
import stat
import subprocess
from pathlib import Path
from string import Template

from hosts import CONTROLLER, ENVIRONMENT, NODES, DevclusterError, Hosts, run, wait_until

TEMPLATES = Path(__file__).parent
CPUS, GPUS = 4, 2
NULL_DEVICE = os.makedev(1, 3)
# mariadbd reads one statement per line.
DATABASE = """CREATE DATABASE slurm_acct;
CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL ON slurm_acct.* TO 'slurm'@'127.0.0.1';
"""


def configure(folder: Path, address: dict[str, str]) -> None:
    """Write keys, configuration files and the device nodes of the GPUs into the folder."""
    # Each node has all memory of this machine: requests are compared with it, nothing is reserved.
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    shape = f"CPUs={CPUS} CoresPerSocket={CPUS} RealMemory={memory_mib} Gres=gpu:{GPUS}"
    values = {
        "folder": str(folder),
        "controller": address[CONTROLLER],
        "password": secrets.token_hex(16),
        "nodes": "\n".join(f"NodeName={node} NodeAddr={address[node]} {shape}" for node in NODES),
    }
    for sub in ("munge", "dev", "ctl/state", "ctl/database", *(f"{node}/spool" for node in NODES)):
        folder.joinpath(sub).mkdir(parents=True)
        folder.joinpath(sub).chmod(0o755)  # whatever the umask: munged requires it
    for name, mode in {"slurm.conf": 0o644, "gres.conf": 0o644, "slurmdbd.conf": 0o600}.items():
        _write(folder / name, Template((TEMPLATES / name).read_text()).substitute(values), mode)
    _write(folder / "munge" / "key", secrets.token_hex(64), 0o400)
    _write(folder / "ctl" / "database.sql", Template(DATABASE).substitute(values), 0o600)
    for i in range(GPUS):
        os.mknod(folder / "dev" / f"gpu{i}", 0o666 | stat.S_IFCHR, NULL_DEVICE)


def start_munge(hosts: Hosts) -> None:
    """Start one munged for all hosts and this machine.

    They share the file system and so its socket.
    """
    at = hosts.folder / "munge"
    files = {
        "key-file": "key",
        "socket": "socket",
        "pid-file": "pid",
        "log-file": "munged.log",
        "seed-file": "seed",
    }
    hosts.inside(
        CONTROLLER,
        "munged",
        "--num-threads=4",
        *(f"--{option}={at / name}" for option, name in files.items()),
    )


def start_database(hosts: Hosts) -> None:
    """Start MariaDB, slurmdbd and the accounts.

    MariaDB has its data in the folder, and only slurmdbd sees it.
    """
    at, client = hosts.folder / "ctl", _client(hosts.folder)
    data = f"--datadir={at / 'database'}"
    hosts.inside(
        CONTROLLER,
        "mariadb-install-db",
        "--no-defaults",
        "--user=root",
        data,
        "--skip-test-db",
        "--skip-name-resolve",
    )
    small = (
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=16M",
        "--innodb-flush-log-at-trx-commit=0",
        "--performance-schema=OFF",
    )
    files = (
        data,
        f"--socket={at / 'mariadb.socket'}",
        f"--pid-file={at / 'mariadb.pid'}",
        f"--log-error={at / 'mariadb.log'}",
    )
    server = (
        "mariadbd",
        "--no-defaults",
        "--user=root",
        "--bind-address=127.0.0.1",
        f"--init-file={at / 'database.sql'}",
        *small,
        *files,
    )
    hosts.inside(
        CONTROLLER, "setsid", "--fork", "sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", *server
    )
    wait_until((at / "mariadb.socket").exists, 30, "the database")
    hosts.inside(CONTROLLER, *client, "slurmdbd")
    wait_until(lambda: _works(*client, "sacctmgr", "-n", "list", "cluster"), 30, "slurmdbd")
    accounts: list[tuple[str, ...]] = [("cluster", "devcluster"), ("account", "research")]
    if user := os.environ.get("SUDO_USER"):
        accounts.append(("user", user, "account=research"))
    for what in accounts:
        hosts.inside(CONTROLLER, *client, "sacctmgr", "-i", "-Q", "add", *what)


def start_controller(hosts: Hosts) -> None:
    """Start slurmctld, with its old state if there is one, and wait until it answers."""
    hosts.inside(CONTROLLER, "slurmctld", "-f", str(hosts.folder / "slurm.conf"))
    wait_until(lambda: _works(*_client(hosts.folder), "scontrol", "ping"), 30, "the controller")


def restart_controller(hosts: Hosts) -> None:
    """Stop slurmctld properly and start it again; jobs continue."""
    if _signal(hosts, CONTROLLER, "slurmctld", "TERM"):
        wait_until(lambda: not _signal(hosts, CONTROLLER, "slurmctld", "0"), 30, "slurmctld to end")
    start_controller(hosts)
    # It recovers jobs at once. It learns the state of the nodes within seconds, that of a node
    # without network when its timeout is over.
    wait_until(
        lambda: "unknown" not in " ".join(node_states(hosts.folder).values()),
        90,
        "the nodes to report",
    )


def start_slurmd(hosts: Hosts, node: str) -> None:
    """Start slurmd on a node."""
    if _signal(hosts, node, "slurmd", "0"):
        raise DevclusterError(f"slurmd is already running on {node}")
    hosts.inside(node, "slurmd", "-N", node, "-f", str(hosts.folder / "slurm.conf"))


def kill_slurmd(hosts: Hosts, node: str) -> None:
    """Kill slurmd with SIGKILL; jobs on the node continue without it."""
    if not _signal(hosts, node, "slurmd", "KILL"):
        raise DevclusterError(f"slurmd is not running on {node}")


def report(hosts: Hosts, node: str) -> None:
    """Make slurmd, if it runs, report to the controller now."""
    _signal(hosts, node, "slurmd", "HUP")


def node_states(folder: Path) -> dict[str, str]:
    """Node -> state as in sinfo, such as "idle", "mixed" or "down*".

    Empty while the controller does not answer.
    """
    try:
        lines = run(*_client(folder), "sinfo", "-h", "-N", "-p", "low", "-o", "%N %T").splitlines()
    except DevclusterError:
        return {}
    return dict(line.split() for line in lines)


def all_idle(folder: Path) -> bool:
    """Whether every node can take jobs and has none."""
    return node_states(folder) == dict.fromkeys(NODES, "idle")


def last_words(folder: Path) -> str:
    """The last line of each of the three newest logs, to show when a start failed."""
    logs = sorted(folder.glob("*/*.log"), key=lambda log: log.stat().st_mtime)[-3:]
    return "".join(
        f"\n{log.name}: {line}"
        for log in logs
        for line in log.read_text(errors="replace").splitlines()[-1:]
    )


def _client(folder: Path) -> tuple[str, str]:
    # The start of a SLURM command that is run on a host or on this machine.
    return "env", f"SLURM_CONF={folder / 'slurm.conf'}"


def _works(*command: str) -> bool:
    return (
        subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0
    )


def _signal(hosts: Hosts, host: str, daemon: str, signal: str) -> bool:
    # Whether the daemon runs and got the signal. The number in its pid file may now belong to
    # another process.
    try:
        pid = (hosts.folder / host / f"{daemon}.pid").read_text().strip()
        hosts.inside(
            host, "sh", "-c", f'[ "$(cat /proc/{pid}/comm)" = {daemon} ] && kill -{signal} {pid}'
        )
    except (OSError, DevclusterError):
        return False
    return True


def _write(path: Path, text: str, mode: int) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
