"""Partitions, and whether SLURM starts a preempted task of theirs anew."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sweeps.profiles import Profile
from sweeps.slurm import commands
from sweeps.slurm.commands import NoAnswer
from sweeps.slurm.profile import account_and_qos


@dataclass(frozen=True)
class Partition:
    """fields: as scontrol shows them."""

    name: str
    fields: Mapping[str, str]

    @property
    def tier(self) -> int:
        """PriorityTier: a higher one preempts a lower one."""
        return int(self.fields.get("PriorityTier", "1"))

    @property
    def state(self) -> str:
        """UP, DOWN (tasks wait), DRAIN or INACTIVE (none are taken)."""
        return self.fields.get("State", "UP")


def parse(text: str) -> list[Partition]:
    """Lines of `scontrol -o show partition`."""
    found = [commands.parse_fields(line) for line in text.splitlines()]
    return [
        Partition(fields["PartitionName"], fields) for fields in found if "PartitionName" in fields
    ]


def partitions() -> list[Partition]:
    """All partitions. Raises NoAnswer."""
    return parse(commands.ask("scontrol", "-a", "-o", "show", "partition"))


def names(profile: Profile) -> list[str]:
    """The partitions that the profile names; none for the cluster's default."""
    return [
        name.strip()
        for name in str(profile.options.get("partition", "")).split(",")
        if name.strip()
    ]


def chosen(profile: Profile, every: Iterable[Partition]) -> list[Partition]:
    """The existing partitions in which the profile's tasks may start."""
    wanted = names(profile)
    return [
        partition
        for partition in every
        if (partition.name in wanted if wanted else partition.fields.get("Default") == "YES")
    ]


def by_partition(config: Mapping[str, str]) -> bool:
    """Whether the partitions decide who preempts whom."""
    return config.get("PreemptType") == "preempt/partition_prio"


def modes(config: Mapping[str, str], candidate: Partition, qos: Mapping[str, str]) -> set[str]:
    """What SLURM may do with a preempted task: OFF, REQUEUE, CANCEL or SUSPEND.

    qos: see `preempting_qos`.
    """
    if config.get("PreemptType", "preempt/none") == "preempt/none":
        return {"OFF"}
    mode = (
        candidate.fields.get("PreemptMode", "")
        if by_partition(config)
        else qos.get("PreemptMode", "").replace("cluster", "")
    ) or config.get("PreemptMode", "OFF")
    return set(mode.upper().split(",")) - {"GANG", "WITHIN", "PRIORITY"}


def preempting_qos(config: Mapping[str, str], profile: Profile) -> dict[str, str]:
    """Name, PreemptMode and GraceTime of the profile's qos, if SLURM preempts by qos."""
    if config.get("PreemptType") != "preempt/qos":
        return {}
    name = account_and_qos(profile)[1] or "normal"
    try:
        rows = commands.sacctmgr("qos", f"name={name}", "PreemptMode", "GraceTime")
    except NoAnswer:
        return {}
    return next(
        ({"Name": name, "PreemptMode": mode, "GraceTime": s} for mode, s in rows if mode), {}
    )


def cancelling(config: Mapping[str, str], profile: Profile) -> list[str]:
    """The profile's partitions that cancel a preempted task; none where SLURM does not say."""
    try:
        usable = chosen(profile, partitions())
    except NoAnswer:
        return []
    qos = preempting_qos(config, profile)
    return [one.name for one in usable if "CANCEL" in modes(config, one, qos)]
