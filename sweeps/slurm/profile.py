"""The keys of a profile that are options of sbatch, and what they mean for a task."""

import difflib
import math
import re
from collections.abc import Mapping
from datetime import time
from typing import Any

from sweeps.profiles import OWN_KEYS, Profile, Value
from sweeps.slurm.gres import asked_gpus

# Long options of sbatch, SLURM 22.05 to 24.11. Others are also passed on, unless they look like a
# mistyped one of these.
_LONG = (
    "account acctg-freq batch bb bbf begin chdir cluster-constraint clusters constraint "
    "container-id contiguous core-spec "
    "cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency "
    "distribution exclude exclusive export export-file "
    "extra extra-node-info get-user-env gid gpu-bind gpu-freq gpus-per-node gpus-per-socket "
    "gpus-per-task gres gres-flags hint hold ignore-pbs "
    "kill-on-invalid-dep licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu "
    "mem-per-gpu mincpus network nice no-kill nodefile "
    "nodelist overcommit oversubscribe partition power prefer priority profile propagate qos quiet "
    "reboot reservation resv-ports segment "
    "signal sockets-per-node spread-job stepmgr switches thread-spec threads-per-core time "
    "time-min tmp tres-bind tres-per-task uid "
    "use-min-nodes wait-all-nodes wckey"
)
SBATCH = frozenset(_LONG.split())
# Options that odesweep sets so that it can start, end and find a task; a profile may not.
_SET = (
    "array comment error input job-name nodes no-requeue ntasks ntasks-per-core ntasks-per-gpu "
    "ntasks-per-node ntasks-per-socket open-mode "
    "output parsable requeue test-only wait wrap"
)
OURS = frozenset(_SET.split())
# A checkpoint takes a step and a disk. SLURM itself is up to a minute late or early (measured: 28 s
# into a limit of 120 s with @80).
SIGNAL = "USR2@120"
_KEYS = f"keys are {', '.join(OWN_KEYS)} and the options of sbatch by their long names"


def check_options(options: Mapping[str, Any]) -> dict[str, Value]:
    """A profile's options of sbatch. Raises ValueError, one line, for a wrong one."""
    checked: dict[str, Value] = {}
    for key, value in options.items():
        _check_key(key)
        if value is not False:
            checked[key] = _check_value(key, value)
    if not re.fullmatch(r"USR2@\d+", str(checked.get("signal", SIGNAL))):
        raise ValueError(
            f"signal = {checked['signal']!r}; tasks listen for USR2: "
            f"give signal = {SIGNAL!r} or another number of seconds"
        )
    if "time" in checked and parse_limit(checked["time"]) <= _signal_seconds(checked):
        raise ValueError(
            f"time = {checked['time']!r} is over before its warning, {_signal_seconds(checked)} s "
            'ahead of the end: give more time, or a later signal such as signal = "USR2@60"'
        )
    return checked


def limit_seconds(profile: Profile) -> float | None:
    """The time limit of a task, if the profile has one."""
    return parse_limit(profile.options["time"]) if "time" in profile.options else None


def signal_seconds(profile: Profile) -> int:
    """How long before the time limit a task is warned."""
    return _signal_seconds(profile.options)


def slots_per_task(profile: Profile) -> int:
    """How many trials a task runs at the same time; 1 for auto, whose tasks divide their shard."""
    return profile.slot_count or 1


def task_cpus(profile: Profile) -> int:
    """The CPUs of a task."""
    options = sbatch_options(profile)
    if "cpus_per_task" in options:
        return int(options["cpus_per_task"])
    return int(options["cpus_per_gpu"]) * max(1, asked_gpus(long_options(profile)))


def gpus_per_slot(profile: Profile) -> float:
    """GPUs, or MIG slices, of one trial; of one that several trials share, its part."""
    return asked_gpus(long_options(profile)) / slots_per_task(profile)


def account_and_qos(profile: Profile) -> tuple[str | None, str | None]:
    """The account and the qos that the profile names, if any."""
    account, qos = (profile.options.get(key) for key in ("account", "qos"))
    return None if account is None else str(account), None if qos is None else str(qos)


def sbatch_options(profile: Profile) -> dict[str, Any]:
    """The profile's options of sbatch, and CPUs and GPUs for all slots; names with underscores."""
    options = {
        key.replace("-", "_"): value for key, value in profile.options.items() if key != "signal"
    }
    if "cpus_per_gpu" not in options:
        options.setdefault("cpus_per_task", profile.cpus * slots_per_task(profile))
    if (
        profile.gpus
        and not {"gres", "gpus_per_node", "gpus_per_task", "gpus_per_socket"} & options.keys()
    ):
        options["gpus_per_node"] = math.ceil(profile.gpus * slots_per_task(profile))
    return options


def long_options(profile: Profile) -> dict[str, Any]:
    """The options of sbatch for a task, by their long names."""
    return {key.replace("_", "-"): value for key, value in sbatch_options(profile).items()} | {
        "ntasks": 1
    }


def _signal_seconds(options: Mapping[str, Value]) -> int:
    return int(str(options.get("signal", SIGNAL)).partition("@")[2])


def _check_key(key: str) -> None:
    if key in OURS:
        raise ValueError(f"{key} is set by odesweep itself; leave it out")
    if key not in SBATCH and (
        near := difflib.get_close_matches(key, [*OWN_KEYS, *sorted(SBATCH | OURS)], 1, cutoff=0.8)
    ):
        raise ValueError(f"unknown key {key}, did you mean {near[0]}? {_KEYS}")
    if not re.fullmatch(r"[a-z][a-z0-9-]+", key):
        raise ValueError(f"{key!r} is no long option of sbatch; {_KEYS}")


def _check_value(key: str, value: Any) -> Value:
    if isinstance(value, time):
        return value.isoformat()  # 08:00:00 without quotes is a time of day to TOML
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if not isinstance(value, (str, int, float)) or "\n" in str(value):
        raise ValueError(f"{key} = {value!r}: give text, a number, true or a list")
    if key == "time":
        parse_limit(value)
    return value


def parse_limit(text: Value) -> float:
    """Seconds of a time limit as sbatch reads it.

    minutes, minutes:seconds, hours:minutes:seconds, or days-hours[:minutes[:seconds]].
    Raises ValueError for other text.
    """
    matched = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", str(text))
    if isinstance(text, bool) or matched is None:
        raise ValueError(
            f"time = {text!r} is no time limit; "
            "give minutes, hours:minutes:seconds or days-hours:minutes:seconds"
        )
    days, *rest = matched.groups()
    numbers = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return 86400 * int(days) + 3600 * hours + 60 * minutes + seconds
    hours, minutes, seconds = {1: [0, *numbers, 0], 2: [0, *numbers], 3: numbers}[len(numbers)]
    return 3600 * hours + 60 * minutes + seconds
