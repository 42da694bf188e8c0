"""What the test job and its report mean for a sweep: one finding each."""

import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sweeps.doctor.finding import Finding, Level, Situation, fail, good, warn
from sweeps.doctor.machine import compare_gpus, mig_slices, slice_names
from sweeps.doctor.writing import MOST_SKEW_SECONDS
from sweeps.profiles import Profile
from sweeps.slurm.container import image
from sweeps.slurm.doctor.tiny_job import TinyJob
from sweeps.slurm.gres import asked_gpus
from sweeps.slurm.profile import long_options, slots_per_task

# Exit codes of the job's script.
EXITS = {"unseen": 64, "unwritable": 65, "no_python": 66, "no_apptainer": 67, "no_image": 68}
# If files are seen later than this, workers repeat what others have done.
MOST_LAG_SECONDS = 15.0
# Thousands of small files on a busy network disk take longer than this.
MOST_IMPORT_SECONDS = 60.0
SHARED = "give a folder that login and compute nodes share with --results"
INSTALL = (
    "install odesweep[slurm] in an environment that compute nodes see, and load what it needs with "
    "`setup` in the profile"
)


def judge(job: TinyJob, situation: Situation, profile: Profile) -> Iterator[Finding]:
    """The job itself, then everything that it saw."""
    if job.report is None:
        yield without_report(job, situation, profile)
        return
    report = job.report
    yield good(
        "tiny job",
        f"{job.job_id} ran on {job.node} after {job.waited:.0f} s, for {job.took:.0f} s; it is "
        "removed",
    )
    yield files(job.node, report, situation)
    if report["answer"]:
        yield clock(report["began_at"], report["answer"]["at"], report["answered_at"])
    yield requeue(job, report["trouble"])
    yield python(report, profile)
    yield torch(report)
    if "error" not in report["torch"]:
        yield gpu(report, profile)
    if "data" in report:
        yield data(report["data"], situation)


def without_report(job: TinyJob, situation: Situation, profile: Profile) -> Finding:
    """Why there is no report."""
    job_id, node, said = job.job_id, job.node, job.log.strip().rpartition("\n")[2]
    reason = f" ({job.fields['Reason']})" if job.fields.get("Reason", "None") != "None" else ""
    code = job.fields.get("ExitCode", "").partition(":")[0]
    if not job.over and job.state != "RUNNING":
        text = (
            f"{job_id} still queued after {job.waited:.0f} s: "
            f"{job.state or 'SLURM does not say'}{reason}; cancelled, so the nodes are unknown"
        )
        return warn(
            "tiny job",
            text,
            "run doctor again when the cluster is less busy; `squeue --start` predicts when jobs "
            "start",
        )
    if code == str(EXITS["unseen"]):
        return fail(
            "node files",
            f"{node} does not see {situation.existing}: a file written here did not show up there",
            SHARED,
        )
    if code == str(EXITS["unwritable"]):
        return fail(
            "node files",
            f"{node} sees {situation.existing} but cannot write in it",
            SHARED,
        )
    if code == str(EXITS["no_python"]):
        python = profile.python or sys.executable
        return fail("node python", f"there is no {python} on {node}", INSTALL)
    if code == str(EXITS["no_apptainer"]):
        return fail(
            "node python",
            f"the profile has a container, but there is no apptainer on {node}",
            "load it with `setup` in the profile, such as module load apptainer",
        )
    if code == str(EXITS["no_image"]):
        return fail(
            "node python",
            f"{node} does not see the container {image(profile.container or '')}",
            "give the path of an image that compute nodes see as container in the profile",
        )
    if job.state == "COMPLETED":
        return fail(
            "node files",
            f"what {node} wrote in {situation.existing} did not show up here within a minute",
            SHARED,
        )
    if job.state == "RUNNING":
        text = f"{job_id} on {node} has not reported after {job.took:.0f} s; cancelled"
        return fail(
            "tiny job",
            text,
            "check how long `python -c 'import torch'` takes in a job; a slow disk under the "
            "environment can be the reason",
        )
    how = (
        f"{job_id} on {node}: {job.state or 'state unknown'}{reason}, exit code "
        f"{job.fields.get('ExitCode', 'unknown')}, after {job.took:.0f} s"
    )
    return fail(
        "tiny job",
        f"{how}; it said last: {said or 'nothing'}",
        "check `setup` in the profile; it is run before Python starts",
    )


def files(node: str, report: Mapping[str, Any], situation: Situation) -> Finding:
    """How long it takes until one side sees what the other wrote, in both directions."""
    if report["answer"] is None:
        return fail(
            "node files",
            f"{node} did not see a file that was written here in {situation.existing} within a "
            "minute",
            SHARED,
        )
    lag = report["answered_at"] - report["began_at"]
    text = (
        f"{node} sees files written here, and its files are seen here: {lag:.1f} s there and back"
    )
    if lag > MOST_LAG_SECONDS:
        remedy = (
            "ask the administrator for shorter attribute caching (actimeo); until then trials may "
            "be trained twice, and status is late"
        )
        return warn("node files", text, remedy)
    return good("node files", text)


def clock(began_at: float, here: float, answered_at: float) -> Finding:
    """Compare clocks.

    here: this machine's time of something that happened between two times of the node's clock.
    """
    skew = max(began_at - here, here - answered_at, 0.0)
    if skew > MOST_SKEW_SECONDS:
        side = "ahead of" if began_at > here else "behind"
        return warn(
            "node clock",
            f"{skew:.0f} s {side} this machine's",
            "synchronize both with NTP; until then a running trial may look given up",
        )
    return good("node clock", f"within {MOST_SKEW_SECONDS:.0f} s of this machine's")


def requeue(job: TinyJob, problem: str | None) -> Finding:
    """Whether SLURM gives a task another turn. problem: with scontrol on the node."""
    remedy = "give `odesweep run --wait`, which sends again what is left (checkpoints are used)"
    if job.fields.get("Requeue") == "0":
        return warn(
            "node requeue",
            "SLURM made the test job one that is not requeued (Requeue=0): after the time limit, a "
            "preemption or a lost node only the next `odesweep run` goes on",
            f"{remedy}, or ask the administrator why --requeue does not count",
        )
    if problem:
        return warn(
            "node requeue",
            f"{problem} on {job.node}: a task cannot ask SLURM for another turn before its time "
            "limit, only the next `odesweep run` goes on",
            f"{remedy}, or add the folder of SLURM's commands to PATH with `setup` in the profile",
        )
    return good("node requeue", f"scontrol answers on {job.node}; tasks get another turn there")


def python(report: Mapping[str, Any], profile: Profile) -> Finding:
    """Whether a sweep's task could start."""
    there, here = report["python"], platform.python_version()
    where = f" in {profile.container}" if profile.container else ""
    if report["imports"]:
        return fail("node python", f"odesweep does not import{where}: {report['imports']}", INSTALL)
    own = profile.container is None and profile.python is None
    if own and there.rpartition(".")[0] != here.rpartition(".")[0]:
        return fail(
            "node python",
            f"{there}, and {here} here",
            "call odesweep with a Python that compute nodes have at the same place",
        )
    return good("node python", f"{there}{where}, odesweep imports")


def torch(report: Mapping[str, Any]) -> Finding:
    """Whether it can be imported, how long that takes, and from where."""
    seen, (kind, mount) = report["torch"], report["environment"]
    if "error" in seen:
        return fail(
            "node torch",
            f"torch, torchvision and torchdiffeq cannot be imported together: {seen['error']}",
            INSTALL,
        )
    built = f"CUDA {seen['cuda']}" if seen["cuda"] else "no CUDA"
    text = (
        f"{seen['version']}, built for {built}; torchvision and torchdiffeq import with it, in "
        f"{seen['seconds']:.1f} s from {kind} ({mount})"
    )
    if seen["seconds"] > MOST_IMPORT_SECONDS:
        remedy = (
            "put the environment on a faster disk, or into a container, which is one file "
            "(container in the profile); every slot of a task imports torch"
        )
        return warn("node torch", text, remedy)
    return good("node torch", text)


def gpu(report: Mapping[str, Any], profile: Profile) -> Finding:
    """Whether torch sees what the profile asks for: GPUs, or MIG slices."""
    asked, slots = asked_gpus(long_options(profile)), slots_per_task(profile)
    seen, driver, visible = report["torch"], report["driver"], report["visible"]
    found = replace(compare_gpus(driver, seen, visible), name="node gpu")
    devices = len(seen["devices"])
    slices = mig_slices(report["listing"], visible)
    if not asked and devices:
        text = (
            f"the profile asks for none, but torch sees {devices} there: every task would use the "
            "first"
        )
        return replace(
            found,
            level=Level.WARNING,
            text=text,
            remedy="ask for one (gpus or gres in the profile), or for nodes without GPUs",
        )
    if not asked:
        return good("node gpu", "the profile asks for none; trials run on the CPU")
    if found.level is Level.WARNING or not devices:
        text = (
            found.text
            if found.level is Level.WARNING
            else f"the profile asks for {asked}, but neither nvidia-smi nor torch sees one there"
        )
        return replace(found, level=Level.ERROR, text=text, remedy=gpu_remedy(seen["cuda"], driver))
    if found.level is not Level.OK:
        return found
    if slices:
        found = replace(
            found, text=f"{found.text}; MIG slices of a task: {slice_names(slices)}, for its slots"
        )
    if report["mps"]:
        found = replace(found, text=f"{found.text}; MPS: {report['mps']}")
    there = len(slices) or devices
    if there < asked:
        text = f"the profile asks for {asked}, {'SLURM gives' if slices else 'torch sees'} {there}"
        return replace(
            found,
            level=Level.WARNING,
            text=text,
            remedy="ask the administrator what SLURM gives a job",
        )
    if slots < len(slices):
        return replace(
            found,
            level=Level.WARNING,
            text=f"{found.text}; {slots} of {len(slices)} are used, as a process sees one slice",
            remedy=f"give slots = {len(slices)} in the profile, or ask for {slots}",
        )
    return found


def gpu_remedy(cuda: str | None, driver: list[str] | str | None) -> str:
    """What to do if torch does not see a GPU that should be there."""
    if cuda is None:
        return "install a torch that is built for CUDA, in the environment that compute nodes see"
    if isinstance(driver, list) and driver:
        return (
            "install a torch whose CUDA that driver supports, or ask the administrator for a newer "
            "driver"
        )
    return (
        "ask the administrator for the driver of these nodes, or give another partition in the "
        "profile"
    )


def data(missing: list[str] | None, situation: Situation) -> Finding:
    """missing: names in the data folder that the node does not see; None if not even the folder."""
    if missing is None or missing:
        text = (
            f"{missing[0]} in {situation.data_root} is" if missing else f"{situation.data_root} is"
        )
        return fail(
            "node data",
            f"{text} not there",
            "give a folder that compute nodes see with --data-root",
        )
    return good("node data", f"{situation.data_root} is there, with everything that it holds here")
