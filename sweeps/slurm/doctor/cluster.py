"""What SLURM's configuration means for a sweep: arrays, queue, preemption, accounting."""

import shutil
from collections.abc import Iterator, Mapping, Sequence

from sweeps.doctor.finding import Finding, Level, Situation, fail, good, version, warn
from sweeps.limits import Limits
from sweeps.profiles import Profile
from sweeps.slurm import commands, preemption
from sweeps.slurm.commands import NoAnswer
from sweeps.slurm.doctor import compute_node, partition
from sweeps.slurm.doctor.partition import seconds
from sweeps.slurm.preemption import Partition
from sweeps.slurm.profile import account_and_qos

# From SIGTERM to SIGKILL, for a training step and its checkpoint.
LEAST_GRACE_SECONDS = 10
NO_SLURM = "no SLURM here; executors inline and ray"
ASK = "ask the administrator"


def slurm(situation: Situation) -> Iterator[Finding]:
    """All checks of SLURM; one line where there is none. A tiny job tries a profile for SLURM."""
    wanted = situation.profile is not None and bool(situation.profile.options)
    if not shutil.which("sbatch"):
        if wanted:
            yield fail(
                "slurm",
                "the profile is for SLURM, and there is no sbatch here",
                "run this on a login node of the cluster",
            )
        else:
            yield good("slurm", NO_SLURM)
        return
    if wanted and version("submitit") is None:
        yield fail(
            "slurm",
            "executor slurm needs submitit, which is not installed",
            "pip install 'odesweep[slurm]'",
        )
        return
    try:
        config = commands.config()
        partitions = preemption.partitions()
    except NoAnswer as error:
        level = Level.ERROR if wanted else Level.WARNING
        remedy = (
            "executor slurm needs it: look with sinfo, set SLURM_CONF if the cluster says so, or "
            "ask the administrator"
        )
        yield Finding(level, "slurm", f"does not answer: {error}", remedy)
        return
    profile = situation.profile if situation.profile is not None and wanted else Profile()
    broken = False
    for finding in _configuration(config, partitions, profile, wanted):
        broken = broken or finding.level is Level.ERROR
        yield finding
    if wanted and broken:
        yield warn(
            "tiny job",
            "not submitted, as it would not run",
            "repair the errors above, then run doctor again",
        )
    elif wanted:
        refused = partition.taken(profile)
        yield refused
        if refused.level is Level.OK:
            yield from compute_node.sees(situation, profile)


def _configuration(
    config: Mapping[str, str],
    partitions: Sequence[Partition],
    profile: Profile,
    wanted: bool,
) -> Iterator[Finding]:
    account, qos = account_and_qos(profile)
    more = "" if wanted else "; with --profile also what its tasks get and see"
    yield good(
        "slurm",
        f"{config.get('SLURM_VERSION', 'of unknown version')}, cluster "
        f"{config.get('ClusterName', 'unnamed')}{more}",
    )
    yield arrays(config)
    yield queue_limit(commands.max_submit(account, qos))
    usable = preemption.chosen(profile, partitions)
    preempting = preemption.preempting_qos(config, profile)
    for candidate in usable:
        yield preempted(config, candidate, partitions, preempting)
    yield accounting(config, _problem_of_sacct())
    if wanted:
        yield from partition.fits(profile, usable, partitions, config)
        yield from partition.may_use(account, qos, config)


def arrays(config: Mapping[str, str]) -> Finding:
    """MaxArraySize: the largest index plus one."""
    text = config.get("MaxArraySize", "")
    if not text.isdigit():
        return good(
            "arrays",
            f"MaxArraySize not told; sweeps are split into arrays of {commands.MAX_ARRAY_SIZE} "
            "tasks",
        )
    if int(text) < 2:
        remedy = f"{ASK} for MaxArraySize = 1001; until then each task is a job of its own"
        return warn("arrays", f"MaxArraySize = {text}: there are no arrays", remedy)
    return good("arrays", f"MaxArraySize = {text}: larger sweeps are split into several arrays")


def queue_limit(most: int | None) -> Finding:
    """most: tasks of one's own that may be queued or running at the same time."""
    if most is None:
        return good(
            "queue limit",
            "MaxSubmitJobs is not known; all tasks of a sweep are queued at the same time",
        )
    if most < 1:
        return fail(
            "queue limit",
            "MaxSubmitJobs = 0: SLURM accepts nothing from you",
            f"{ASK}, or give another account or qos in the profile",
        )
    return good(
        "queue limit",
        f"MaxSubmitJobs = {most}: `run` submits no more tasks than that at a time, with longer "
        "shards",
    )


def preempted(
    config: Mapping[str, str],
    candidate: Partition,
    partitions: Sequence[Partition],
    qos: Mapping[str, str],
) -> Finding:
    """What happens to a preempted task.

    qos: PreemptMode and GraceTime, if SLURM preempts by qos.
    """
    by_partition = preemption.by_partition(config)
    modes = preemption.modes(config, candidate, qos)
    where = f"partition {candidate.name}" if by_partition or not qos else f"qos {qos['Name']}"
    if modes <= {"OFF"}:
        return good("preemption", f"{where}: none")
    if by_partition and not any(other.tier > candidate.tier for other in partitions):
        return good("preemption", f"{where}: none, as no partition has a higher PriorityTier")
    if "SUSPEND" in modes:
        stall = Limits.from_environment().stall_seconds
        remedy = (
            "set ODESWEEP_STALL_SECONDS to more than a suspension lasts, or choose a partition or "
            "qos that requeues"
        )
        text = (
            f"{where}: SUSPEND: a task that sleeps for over {stall:.0f} s takes its trial for hung "
            "when it wakes, and keeps the GPU's memory"
        )
        return warn("preemption", text, remedy)
    grace, wait = (
        seconds(candidate.fields.get("GraceTime") if by_partition else qos.get("GraceTime")) or 0,
        seconds(config.get("KillWait")) or 0,
    )
    told = (
        f"{grace + wait:.0f} s from SIGTERM to SIGKILL (GraceTime {grace:.0f} s + KillWait "
        f"{wait:.0f} s)"
    )
    if "CANCEL" in modes:
        remedy = (
            "give `odesweep run --wait`, which sends again what is left (checkpoints are used), or "
            "choose a partition or qos with PreemptMode=REQUEUE"
        )
        return warn(
            "preemption",
            f"{where}: CANCEL: SLURM does not requeue preempted tasks, only the next "
            f"`odesweep run` goes on; {told}",
            remedy,
        )
    if grace + wait < LEAST_GRACE_SECONDS and (by_partition or qos):
        apart = Limits.from_environment().checkpoint_seconds
        remedy = (
            f"{ASK} for a GraceTime of 30 s, or accept that what came after the last checkpoint "
            f"({apart:.0f} s apart) is trained again"
        )
        return warn(
            "preemption",
            f"{where}: requeued, but only {told}; a step and its checkpoint may take longer",
            remedy,
        )
    return good(
        "preemption", f"{where}: preempted tasks save a checkpoint and are requeued; {told}"
    )


def accounting(config: Mapping[str, str], problem: str | None) -> Finding:
    """problem: why sacct does not answer."""
    known = f"{seconds(config.get('MinJobAge')) or 0:.0f} s (MinJobAge)"
    if problem is None:
        return good("accounting", f"sacct answers; squeue shows ended tasks for another {known}")
    remedy = (
        "sweeps run without it; ask the administrator for accounting (slurmdbd) to see later why "
        "tasks were killed"
    )
    why = (
        "this cluster has no accounting"
        if config.get("AccountingStorageType", "").endswith("/none")
        else f"sacct does not answer: {problem}"
    )
    return warn("accounting", f"{why}; how a task ended is known for only {known}", remedy)


def _problem_of_sacct() -> str | None:
    try:
        commands.ask(
            "sacct", "-n", "-X", "-P", "-u", commands.user(), "-S", "now-1hours", "-o", "JobID"
        )
    except NoAnswer as error:
        return str(error)
    return None
