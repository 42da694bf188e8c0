"""What doctor concludes from the course and the report of a test job.

Both sides run on this machine, with fake SLURM commands.
"""

import sys
from pathlib import Path
from typing import Any

import pytest

from sweeps.doctor import Level, Situation, probe
from sweeps.profiles import Profile
from sweeps.slurm.doctor import compute_node, node_report
from sweeps.slurm.doctor.tiny_job import TinyJob

pytest.importorskip("submitit", reason="submitit is not installed")
HERE = Situation(Path("/shared/results"), Path("/shared/data"))
GPU = ["NVIDIA H200, 570.86"]
NONE: dict[str, Any] = {
    "version": "2.15.0",
    "cuda": "13.0",
    "devices": [],
    "why": "",
    "trouble": None,
    "seconds": 4.2,
}
H200 = NONE | {"devices": ["NVIDIA H200"]}


@pytest.mark.parametrize(
    ("job", "level", "name", "words"),
    [
        ({}, "warning", "tiny job", "7 still queued after 120 s: SLURM does not say; cancelled"),
        (
            {"JobState": "PENDING", "Reason": "Priority"},
            "warning",
            "tiny job",
            "PENDING (Priority); cancelled",
        ),
        (
            {"JobState": "CONFIGURING", "Reason": "None"},
            "warning",
            "tiny job",
            "CONFIGURING; cancelled",
        ),
        (
            {"JobState": "FAILED", "Reason": "NonZeroExitCode", "ExitCode": "64:0"},
            "error",
            "node files",
            "n1 does not see /",
        ),
        (
            {"JobState": "FAILED", "ExitCode": "65:0"},
            "error",
            "node files",
            "n1 sees / but cannot write in it",
        ),
        (
            {"JobState": "FAILED", "ExitCode": "66:0"},
            "error",
            "node python",
            f"there is no {sys.executable} on n1",
        ),
        (
            {"JobState": "FAILED", "ExitCode": "67:0"},
            "error",
            "node python",
            "there is no apptainer on n1",
        ),
        (
            {"JobState": "FAILED", "ExitCode": "68:0"},
            "error",
            "node python",
            "n1 does not see the container",
        ),
        (
            {"JobState": "COMPLETED", "ExitCode": "0:0"},
            "error",
            "node files",
            "what n1 wrote in / did not show up here",
        ),
        (
            {"JobState": "RUNNING", "ExitCode": "0:0"},
            "error",
            "tiny job",
            "7 on n1 has not reported after 30 s",
        ),
        (
            {"JobState": "OUT_OF_MEMORY", "Reason": "OutOfMemory", "ExitCode": "0:125"},
            "error",
            "tiny job",
            "exit code 0:125, after 30 s",
        ),
        (
            {"JobState": "FAILED", "Reason": "NonZeroExitCode", "ExitCode": "1:0"},
            "error",
            "tiny job",
            "it said last: no such module",
        ),
    ],
)
def test_a_job_without_a_report(job: dict[str, str], level: str, name: str, words: str) -> None:
    course = TinyJob(
        "7", {"BatchHost": "n1", **job}, waited=120.0, took=30.0, log="loading\nno such module\n"
    )
    [found] = node_report.judge(course, HERE, Profile())
    assert (found.level, found.name) == (level, name)
    assert words in found.text


def test_files_that_are_seen_late_or_never() -> None:
    report = {"began_at": 100.0, "answered_at": 100.4, "answer": {"at": 100.2}}
    assert node_report.files("n1", report, HERE).level is Level.OK
    assert "0.4 s there and back" in node_report.files("n1", report, HERE).text
    late = node_report.files("n1", report | {"answered_at": 145.0}, HERE)
    assert (late.level, "actimeo" in late.remedy) == (Level.WARNING, True)
    assert node_report.files("n1", report | {"answer": None}, HERE).level is Level.ERROR


@pytest.mark.parametrize(
    ("skew", "level", "words"),
    [
        (0, "ok", "within 5 s"),
        (-60, "warning", "60 s behind"),
        (3600, "warning", "3600 s ahead of"),
    ],
)
def test_a_node_with_another_clock(skew: int, level: str, words: str) -> None:
    """The node wrote at 1000 and saw the answer at 1020 by its clock.

    The answer was written between.
    """
    found = node_report.clock(1000.0 + skew, 1000.0 if skew > 0 else 1020.0, 1020.0 + skew)
    assert found.level == level
    assert words in found.text


@pytest.mark.parametrize(
    ("fields", "problem", "level", "words"),
    [
        ({"Requeue": "1"}, None, "ok", "scontrol answers on n1"),
        ({"Requeue": "0"}, None, "warning", "not requeued (Requeue=0)"),
        ({}, "there is no scontrol", "warning", "there is no scontrol on n1: a task cannot ask"),
    ],
)
def test_whether_a_task_gets_another_turn(
    fields: dict[str, str], problem: str | None, level: str, words: str
) -> None:
    found = node_report.requeue(TinyJob("7", {"BatchHost": "n1", **fields}), problem)
    assert (found.name, found.level) == ("node requeue", level)
    assert words in found.text
    assert level == "ok" or "odesweep run --wait" in found.remedy


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (None, "there is no scontrol"),
        ('[ "$*" = "show job 7" ]', None),
        ("echo 'slurm_load_jobs error: Unable to contact' >&2; exit 1", "fails: slurm_load_jobs"),
    ],
    ids=["missing", "answers", "fails"],
)
def test_the_node_says_whether_it_can_ask_slurm(
    script: str | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    found = probe.trouble_with(["scontrol", "show", "job", "$SLURM_JOB_ID"])
    assert found == expected if expected is None or found is None else expected in found


def test_python_of_another_version_or_without_odesweep() -> None:
    here = ".".join(map(str, sys.version_info[:3]))
    own, image = Profile(), Profile(container="odesweep.sif")
    assert node_report.python({"python": here, "imports": None}, own).level is Level.OK
    assert node_report.python({"python": "3.9.2", "imports": None}, own).level is Level.ERROR
    inside = node_report.python({"python": "3.12.1", "imports": None}, image)
    assert (inside.level, inside.text) == (Level.OK, "3.12.1 in odesweep.sif, odesweep imports")
    missing = node_report.python(
        {"python": here, "imports": "ModuleNotFoundError: No module named 'pyarrow'"}, own
    )
    assert (missing.level, "pyarrow" in missing.text) == (Level.ERROR, True)


@pytest.mark.parametrize(
    ("seconds", "level"), [(4.2, "ok"), (75.0, "warning")], ids=["fast", "slow"]
)
def test_how_long_torch_takes_from_which_disk(seconds: float, level: str) -> None:
    report = {"torch": NONE | {"seconds": seconds}, "environment": ("nfs4", "/shared")}
    found = node_report.torch(report)
    assert found.level == level
    assert f"in {seconds:.1f} s from nfs4 (/shared)" in found.text
    assert ("container in the profile" in found.remedy) == (level == "warning")
    broken = node_report.torch(report | {"torch": {"error": "ImportError: x"}})
    assert broken.level is Level.ERROR


@pytest.mark.parametrize(
    ("asked", "driver", "seen", "level", "words"),
    [
        (0, None, NONE, "ok", "asks for none"),
        (0, GPU, NONE, "ok", "asks for none"),
        (
            0,
            GPU,
            H200,
            "warning",
            "asks for none, but torch sees 1 there: every task would use the first",
        ),
        (1, GPU, H200, "ok", "torch sees 1: NVIDIA H200, driver 570.86"),
        (2, GPU, H200, "warning", "asks for 2, torch sees 1"),
        (
            1,
            GPU,
            H200 | {"trouble": "no kernel image"},
            "error",
            "but cannot compute on it: no kernel image",
        ),
        (
            1,
            GPU,
            NONE | {"cuda": None},
            "error",
            "torch is built for no CUDA; install a torch that is built for CUDA",
        ),
        (
            1,
            GPU,
            NONE | {"why": "driver is too old"},
            "error",
            "driver is too old; install a torch whose CUDA that driver supports",
        ),
        (
            1,
            None,
            NONE,
            "error",
            "neither nvidia-smi nor torch sees one there; ask the administrator",
        ),
        (1, "NVIDIA-SMI has failed", NONE, "error", "NVIDIA-SMI has failed; ask the administrator"),
    ],
)
def test_gpus_of_the_node(
    asked: int, driver: Any, seen: dict[str, Any], level: str, words: str
) -> None:
    found = node_report.gpu(report_of(seen, driver, "0" if asked else None), Profile(gpus=asked))
    assert (found.name, found.level) == ("node gpu", level)
    assert words in f"{found.text}; {found.remedy}"


def report_of(seen: dict[str, Any], driver: Any, visible: str | None, **more: Any) -> Any:
    none = {"listing": "", "mps": None}
    return {"torch": seen, "driver": driver, "visible": visible, **none, **more}


@pytest.mark.parametrize(
    ("slots", "gres", "level", "words"),
    [
        (2, "gpu:1g.10gb:2", "ok", "MIG slices of a task: 1 x 1g.10gb+me, 1 x 2g.20gb"),
        (4, "gpu:2", "ok", "for its slots; MPS: CUDA_MPS_ACTIVE_THREAD_PERCENTAGE = 50"),
        (1, "gpu:2", "warning", "1 of 2 are used, as a process sees one slice; give slots = 2"),
        (3, "gpu:3", "warning", "asks for 3, SLURM gives 2"),
    ],
)
def test_slices_of_a_gpu_are_named_and_counted(
    slots: int, gres: str, level: str, words: str
) -> None:
    """CUDA shows the first slice only, so torch always counts one."""
    from test_gpus import H100_MIG

    seen = NONE | {"devices": ["NVIDIA H100 80GB HBM3 MIG 1g.10gb+me"]}
    shared = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE = 50"
    report = report_of(seen, GPU, "0", listing=H100_MIG, mps=shared if slots == 4 else None)
    found = node_report.gpu(report, Profile(slots=slots, options={"gres": gres}))
    assert found.level == level
    assert words in f"{found.text}; {found.remedy}"


def test_data_that_is_not_there() -> None:
    assert node_report.data([], HERE).level is Level.OK
    assert "MNIST in /shared/data is not there" in node_report.data(["MNIST"], HERE).text
    assert node_report.data(None, HERE).text == "/shared/data is not there"


# Starts the script as a node would, without srun's options.
SBATCH = """#!/bin/bash
echo "$@" > {calls}/sbatch
setsid bash "${{@: -1}}" > /dev/null 2>&1 < /dev/null &
echo "123;cluster"
"""
SRUN = '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n'
SCONTROL = (
    '#!/bin/bash\necho "JobId=123 JobState=RUNNING Reason=None ExitCode=0:0 BatchHost=n1 '
    'Command=/a b/c"\n'
)


def played(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    (folder / "bin").mkdir()
    for name, script in scripts.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


def test_both_sides_talk_in_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "torchvision", "torchdiffeq"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not for this test')")
    played(
        tmp_path,
        monkeypatch,
        sbatch=SBATCH.format(calls=tmp_path),
        srun=SRUN,
        scontrol=SCONTROL,
        scancel="#!/bin/sh\necho $* > $0.called\n",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folder = tmp_path / 'it\'s "mine" $HOME'
    folder.mkdir()
    profile = Profile(
        cpus=2,
        setup=("export ODESWEEP_SETUP='a {b}'",),
        options={"partition": "low", "time": "08:00:00", "exclusive": True},
    )
    found = {
        one.name: one
        for one in compute_node.try_there(Situation(folder / "results", None, profile), profile)
    }
    assert {name: one.level for name, one in found.items()} == {
        "tiny job": "ok",
        "node files": "ok",
        "node clock": "ok",
        "node requeue": "ok",
        "node python": "ok",
        "node torch": "error",
    }
    assert "123 ran on n1" in found["tiny job"].text
    assert "ImportError: not for this test" in found["node torch"].text
    sent = (tmp_path / "sbatch").read_text()
    assert all(
        option in sent
        for option in (
            "--partition=low",
            "--exclusive ",
            "--cpus-per-task=2",
            "--time=10",
            "--requeue",
            "--ntasks=1",
        )
    )
    assert list(folder.iterdir()) == []
    assert "--name=odesweep-doctor-" in (tmp_path / "bin" / "scancel.called").read_text()


def test_a_job_that_cannot_be_cancelled_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "#!/bin/sh\necho 'Socket timed out' >&2; exit 1\n"
    waits = SCONTROL.replace("RUNNING Reason=None", "PENDING Reason=PartitionDown")
    played(tmp_path, monkeypatch, sbatch="#!/bin/sh\necho 123\n", scontrol=waits, scancel=refused)
    queued, left = compute_node.try_there(
        Situation(tmp_path / "results", None), Profile(options={"partition": "low"})
    )
    assert "PENDING (PartitionDown)" in queued.text
    assert (left.level, left.text) == (Level.WARNING, "may still be queued: Socket timed out")
    assert left.remedy.startswith("scancel --name=odesweep-doctor-")
