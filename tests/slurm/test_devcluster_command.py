"""The command `devcluster` itself.

It cleans up after a crash, leaves nothing behind, and says in one line what is missing.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cluster import DEVCLUSTER, devcluster

pytestmark = pytest.mark.slurm


def of_processes(file: str, read: Callable[[Path], str]) -> dict[int, str]:
    """Process id -> what `read` gives for that file of it in /proc."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is none of ours to look into
            found[int(process.name)] = read(process / file)
    return found


def naming(folder: Path) -> dict[int, str]:
    """Processes that name the folder on their command line, with it."""
    return {
        pid: line
        for pid, line in of_processes("cmdline", Path.read_text).items()
        if str(folder) in line and pid != os.getpid()
    }


def traces(folder: Path) -> dict[str, object]:
    """What a cluster of that folder may leave on a machine where another one may run meanwhile."""
    return {
        "processes": naming(folder),
        "mounts": [
            line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line
        ],
        "network devices": sorted(link.name for link in Path("/sys/class/net").iterdir()),
        "routes": subprocess.run(
            ["ip", "route"], capture_output=True, text=True, check=True
        ).stdout,
        "networks": set(of_processes("ns/net", lambda link: str(link.readlink())).values()),
        "host names": set(of_processes("ns/uts", lambda link: str(link.readlink())).values()),
        "device nodes": sorted(
            str(node) for node in Path("/dev").rglob("*") if "pts" not in node.parts
        ),
        "folder": folder.exists(),
        "shipped files": sorted(file.name for file in DEVCLUSTER.parent.rglob("*")),
    }


@pytest.mark.usefixtures("cluster")  # for its skips
def test_start_after_a_crash_and_stop_leave_nothing_behind() -> None:
    # Not in tmp_path, which is closed to other users: munge refuses that.
    folder = Path(f"/run/devcluster-test-{os.getpid()}")
    here = f"--dir={folder}"
    before = traces(folder)
    try:
        code, out, complaint = devcluster(here, "start")
        assert code == 0, complaint
        assert "4 nodes are idle" in out
        assert devcluster(here, "start")[::2] == (
            1,
            "devcluster: it is already running; see: devcluster status\n",
        )
        exports = devcluster(here, "env")[1].strip().partition("=")[2]
        job = subprocess.run(
            ["sbatch", "--parsable", "-N4", "--output=/dev/null", "--wrap=srun sleep 100"],
            env=os.environ | {"SLURM_CONF": exports},
            capture_output=True,
            text=True,
            check=True,
        )
        assert job.stdout.strip() == "1"
        init = next(pid for pid, line in naming(folder).items() if line.startswith("bash\0"))
        os.kill(init, signal.SIGKILL)
        code, out, complaint = devcluster(here, "start")
        assert code == 0, complaint
        assert "removing what an earlier one left" in out
    finally:
        stopped = devcluster(here, "stop")
    assert stopped == (0, "stopped\n", "")
    assert traces(folder) == before
    assert devcluster(here, "stop")[:2] == (0, "it is not running\n")


@pytest.mark.usefixtures("cluster")
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for command in ("start", "stop"):
        code, _, complaint = devcluster(f"--dir={tmp_path}", command)
        assert code == 1
        assert (
            complaint
            == f"devcluster: {tmp_path} is not a devcluster's; give a folder that does not exist "
            "yet\n"
        )
    assert (tmp_path / "thesis.tex").exists()


def test_a_user_who_is_not_root_gets_one_line(tmp_path: Path) -> None:
    # In a user namespace without a mapping nobody is root.
    command = ["unshare", "--user", DEVCLUSTER, f"--dir={tmp_path / 'x'}", "start"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip(f"no user namespaces: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (
        1,
        f"devcluster: needs root: sudo {DEVCLUSTER} start\n",
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_missing_packages_get_one_line_that_installs_them(tmp_path: Path) -> None:
    path = str(DEVCLUSTER.parent)
    code = (
        f"import sys; sys.path.insert(0, {path!r}); import commands; commands.ENVIRONMENT['PATH'] "
        "= '/nowhere'; sys.exit(commands.main())"
    )
    command = [sys.executable, "-B", "-c", code, f"--dir={tmp_path / 'x'}", "start"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("devcluster: slurmctld, slurmd, ")
    assert done.stderr.endswith(
        "not found; as root: apt-get install -y slurmctld slurmd slurm-client munge slurmdbd "
        "mariadb-server iproute2\n"
    )
