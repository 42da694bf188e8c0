"""What doctor concludes from a cluster's configuration, from recorded and odd outputs of SLURM.

No SLURM is asked.
"""

from pathlib import Path
from typing import Any

import pytest

from sweeps import profiles
from sweeps.doctor import Finding, Level, Situation
from sweeps.slurm import commands, preemption
from sweeps.slurm.doctor import cluster, partition
from sweeps.slurm.doctor.partition import Node, parse_gres, parse_nodes

CONFIG = commands.parse_config(
    (Path(__file__).with_name("recorded") / "scontrol-config.txt").read_text()
)
PARTITIONS = """\
PartitionName=low AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=YES \
QoS=N/A DefaultTime=01:00:00 GraceTime=10 Hidden=NO MaxNodes=UNLIMITED MaxTime=1-00:00:00 \
Nodes=n[1-4] PriorityJobFactor=1 PriorityTier=1 OverTimeLimit=NONE PreemptMode=REQUEUE State=UP \
TotalCPUs=16 TotalNodes=4 SelectTypeParameters=NONE JobDefaults=(null) \
TRES=cpu=16,mem=96420M,node=4,billing=16,gres/gpu=8
PartitionName=high AllowGroups=ALL Default=NO DefaultTime=NONE GraceTime=0 MaxTime=UNLIMITED \
PriorityTier=100 PreemptMode=OFF State=UP
"""
LOW, HIGH = preemption.parse(PARTITIONS)
NODES = """\
n1|idle|gpu:a100:4(S:0-1)|64
n2|mixed-|gpu:a100:4(S:0,1),gpu:v100:2(S:0)|64
n2|mixed-|gpu:a100:4(S:0,1),gpu:v100:2(S:0)|64
n3|down*|gpu:a100:8|128
n4|drained|(null)|32
"""


def low(**fields: str) -> preemption.Partition:
    return preemption.Partition("low", {**LOW.fields, **fields})


def profile(**values: Any) -> profiles.Profile:
    return profiles.parse({key.replace("_", "-"): value for key, value in values.items()})


def test_recorded_texts_are_read() -> None:
    assert {
        key: CONFIG[key]
        for key in (
            "MaxArraySize",
            "PreemptMode",
            "KillWait",
            "OverTimeLimit",
            "SlurmctldHost",
            "PowerPlugin",
        )
    } == {
        "MaxArraySize": "101",
        "PreemptMode": "REQUEUE",
        "KillWait": "6 sec",
        "OverTimeLimit": "0 min",
        "SlurmctldHost": "ctl(10.213.0.2)",
        "PowerPlugin": "",
    }
    assert (LOW.name, LOW.tier, LOW.state, LOW.fields["TRES"]) == (
        "low",
        1,
        "UP",
        "cpu=16,mem=96420M,node=4,billing=16,gres/gpu=8",
    )
    assert (
        commands.parse_config("slurm_load_ctl_conf error: Unable to contact slurm controller\n")
        == {}
    )
    assert preemption.parse("No partitions in the system\n\n") == []
    assert parse_nodes("sinfo: error\n\nn1|idle|gpu:2\n") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 sec", 30),
        ("5 min", 300),
        ("10", 10),
        ("00:00:30", 30),
        ("2-12:00:00", 216000),
        ("UNLIMITED", None),
        ("INFINITE", None),
        ("NONE", None),
        ("", None),
        (None, None),
    ],
)
def test_durations(text: str | None, expected: float | None) -> None:
    assert partition.seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(null)", {}),
        ("none", {}),
        ("gpu", {("gpu", ""): 1}),
        ("gpu:2", {("gpu", ""): 2}),
        ("gpu:a100", {("gpu", "a100"): 1}),
        ("gpu:A100:4(S:0-1),gpu:v100:2(S:0,3)", {("gpu", "a100"): 4, ("gpu", "v100"): 2}),
        (
            "gres/gpu:h200:1,gres:shard:3,nvme=2",
            {("gpu", "h200"): 1, ("shard", ""): 3, ("nvme", ""): 2},
        ),
        ("tmp:10G", {("tmp", ""): 10 * 2**30}),
    ],
)
def test_gres(text: str, expected: dict[tuple[str, str], int]) -> None:
    assert parse_gres(text) == expected


@pytest.mark.parametrize(
    ("config", "qos", "fields", "level", "words"),
    [
        (
            {},
            {},
            {},
            "ok",
            "are requeued; 16 s from SIGTERM to SIGKILL (GraceTime 10 s + KillWait 6 s)",
        ),
        ({"KillWait": "30 sec"}, {}, {"GraceTime": "0"}, "ok", "30 s from SIGTERM"),
        ({}, {}, {"GraceTime": "0"}, "warning", "only 6 s from SIGTERM"),
        (
            {},
            {},
            {"PreemptMode": "CANCEL"},
            "warning",
            "SLURM does not requeue preempted tasks, only the next `odesweep run` goes on",
        ),
        (
            {},
            {},
            {"PreemptMode": "GANG,SUSPEND"},
            "warning",
            "SUSPEND: a task that sleeps for over 600 s takes its trial for hung",
        ),
        ({}, {}, {"PreemptMode": "OFF"}, "ok", "partition low: none"),
        ({}, {}, {"PriorityTier": "100"}, "ok", "none, as no partition has a higher PriorityTier"),
        ({"PreemptType": "preempt/none", "PreemptMode": "OFF"}, {}, {}, "ok", "none"),
        (
            {"PreemptType": "preempt/qos", "PreemptMode": "CANCEL"},
            {},
            {"PreemptMode": "OFF"},
            "warning",
            "partition low: CANCEL",
        ),
        (
            {"PreemptType": "preempt/qos"},
            {"Name": "scavenge", "PreemptMode": "cluster", "GraceTime": "00:02:00"},
            {},
            "ok",
            "qos scavenge: preempted tasks save a checkpoint and are requeued; 126 s",
        ),
        (
            {"PreemptType": "preempt/qos"},
            {"Name": "scavenge", "PreemptMode": "cancel", "GraceTime": ""},
            {},
            "warning",
            "qos scavenge: CANCEL",
        ),
    ],
)
def test_preemption(
    config: dict[str, str], qos: dict[str, str], fields: dict[str, str], level: str, words: str
) -> None:
    found = cluster.preempted(CONFIG | config, low(**fields), [LOW, HIGH], qos)
    assert found.level == level
    assert words in found.text


def test_a_sweep_knows_which_of_its_partitions_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = PARTITIONS.replace("PreemptMode=REQUEUE", "PreemptMode=CANCEL")
    answers = {"scontrol": shown, "sacctmgr": "cancel|00:01:00\n"}
    monkeypatch.setattr(commands, "ask", lambda name, *_, **__: answers[name])
    for of, cancelling in (
        (CONFIG, ["low"]),
        (CONFIG | {"PreemptType": "preempt/none"}, []),
        (CONFIG | {"PreemptType": "preempt/qos"}, ["low"]),
    ):
        assert preemption.cancelling(of, profile()) == cancelling
    assert preemption.cancelling(CONFIG, profile(partition="high")) == []
    answers.clear()
    monkeypatch.setattr(commands, "ask", no_answer)
    assert preemption.cancelling(CONFIG, profile()) == []


def no_answer(*_: str) -> str:
    raise commands.NoAnswer("scontrol is not on this machine")


def test_arrays_queue_and_accounting() -> None:
    assert "MaxArraySize = 101" in cluster.arrays(CONFIG).text
    assert "arrays of 1001 tasks" in cluster.arrays({}).text
    assert cluster.arrays({"MaxArraySize": "0"}).level is Level.WARNING
    assert [cluster.queue_limit(most).level for most in (None, 50, 0)] == ["ok", "ok", "error"]
    assert "600 s (MinJobAge)" in cluster.accounting(CONFIG, None).text
    broken = cluster.accounting(CONFIG, "sacct: error: Problem talking to the database")
    assert broken.level is Level.WARNING
    assert "Problem talking to the database" in broken.text
    assert (
        "has no accounting"
        in cluster.accounting(
            CONFIG | {"AccountingStorageType": "accounting_storage/none"},
            "Slurm accounting storage",
        ).text
    )


@pytest.mark.parametrize(
    ("wanted", "states", "level", "words"),
    [
        ({}, {}, "ok", "low is UP"),
        ({"partition": "high"}, {}, "ok", "high is UP"),
        (
            {"partition": "high,low"},
            {"low": "DRAIN"},
            "warning",
            "low is DRAIN, high is UP: takes no tasks",
        ),
        ({"partition": "low"}, {"low": "DOWN"}, "error", "low is DOWN: starts no tasks"),
        ({"partition": "low"}, {"low": "INACTIVE"}, "error", "low is INACTIVE: takes no tasks"),
        ({"partition": "low,gpu"}, {}, "error", "there is no gpu here"),
    ],
)
def test_the_partition_is_there(
    wanted: dict[str, str], states: dict[str, str], level: str, words: str
) -> None:
    every = [
        preemption.Partition(one.name, {**one.fields, "State": states.get(one.name, "UP")})
        for one in (LOW, HIGH)
    ]
    found = partition.exists(profile(**wanted), preemption.chosen(profile(**wanted), every), every)
    assert found.level == level
    assert words in found.text
    assert partition.exists(profile(), [], [HIGH]).level is Level.ERROR


def test_the_time_limit() -> None:
    fits = partition.time_limit(profile(time="08:00:00"), [LOW], CONFIG)
    assert fits.level is Level.OK
    assert (
        "08:00:00, of at most 1-00:00:00 in partition low; tasks are warned 120 s before"
        in fits.text
    )
    assert (
        "OverTimeLimit 5 min later"
        in partition.time_limit(profile(time=30), [LOW], CONFIG | {"OverTimeLimit": "5 min"}).text
    )
    too_long = profile(time="2-00:00:00")
    waits = partition.time_limit(too_long, [LOW], CONFIG)
    assert (waits.level, waits.text.partition(": ")[2]) == (Level.ERROR, "tasks would wait forever")
    assert (
        "sbatch refuses"
        in partition.time_limit(too_long, [LOW], CONFIG | {"EnforcePartLimits": "ALL"}).text
    )
    assert partition.time_limit(too_long, [LOW, HIGH], CONFIG).level is Level.OK
    without = partition.time_limit(profile(partition="low"), [LOW], CONFIG)
    assert without.level is Level.WARNING
    assert "tasks get 01:00:00" in without.text
    assert (
        "tasks get UNLIMITED"
        in partition.time_limit(profile(partition="high"), [HIGH], CONFIG).text
    )


@pytest.mark.parametrize(
    ("asked", "level", "words"),
    [
        ({}, "ok", "a task asks for 1 CPU; 4 of 4 nodes have that, 2 of them up"),
        (
            {"gres": "gpu:1", "cpus-per-task": 64},
            "ok",
            "64 CPUs and 1 gpu; 3 of 4 nodes have that, 2 of them up",
        ),
        ({"gres": "gpu:a100:4"}, "ok", "4 gpu:a100; 3 of 4"),
        ({"gpus-per-node": "v100:2"}, "ok", "2 gpu:v100; 1 of 4 nodes have that, 1 of them up"),
        ({"gpus-per-node": 6}, "ok", "6 gpu; 2 of 4"),
        (
            {"gres": "gpu:h200:1"},
            "error",
            (
                "no node of the partition has that; they have 32 CPUs and no gres; 64 CPUs and "
                "gpu:a100:4"
            ),
        ),
        ({"gres": "gpu:a100:8"}, "error", "all 1 nodes that have 1 CPU and 8 gpu:a100 are down*"),
        ({"cpus-per-task": 256}, "error", "asks for 256 CPUs, but no node"),
    ],
)
def test_nodes(asked: dict[str, Any], level: str, words: str) -> None:
    found = partition.enough(asked, parse_nodes(NODES))
    assert found.level == level
    assert words in found.text
    assert partition.enough({}, []).level is Level.ERROR


@pytest.mark.parametrize(
    ("state", "away"),
    [
        ("idle", False),
        ("idle~", False),
        ("mixed#", False),
        ("idle*", True),
        ("draining", True),
        ("DOWN", True),
    ],
)
def test_nodes_that_start_nothing(state: str, away: bool) -> None:
    assert Node("n1", state, {}, 1).away is away


def test_accounts_of_others() -> None:
    assert partition.allowed("account", "mine", {"mine", ""}, True).level is Level.OK
    refused, minded = (
        partition.allowed("account", "theirs", {"mine"}, enforced) for enforced in (True, False)
    )
    assert (refused.level, minded.level) == (Level.ERROR, Level.WARNING)
    assert refused.remedy == "account in the profile is one of: mine"
    assert "you have no account" in partition.allowed("account", "x", set(), True).remedy


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def look(given: profiles.Profile | None = None) -> list[Finding]:
    return list(cluster.slurm(Situation(Path("results"), None, given)))


def test_a_machine_without_slurm_says_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path, monkeypatch)
    for laptop in (None, profile(), profile(cpus=2)):
        assert look(laptop) == [
            Finding(Level.OK, "slurm", "no SLURM here; executors inline and ray")
        ]
    [found] = look(profile(partition="gpu"))
    assert (found.level, found.remedy) == (Level.ERROR, "run this on a login node of the cluster")


def test_a_slurm_that_does_not_answer_says_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    complaint = "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)"
    on_path(tmp_path, monkeypatch, sbatch="exit 1", scontrol=f"echo '{complaint}' >&2; exit 1")
    for given, level in ((None, Level.WARNING), (profile(partition="gpu"), Level.ERROR)):
        [found] = look(given)
        assert (found.level, found.text) == (level, f"does not answer: {complaint}")
