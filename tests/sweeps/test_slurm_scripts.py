"""Batch scripts, whole, against recorded ones; and what submitit pickles."""

import os
import pickletools
import subprocess
import sys
from pathlib import Path

import pytest
import study_with_module

from sweeps.errors import UserError
from sweeps.profiles import Profile, load, parse
from sweeps.store import Results

pytest.importorskip("submitit", reason="submitit is not installed")
from submitit.core.utils import JobPaths

from sweeps.execute.scheduler import Setup
from sweeps.slurm import submit as slurm_submit
from sweeps.slurm.container import python_command
from sweeps.slurm.paths import job_folder
from sweeps.slurm.profile import sbatch_options
from sweeps.slurm.snapshot import ROOT, code, content_hash, folder, write
from sweeps.slurm.submit import adopt, script
from sweeps.store import read_sent, write_submission

RECORDED = Path(__file__).with_name("recorded")
ID = "0123456789abcdef0123456789abcdef"
METADATA = {
    "study": "cross/depth",
    "scale": "small",
    "executor": "slurm",
    "command": "c",
    "created_at": "2026-01-01T00:00:00+00:00",
}


def shown(results: Results, profile: Profile, tasks: int) -> str:
    text = script(results, ID, "cross/depth", Setup(profile=profile), tasks)
    for value, name in (
        (str(results.path), "RESULTS"),
        (sys.executable, "PYTHON"),
        (content_hash(code()), "CODE"),
    ):
        text = text.replace(value, name)
    return text


@pytest.mark.parametrize(("name", "tasks"), [("a100", 250), ("h200", 12), ("devcluster", 1)])
def test_the_whole_script_is_the_recorded_one(tmp_path: Path, name: str, tasks: int) -> None:
    shipped = load(str(ROOT / "slurm" / "profiles" / f"{name}.toml"))
    assert (
        shown(Results(tmp_path / "my results"), shipped, tasks)
        == (RECORDED / f"{name}.sbatch").read_text()
    )


def test_a_container_changes_only_the_word_python(tmp_path: Path) -> None:
    """Recorded are the scripts without one."""
    results, data = Results(tmp_path / "results"), tmp_path / "data"
    shipped = load(str(ROOT / "slurm" / "profiles" / "a100.toml"))
    inside = shipped.model_copy(update={"container": "/images/odesweep.sif"})
    without, within = (
        script(results, ID, "cross/depth", Setup(profile=profile, data_root=data), 250).splitlines()
        for profile in (shipped, inside)
    )
    changed = [(old, new) for old, new in zip(without, within, strict=True) if old != new]
    [(old, new)] = changed
    binds = " ".join(f"--bind {path}" for path in (results.path, results.state, data))
    command = (
        f"apptainer exec --nv --env PYTHONNOUSERSITE=1 {binds} /images/odesweep.sif python3 -P"
    )
    assert new == old.replace(f"{sys.executable} -P", command)
    given = shipped.model_copy(update={"python": "/opt/env/bin/python"})
    own = script(results, ID, "cross/depth", Setup(profile=given), 250).splitlines()
    assert own[-1] == old.replace(sys.executable, "/opt/env/bin/python")


def test_without_gpus_a_container_gets_no_driver_and_an_address_stays_one() -> None:
    profile = parse({"container": "docker://ghcr.io/me/odesweep:1", "python": "/env/bin/python"})
    assert python_command(profile, [Path("/r")], gpus=False) == [
        *("apptainer", "exec", "--env", "PYTHONNOUSERSITE=1", "--bind", "/r"),
        *("docker://ghcr.io/me/odesweep:1", "/env/bin/python"),
    ]
    with pytest.raises(UserError, match="cannot bind /a,b: a path with a comma"):
        python_command(profile, [Path("/a,b")], gpus=False)


def test_cpus_and_gpus_of_all_slots_unless_the_profile_says_them_in_sbatch_words() -> None:
    assert sbatch_options(Profile(cpus=3, gpus=0.25, slots=6)) == {
        "cpus_per_task": 18,
        "gpus_per_node": 2,
    }
    assert sbatch_options(parse({"gpus": 1, "gres": "gpu:2", "cpus-per-task": 40})) == {
        "gres": "gpu:2",
        "cpus_per_task": 40,
    }
    assert sbatch_options(parse({"cpus-per-gpu": 8, "gpus-per-task": 1})) == {
        "cpus_per_gpu": 8,
        "gpus_per_task": 1,
    }


def test_bad_nodes_are_left_out_besides_the_profiles_own(tmp_path: Path) -> None:
    setup = Setup(profile=parse({"exclude": ["n1"]}))
    made = slurm_submit.array_executor(
        Results(tmp_path / "r"), ID, "s", setup, 2, tmp_path, ["n3", "n4"]
    )
    assert "#SBATCH --exclude=n1,n3,n4\n" in made.script(2)


@pytest.mark.parametrize("tasks", [1, 3])
def test_a_pickle_holds_the_name_of_a_function_a_path_and_a_number(
    tmp_path: Path, tasks: int
) -> None:
    results = Results(tmp_path / "results")
    submission = write_submission(results, [], METADATA, {"shards": tasks, "slots": 1})
    job_folder(results, submission).mkdir(parents=True)
    adopt(results, submission, "77")
    assert read_sent(results, submission) is not None
    for index in range(tasks):
        path = JobPaths(
            job_folder(results, submission), "77" if tasks == 1 else f"77_{index}"
        ).submitted_pickle
        assert path.stat().st_size < 1000
        strings = {
            argument
            for _, argument, _ in pickletools.genops(path.read_bytes())
            if isinstance(argument, str)
        }
        assert {
            "sweeps.slurm.task",
            "run_task",
            str(results.submissions / f"{submission}.parquet"),
        } <= strings


def test_the_snapshot_holds_what_the_study_file_imports(tmp_path: Path) -> None:
    path = study_with_module.write(tmp_path / "folder")
    # In a process of its own: modules of that name may be loaded here.
    program = (
        "import sys; from pathlib import Path; from sweeps.study.overrides import select; "
        "from sweeps.studies import find; from sweeps.slurm.snapshot import code, write; "
        "from sweeps.store import Results; "
        "print(len(select(find(sys.argv[1])).declared)); "
        "print(write(Results(Path(sys.argv[2])), code(Path(sys.argv[1]))))"
    )

    def look(study: Path, root: Path) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, str(study), str(tmp_path / "results")],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    trials, copied = look(path, ROOT)
    copy = Path(copied)
    assert {one.relative_to(copy / "study").as_posix() for one in copy.glob("study/**/*.py")} == {
        name for name in study_with_module.FILES if name != "not_imported.py"
    }
    # The copy alone gives the same trials, and the same copy again.
    path.parent.rename(tmp_path / "away")
    assert look(copy / "study" / "my_study.py", copy) == [trials, copied]


def test_the_snapshot_is_the_packages_by_content_and_is_mended(tmp_path: Path) -> None:
    results, mine = Results(tmp_path / "results"), tmp_path / "mine.py"
    mine.write_text("STUDY = None\n")
    files = code(mine)
    assert {name.partition("/")[0] for name in files} == {"odecore", "sweeps", "analysis", "study"}
    assert content_hash(files) != content_hash(code())
    path = write(results, files)
    assert path == folder(results, files) == results.state / "code" / content_hash(files)
    assert (path / "study" / "mine.py").read_text() == "STUDY = None\n"
    (path / "sweeps" / "spec.py").unlink()
    (path / "odecore" / "__init__.py").write_text("")
    assert write(results, files) == path
    assert {
        p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()
    } == files


def test_ray_in_a_job_whose_node_has_no_scontrol_is_one_line(tmp_path: Path) -> None:
    for name in ("odesweep", "ray", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 9\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", ROOT / "slurm" / "ray_cluster.sbatch", "tiny"],
        env={"PATH": str(tmp_path), "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert line.startswith("ray_cluster: no scontrol on n3, which knows the job's nodes: ")
