"""Whether partition, nodes, account and qos of a profile exist and fit its tasks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.doctor.finding import Finding, Level, fail, good, warn
from sweeps.profiles import Profile
from sweeps.slurm import commands
from sweeps.slurm.commands import NoAnswer
from sweeps.slurm.gres import asked_gres, parse_gres
from sweeps.slurm.preemption import Partition, names
from sweeps.slurm.profile import limit_seconds, long_options, parse_limit, signal_seconds

_UNITS = {"": 1, "sec": 1, "min": 60, "hour": 3600, "day": 86400}
# Words in a node's state with which it starts nothing. A * means that it does not respond.
_AWAY = re.compile(r"down|drain|fail|unk|inval|no_respond|\*")


@dataclass(frozen=True)
class Node:
    """gres: (name, type or "") -> how many."""

    name: str
    state: str
    gres: Mapping[tuple[str, str], int]
    cpus: int

    @property
    def away(self) -> bool:
        """Whether it starts nothing now."""
        return bool(_AWAY.search(self.state.lower()))


def parse_nodes(text: str) -> list[Node]:
    """Lines of "name|state|gres|cpus", a node of several partitions once; others are skipped."""
    rows = [line.strip().split("|") for line in text.splitlines()]
    return [
        *{
            row[0]: Node(row[0], row[1], parse_gres(row[2]), int(row[3]))
            for row in rows
            if len(row) == 4 and row[3].isdigit()
        }.values()
    ]


def seconds(text: str | None) -> float | None:
    """Seconds of "30 sec", "5 min", "10", "00:01:00" or "1-00:00:00"; None for other text."""
    if text and (matched := re.fullmatch(r"(\d+)(?: ?(sec|min|hour|day)s?)?", text)):
        return float(int(matched[1]) * _UNITS[matched[2] or ""])
    try:
        return parse_limit(text or "")
    except ValueError:
        return None


def arguments(given: Mapping[str, Any]) -> list[str]:
    """On a command line."""
    return [f"--{key}" if value is True else f"--{key}={value}" for key, value in given.items()]


def fits(
    profile: Profile,
    usable: Sequence[Partition],
    partitions: Sequence[Partition],
    config: Mapping[str, str],
) -> Iterator[Finding]:
    """Of the partition: that it is there and up, its time limit, and its nodes."""
    yield exists(profile, usable, partitions)
    if usable:
        yield time_limit(profile, usable, config)
        try:
            shown = commands.ask(
                "sinfo",
                "-h",
                "-N",
                "-p",
                ",".join(partition.name for partition in usable),
                "-o",
                "%N|%T|%G|%c",
            )
        except NoAnswer as error:
            yield warn(
                "nodes",
                f"sinfo does not answer: {error}",
                "run doctor again in some minutes",
            )
        else:
            yield enough(long_options(profile), parse_nodes(shown))


def exists(
    profile: Profile, usable: Sequence[Partition], partitions: Sequence[Partition]
) -> Finding:
    """Every partition of the profile exists, and at least one starts tasks."""
    valid = ", ".join(sorted(partition.name for partition in partitions))
    every = f"partition in the profile is one of: {valid}"
    missing = [
        name for name in names(profile) if name not in {partition.name for partition in usable}
    ]
    if missing:
        return fail("partition", f"there is no {' and no '.join(missing)} here", every)
    if not usable:
        return fail(
            "partition",
            "the profile names none, and the cluster has no default",
            every,
        )
    stopped = [partition for partition in usable if partition.state != "UP"]
    text = ", ".join(f"{partition.name} is {partition.state}" for partition in usable)
    if stopped:
        level = Level.ERROR if len(stopped) == len(usable) else Level.WARNING
        what = (
            "starts no tasks"
            if all(partition.state == "DOWN" for partition in stopped)
            else "takes no tasks"
        )
        return Finding(
            level,
            "partition",
            f"{text}: {what}",
            "wait (sinfo shows when it is up), or give another partition in the profile",
        )
    return good("partition", text)


def time_limit(profile: Profile, usable: Sequence[Partition], config: Mapping[str, str]) -> Finding:
    """The profile's time against MaxTime, and what comes at its end."""
    longest = max(
        usable, key=lambda partition: seconds(partition.fields.get("MaxTime")) or float("inf")
    )
    most, limit = longest.fields.get("MaxTime", "UNLIMITED"), limit_seconds(profile)
    if limit is None:
        default = longest.fields.get("DefaultTime", "NONE")
        text = (
            f"none in the profile: tasks get {most if default == 'NONE' else default}, and "
            "odesweep cannot know which trials still fit"
        )
        return warn("time limit", text, f'give time = "…" in the profile, at most {most}')
    given = str(profile.options["time"])
    text = (
        f"{given}{' min' if given.isdigit() else ''}, of at most {most} in partition {longest.name}"
    )
    if limit > (seconds(most) or float("inf")):
        refused = (
            "tasks would wait forever"
            if config.get("EnforcePartLimits", "NO") == "NO"
            else "sbatch refuses"
        )
        return fail(
            "time limit",
            f"{text}: {refused}",
            f"give at most {most} as time in the profile, or another partition",
        )
    over = config.get("OverTimeLimit", "0")
    later = f", OverTimeLimit {over} later" if seconds(over) != 0 else ""
    kill = f"{seconds(config.get('KillWait')) or 0:.0f} s after it SIGKILL (KillWait)"
    return good(
        "time limit",
        f"{text}; tasks are warned {signal_seconds(profile)} s before, SIGTERM at the "
        f"limit{later}, {kill}",
    )


def enough(given: Mapping[str, Any], nodes: Sequence[Node]) -> Finding:
    """Whether some node has the CPUs and gres that a task asks for, and is up.

    given: see `long_options`.
    """
    gres, cpus = asked_gres(given), int(given.get("cpus-per-task", 1))
    asks = " and ".join(
        [
            f"{cpus} CPU{'' if cpus == 1 else 's'}",
            *(f"{n} {':'.join(filter(None, kind))}" for kind, n in gres.items()),
        ]
    )
    fitting = [
        node
        for node in nodes
        if cpus <= node.cpus and all(_has(node, kind, n) for kind, n in gres.items())
    ]
    here = [node for node in fitting if not node.away]
    if not fitting:
        kinds = {
            (
                node.cpus,
                ",".join(f"{':'.join(filter(None, kind))}:{n}" for kind, n in node.gres.items())
                or "no gres",
            )
            for node in nodes
        }
        have = "; ".join(f"{n} CPUs and {what}" for n, what in sorted(kinds)) or "no nodes at all"
        remedy = (
            "ask for less in the profile (cpus x slots, gpus x slots, gres), or give another "
            "partition"
        )
        return fail(
            "nodes",
            f"a task asks for {asks}, but no node of the partition has that; they have {have}",
            remedy,
        )
    if not here:
        states = ", ".join(sorted({node.state for node in fitting}))
        remedy = "wait (sinfo -R says why), or give another partition in the profile"
        return fail("nodes", f"all {len(fitting)} nodes that have {asks} are {states}", remedy)
    return good(
        "nodes",
        f"a task asks for {asks}; {len(fitting)} of {len(nodes)} nodes have that, {len(here)} of "
        "them up",
    )


def _has(node: Node, kind: tuple[str, str], count: int) -> bool:
    return (
        sum(
            n
            for (name, model), n in node.gres.items()
            if name == kind[0] and kind[1] in ("", model)
        )
        >= count
    )


def may_use(account: str | None, qos: str | None, config: Mapping[str, str]) -> Iterator[Finding]:
    """Account and qos of the profile, if accounting knows which ones the user has."""
    try:
        rows = commands.sacctmgr("assoc", f"user={commands.user()}", "Account", "QOS")
    except NoAnswer:
        return
    enforced = config.get("AccountingStorageEnforce", "").lower().split(",")
    mine = [row for row in rows if account in (None, row[0])]
    if account:
        yield allowed("account", account, {row[0] for row in rows}, "associations" in enforced)
    if qos and mine:
        yield allowed(
            "qos", qos, {name for row in mine for name in row[1].split(",")}, "qos" in enforced
        )


def allowed(key: str, asked: str, mine: set[str], enforced: bool) -> Finding:
    """asked: in the profile. mine: what the user has. enforced: whether SLURM refuses others."""
    if asked in mine:
        return good(key, f"{asked} is yours")
    text = (
        f"{asked} is not among "
        f"yours{': SLURM refuses it' if enforced else ', which SLURM here does not mind'}"
    )
    have = (
        f"{key} in the profile is one of: {', '.join(sorted(filter(None, mine)))}"
        if any(mine)
        else f"ask the administrator for one; you have no {key}"
    )
    return Finding(Level.ERROR if enforced else Level.WARNING, key, text, have)


def taken(profile: Profile) -> Finding:
    """The answer of sbatch about one task, without queueing it."""
    try:
        said = commands.would_start(arguments(long_options(profile)))
    except NoAnswer as error:
        remedy = "change the profile's options; `odesweep run --dry-run` shows them all"
        return fail("sbatch", f"sbatch refuses a task of this profile: {error}", remedy)
    matched = re.search(r"to start at (\S+) .*on nodes (\S+)", said)
    when = f"; one sent now would start at {matched[1]} on {matched[2]}" if matched else ""
    return good("sbatch", f"sbatch accepts a task of this profile{when}")
