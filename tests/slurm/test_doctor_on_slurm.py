"""`odesweep doctor --profile` on a real SLURM.

What it finds out of the configuration and from a compute node, and that it leaves nothing.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from calls import Calls, local_pid, slurm
from command import odesweep, start, wait_for

from sweeps.doctor import Finding, Level, Situation, probe
from sweeps.profiles import load
from sweeps.slurm.doctor import cluster, compute_node

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")
TASK = 'partition = "low"\ntime = 10\nsignal = "USR2@60"\n'


def find(folder: Path, profile: str, data_root: Path | None = None) -> dict[str, Finding]:
    """The last finding of each name, with the results in `folder`.

    Afterwards `folder` has the same content as before.
    """
    path = folder / "profile.toml"
    path.write_text(profile)
    before = sorted(folder.iterdir())
    found = {
        finding.name: finding
        for finding in cluster.slurm(Situation(folder / "results", data_root, load(str(path))))
    }
    assert sorted(folder.iterdir()) == before
    wait_for(lambda: not queued())
    return found


def queued() -> list[str]:
    """Doctor's jobs that wait or run."""
    return [
        line
        for line in slurm("squeue", "-h", "-o", "%j %T").splitlines()
        if line.startswith("odesweep-doctor-")
    ]


def errors(found: dict[str, Finding]) -> dict[str, str]:
    return {name: one.text for name, one in found.items() if one.level is Level.ERROR}


@contextmanager
def on_node(node: str, command: str, path: Path) -> Iterator[None]:
    """A mount that only this node has, over `path`."""
    enter = ("nsenter", "--target", str(local_pid(node, 1)), "--mount", "--pid", "sh", "-c")
    subprocess.run([*enter, command, "sh", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run([*enter, 'umount "$1"', "sh", str(path)], check=True)


def test_the_shipped_profile_is_well_and_the_command_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    arguments = (
        "doctor",
        "--profile",
        "devcluster",
        "--json",
        "--data-root",
        str(tmp_path / "data"),
    )
    code, out, err = odesweep(*arguments, results=tmp_path / "results")
    assert code == 0, out + err
    found = {one["name"]: one for one in json.loads(out)}
    ours = (
        "slurm",
        "arrays",
        "queue limit",
        "preemption",
        "accounting",
        "partition",
        "time limit",
        "nodes",
        "sbatch",
        "tiny job",
    )
    there = (
        "node files",
        "node clock",
        "node requeue",
        "node python",
        "node torch",
        "node gpu",
        "node data",
    )
    assert {name: found[name]["level"] for name in (*ours, *there)} == dict.fromkeys(
        (*ours, *there), "ok"
    )
    assert (
        "16 s from SIGTERM to SIGKILL (GraceTime 10 s + KillWait 6 s)"
        in found["preemption"]["text"]
    )
    assert "MaxArraySize = 101" in found["arrays"]["text"]
    assert "4 of 4 nodes" in found["nodes"]["text"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("profile", "name", "words"),
    [
        ('partition = "nowhere"\ntime = 10\n', "partition", "there is no nowhere here"),
        (
            TASK + 'gres = "gpu:a100:1"\n',
            "nodes",
            (
                "asks for 1 CPU and 1 gpu:a100, but no node of the partition has that; they have 4 "
                "CPUs and gpu:2"
            ),
        ),
        (TASK + "slots = 8\n", "nodes", "asks for 8 CPUs, but no node"),
        (
            TASK.replace("10", '"2-00:00:00"'),
            "time limit",
            "of at most 1-00:00:00 in partition low: tasks would wait forever",
        ),
        (TASK + 'account = "nobodys"\n', "account", "nobodys is not among yours: SLURM refuses it"),
        (TASK + 'constraint = "moon"\n', "sbatch", "refuses a task of this profile"),
    ],
)
def test_what_would_not_run_is_an_error_and_nothing_is_sent(
    profile: str, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(tmp_path)
    monkeypatch.setenv("PATH", calls.environment["PATH"])
    found = find(tmp_path, profile)
    assert words in errors(found)[name]
    assert found.keys() & {"node files", "tiny job"} == (
        {"tiny job"} if name != "sbatch" else set()
    )
    assert all(
        "--test-only" in line for line in calls.log.read_text().splitlines() if " sbatch " in line
    )


def test_a_partition_that_is_down(tmp_path: Path) -> None:
    slurm("scontrol", "update", "partition=high", "state=DOWN")
    try:
        found = find(tmp_path, TASK.replace("low", "high"))
    finally:
        slurm("scontrol", "update", "partition=high", "state=UP")
    assert "high is DOWN: starts no tasks" in errors(found)["partition"]


def test_a_limit_on_queued_tasks(tmp_path: Path) -> None:
    slurm("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=50")
    try:
        found = find(tmp_path, TASK + 'gres = "gpu:3"\n')
    finally:
        slurm("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=-1")
    assert "MaxSubmitJobs = 50" in found["queue limit"].text


def test_a_node_without_the_driver_of_its_gpu(tmp_path: Path) -> None:
    """The devcluster's GPUs are such: SLURM hands them out, and nothing can use them."""
    found = find(tmp_path, TASK + 'gres = "gpu:1"\n')
    assert set(errors(found)) == {"node gpu"}
    assert "asks for 1, but neither nvidia-smi nor torch sees one" in found["node gpu"].text


def test_a_node_without_scontrol_and_a_partition_that_cancels(tmp_path: Path) -> None:
    scontrol = Path(shutil.which("scontrol") or "")
    (tmp_path / "nothing").touch()
    with on_node("n3", f'mount --bind {tmp_path}/nothing "$1"', scontrol):
        found = find(tmp_path, TASK.replace("low", "scavenge") + 'nodelist = "n3"\n')
    assert not errors(found)
    assert found["preemption"].level is found["node requeue"].level is Level.WARNING
    assert "SLURM does not requeue preempted tasks" in found["preemption"].text
    assert "there is no scontrol on n3" in found["node requeue"].text
    for name in ("preemption", "node requeue"):
        assert "`odesweep run --wait`" in found[name].remedy


def test_setup_that_fails_is_quoted(tmp_path: Path) -> None:
    found = find(tmp_path, TASK + 'setup = ["echo no module of that name; exit 7"]\n')
    assert "FAILED (NonZeroExitCode), exit code 7:0" in found["tiny job"].text
    assert "it said last: no module of that name" in found["tiny job"].text
    assert "setup" in found["tiny job"].remedy


def test_setup_is_run_before_python(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "torchdiffeq.py").write_text(
        "raise ImportError('made for another torch')"
    )
    found = find(tmp_path, TASK + f'setup = ["export PYTHONPATH={tmp_path / "modules"}"]\n')
    assert set(errors(found)) == {"node torch"}
    assert (
        "cannot be imported together: ImportError: made for another torch"
        in found["node torch"].text
    )


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (
            'mount -t tmpfs none "$1"',
            "n3 does not see {}: a file written here did not show up there",
        ),
        (
            'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"',
            "n3 sees {} but cannot write in it",
        ),
    ],
    ids=["other-disk", "read-only"],
)
def test_a_results_folder_that_the_node_has_not(
    mount: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LAG_SECONDS", 2.0)
    with on_node("n3", mount, tmp_path):
        found = find(tmp_path, TASK + 'nodelist = "n3"\n')
    assert errors(found) == {"node files": words.format(tmp_path)}
    assert "--results" in found["node files"].remedy


def test_data_that_the_node_has_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "MNIST").mkdir(parents=True)
    with on_node("n3", 'mount -t tmpfs none "$1"', data):
        found = find(tmp_path, TASK + 'nodelist = "n3"\n', data)
    assert errors(found) == {"node data": f"MNIST in {data} is not there"}


@pytest.mark.parametrize("hopeless", [compute_node.HOPELESS, ()], ids=["at-once", "in-the-end"])
def test_a_job_that_does_not_start_is_a_warning_and_gone(
    hopeless: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute_node, "HOPELESS", hopeless)
    monkeypatch.setattr(compute_node, "QUEUE_SECONDS", 120.0 if hopeless else 6.0)
    found = find(tmp_path, TASK + 'begin = "now+1hour"\n')
    assert not errors(found)
    assert found["tiny job"].level is Level.WARNING
    assert "PENDING (BeginTime); cancelled" in found["tiny job"].text
    assert "node files" not in found


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
def test_an_interrupted_doctor_leaves_nothing(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(TASK + 'setup = ["sleep 300"]\n')
    process = start(
        "doctor", "--profile", str(path), results=tmp_path / "results", ODESWEEP_DATA=""
    )
    wait_for(queued)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    wait_for(lambda: not queued())
    assert list(tmp_path.iterdir()) == [path]
