"""`slurm/ray_cluster.sbatch`: a study under Ray on two hosts, beside another job, interrupted.

Also what is left of Ray afterwards.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

import pytest
from cluster import Cluster
from command import LONG, events, odesweep, runs, science, wait_for
from executor_contract import OFTEN, accepted_once, uncut

pytestmark = [pytest.mark.slurm]
pytest.importorskip("ray", reason="ray is not installed")
__all__ = ["uncut"]
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "slurm" / "ray_cluster.sbatch"
STUDY = ("ott2021/sphere2-fixed", "--scale", "smoke")
RAY = ("gcs_server", "raylet", "ray::", "ray start", "/ray/", "sweeps.worker.child", "ray_node")


class RayJobs:
    """Submits the script to the devcluster with one CPU per host.

    Ray then starts one process on each host.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder

    def start(
        self, *arguments: str, results: Path, options: tuple[str, ...] = (), **environment: str
    ) -> str:
        """The job's id."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
        before = self.cluster.environment
        self.cluster.environment = before | given
        try:
            options = ("--cpus-per-task=1", f"--output={self.folder}/%j.log", *options)
            job = self.cluster.slurm(
                "sbatch", "--parsable", *options, str(SCRIPT), *arguments, "--results", str(results)
            ).strip()
        finally:
            self.cluster.environment = before
        self.cluster.jobs.append(job)
        return job

    def log(self, job: str) -> str:
        """What it printed."""
        path = self.folder / f"{job}.log"
        return path.read_text() if path.exists() else ""

    def wait(self, job: str, state: str = "COMPLETED", seconds: float = 150.0) -> None:
        """Until it has ended; it must have ended so."""
        wait_for(
            lambda: (
                not set(self.cluster.states(job).values())
                & {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING"}
            ),
            seconds,
        )
        assert set(self.cluster.states(job).values()) == {state}, self.log(job)

    def nothing_left(self, job: str) -> None:
        """No process that knows the job's folders, no folder."""
        deadline = time.monotonic() + 20
        while left := processes(job):
            assert time.monotonic() < deadline, left
            time.sleep(0.2)
        assert not folders(job)


@pytest.fixture
def jobs(cluster: Cluster, tmp_path: Path) -> RayJobs:
    return RayJobs(cluster, tmp_path)


def processes(job: str) -> dict[int, str]:
    """Process of Ray, or of a trial, that belongs to the job on any host -> its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment, line = (
                (folder / "environ").read_text(errors="replace"),
                (folder / "cmdline").read_text().replace("\0", " "),
            )
        except OSError:
            continue
        # Another cluster on this machine may have a job of the same number.
        wanted = {f"SLURM_JOB_ID={job}", f"SLURM_CONF={os.environ['SLURM_CONF']}"}
        if wanted <= set(environment.split("\0")) and any(word in line for word in RAY):
            found[int(folder.name)] = line
    return found


def token(job: str) -> str:
    """The job's token, from the environment of its processes.

    Only their owner can read it there.
    """
    for pid in processes(job):
        try:
            environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
        except OSError:
            continue
        for line in environment:
            if line.startswith("RAY_AUTH_TOKEN="):
                return line.partition("=")[2]
    return ""


def command_lines() -> str:
    """Of every process on every host, as everybody sees them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text())
        except OSError:
            continue
    return "\n".join(lines)


def test_two_hosts_give_the_rows_of_one_process_and_leave_nothing(
    jobs: RayJobs, tmp_path: Path
) -> None:
    results, inline = tmp_path / "results", tmp_path / "inline"
    job = jobs.start(*STUDY, results=results, options=("--gres=gpu:1",))
    secret = wait_for(lambda: token(job))
    assert len(secret) == 64
    lines, modes = "", set[int]()

    def ended() -> bool:
        nonlocal lines
        lines += command_lines()
        for folder in folders(job):
            with contextlib.suppress(FileNotFoundError):
                modes.add(folder.stat().st_mode & 0o077)
            leaks = [path for path in files(folder) if secret in contents(path)]
            assert not leaks
        time.sleep(0.5)
        return set(jobs.cluster.states(job).values()) == {"COMPLETED"}

    wait_for(ended, 150)
    jobs.nothing_left(job)
    assert "raylet" in lines
    assert secret not in lines
    assert secret not in jobs.log(job)
    assert modes == {0}
    assert not [path for path in files(results) if secret in contents(path)]
    assert "4 completed" in jobs.log(job)
    assert len(runs(results)) == 4
    assert len({row["host"] for row in runs(results)}) == 2
    assert {row["executor"] for row in runs(results)} == {"ray"}
    assert odesweep("run", *STUDY, "--threads", "1", results=inline)[0] == 0
    assert science(results) == science(inline)


def folders(job: str) -> list[Path]:
    """Where the job's Rays have their files; the devcluster's hosts share /tmp."""
    return list(Path("/tmp").glob(f"ray-{job}.*"))


def files(folder: Path) -> list[Path]:
    """All files below a folder that may be going away."""
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def contents(path: Path) -> str:
    """A file's text; nothing of one that is gone."""
    try:
        return path.read_text(errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def test_two_jobs_on_the_same_hosts_do_not_touch_each_other(jobs: RayJobs, tmp_path: Path) -> None:
    hosts = ("--nodelist=n1,n2",)
    first = jobs.start(LONG, results=tmp_path / "first", options=hosts, **OFTEN)
    second = jobs.start(*STUDY, results=tmp_path / "second", options=hosts)
    wait_for(lambda: token(first) and token(second))
    assert token(first) != token(second)
    # One is ended in the middle; the other does not notice.
    wait_for(lambda: events(tmp_path / "first", "checkpoint"))
    jobs.cluster.slurm("scancel", first)
    jobs.wait(first, "CANCELLED")
    jobs.nothing_left(first)
    jobs.wait(second)
    jobs.nothing_left(second)
    assert len(science(tmp_path / "second")) == 4
    assert {row["attempts"] for row in runs(tmp_path / "second")} == {1}


def test_a_cancelled_job_leaves_no_process_and_the_next_goes_on(
    jobs: RayJobs, tmp_path: Path, uncut: Path
) -> None:
    results = tmp_path / "results"
    job = jobs.start(LONG, results=results, options=(), **OFTEN)
    wait_for(lambda: events(results, "checkpoint"))
    jobs.cluster.slurm("scancel", job)
    jobs.wait(job, "CANCELLED")
    jobs.nothing_left(job)
    # Workers that were killed could not say so; the next job waits until their silence does.
    jobs.wait(jobs.start(LONG, results=results, ODESWEEP_CLAIM_SECONDS="5"))
    assert science(results) == science(uncut)
    assert accepted_once(results)
    assert max(row["attempts"] for row in runs(results)) == 2


@pytest.mark.parametrize("how", ["warned", "preempted"])
def test_a_job_told_in_time_saves_its_trials_and_comes_back(
    jobs: RayJobs, tmp_path: Path, how: str
) -> None:
    results, uncut = tmp_path / "results", tmp_path / "uncut"
    # SLURM tells a job that it is preempted after a second or two: LONG may be over by then.
    longer = (LONG, "train.iterations=3000")
    code, _, err = odesweep("run", *longer, results=uncut)
    assert code == 0, err
    job = jobs.start(*longer, results=results, options=(), **OFTEN)
    wait_for(lambda: len({event["trial_id"] for event in events(results, "checkpoint")}) == 2)
    if how == "warned":
        # What SLURM does two minutes before the time limit (--signal=B:USR2@120).
        jobs.cluster.slurm("scancel", "--batch", "--signal=USR2", job)
    else:
        jobs.cluster.sbatch(
            "sleep 1", "--partition=high", "--nodes=4", "--ntasks=4", "--cpus-per-task=4"
        )
    interrupted = wait_for(lambda: events(results, "interrupted"), 20)
    assert {event["cause"] for event in interrupted} == {
        {"warned": "SIGUSR2", "preempted": "SIGTERM"}[how]
    }
    wait_for(lambda: jobs.cluster.restarts(job) == 1)
    jobs.wait(job)
    assert jobs.cluster.restarts(job) == 1
    jobs.nothing_left(job)
    assert science(results) == science(uncut)
    assert accepted_once(results)
    for event in interrupted:
        resumed = [
            one for one in events(results, "started") if one["trial_id"] == event["trial_id"]
        ][-1]
        assert resumed["resume_iteration"] == event["iteration"]


def test_the_drivers_exit_code_is_the_jobs_and_mistakes_are_one_line(
    jobs: RayJobs, tmp_path: Path
) -> None:
    job = jobs.start("no/such-study", results=tmp_path / "results", options=("--nodes=1",))
    jobs.wait(job, "FAILED")
    assert "ExitCode=2:0" in jobs.cluster.slurm("scontrol", "show", "job", job)
    assert "no/such-study" in jobs.log(job).splitlines()[-1]
    jobs.nothing_left(job)
    job = jobs.start("tiny", results=tmp_path / "results", PATH="/usr/bin:/bin")
    jobs.wait(job, "FAILED")
    assert jobs.log(job).splitlines()[-1].startswith("ray_cluster: no odesweep on PATH")
