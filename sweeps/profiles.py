"""Profiles: what one slot of a machine or cluster gets, and under SLURM the options of sbatch, in a TOML file."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from sweeps.errors import UserError

FOLDER = Path("~/.config/odesweep/profiles")
SHIPPED = Path(__file__).parents[1] / "slurm" / "profiles"

# Long options of sbatch, Slurm 22.05 to 24.11. Others are passed on as well, unless they look like one of these, mistyped.
_LONG = (
    "account acctg-freq batch bb bbf begin chdir cluster-constraint clusters constraint container container-id contiguous core-spec "
    "cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency distribution exclude exclusive export export-file "
    "extra extra-node-info get-user-env gid gpu-bind gpu-freq gpus-per-node gpus-per-socket gpus-per-task gres gres-flags hint hold ignore-pbs "
    "kill-on-invalid-dep licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network nice no-kill nodefile "
    "nodelist overcommit oversubscribe partition power prefer priority profile propagate qos quiet reboot reservation resv-ports segment "
    "signal sockets-per-node spread-job stepmgr switches thread-spec threads-per-core time time-min tmp tres-bind tres-per-task uid "
    "use-min-nodes wait-all-nodes wckey"
)
SBATCH = frozenset(_LONG.split())
# What a task needs to be in order to be started, ended and found again as it should; not for a profile to say.
_SET = (
    "array comment error input job-name nodes no-requeue ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket open-mode "
    "output parsable requeue test-only wait wrap"
)
OURS = frozenset(_SET.split())
# Checkpointing takes a step and a disk; SLURM itself is up to a minute late or early (measured: 28 s into a limit of 120 s with @80).
SIGNAL = "USR2@120"

Value = str | int | float | bool


class Profile(BaseModel):
    """One slot: `cpus` (threads of its trials), `gpus` (may be a fraction). slots: how many at once; null for as many as fit.

    trials_per_shard: fixed length of shards; null balances them by predicted time. Under SLURM `slots` is how many trials a task runs side
    by side (on its GPU, or divided among its GPUs), throttle how many tasks run at once (the array's %N), setup the lines of shell before
    Python starts, and sbatch every other key of the file: sbatch's own options.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    cpus: PositiveInt = 1
    gpus: float = Field(default=0.0, ge=0)
    slots: PositiveInt | None = None
    trials_per_shard: PositiveInt | None = None
    throttle: PositiveInt | None = None
    setup: tuple[str, ...] = ()
    sbatch: dict[str, Value] = Field(default_factory=dict)

    @property
    def slots_per_task(self) -> int:
        """Trials side by side in one task of SLURM."""
        return self.slots or 1

    @property
    def limit_seconds(self) -> float | None:
        """The time limit of a task, if the profile has one."""
        return limit_seconds(self.sbatch["time"]) if "time" in self.sbatch else None

    @property
    def signal_seconds(self) -> int:
        """How long before the limit a task is told."""
        return int(str(self.sbatch.get("signal", SIGNAL)).partition("@")[2])


OWN = tuple(name for name in Profile.model_fields if name != "sbatch")


def load(name: str | None) -> Profile:
    """The profile in the file `name`, or NAME.toml of one's own or of those shipped; without a name one CPU a slot. Raises UserError."""
    if name is None:
        return Profile()
    path = _find(name)
    try:
        return parse(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise UserError(
            f"no profile {path}; there are: {', '.join(names()) or 'none'} (in {FOLDER}); or give the path of a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"profile {path} is not TOML: {error}") from None
    except OSError as error:
        raise UserError(f"profile {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"profile {path}: {key}: {first['msg'].lower()}; {_KEYS}") from None
    except ValueError as error:
        raise UserError(f"profile {path}: {error}") from None


def names() -> list[str]:
    """Profiles that can be named without a path."""
    return sorted(
        {path.stem for folder in (FOLDER.expanduser(), SHIPPED) for path in folder.glob("*.toml")}
    )


def _find(name: str) -> Path:
    if name.endswith(".toml") or os.sep in name:
        return Path(name)
    mine, shipped = FOLDER.expanduser() / f"{name}.toml", SHIPPED / f"{name}.toml"
    return shipped if shipped.is_file() and not mine.exists() else mine


_KEYS = f"keys are {', '.join(OWN)} and the options of sbatch by their long names"


def parse(values: Mapping[str, Any]) -> Profile:
    """A profile from a TOML file's values. Raises ValueError, one line, for a key or value that cannot be meant."""
    own = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
        if key in OWN
    }
    sbatch: dict[str, Value] = {}
    for key, value in values.items():
        if key not in OWN:
            _check_key(key)
            if value is not False:
                sbatch[key] = _check_value(key, value)
    profile = Profile.model_validate(own | {"sbatch": sbatch})
    if not re.fullmatch(r"USR2@\d+", str(sbatch.get("signal", SIGNAL))):
        raise ValueError(
            f"signal = {sbatch['signal']!r}; tasks listen for USR2: signal = {SIGNAL!r} or with another number of seconds"
        )
    if profile.limit_seconds is not None and profile.limit_seconds <= profile.signal_seconds:
        raise ValueError(
            f"time = {sbatch['time']!r} is over before its warning, {profile.signal_seconds} s ahead of the end: give more time, or a later "
            'signal such as signal = "USR2@60"'
        )
    return profile


def _check_key(key: str) -> None:
    if key in OURS:
        raise ValueError(f"{key} is set by odesweep itself; leave it out")
    if key not in SBATCH and (
        near := difflib.get_close_matches(key, [*OWN, *sorted(SBATCH | OURS)], n=1, cutoff=0.8)
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
        limit_seconds(value)
    return value


def limit_seconds(text: Value) -> float:
    """A time limit as sbatch reads it: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]. Raises ValueError."""
    matched = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", str(text))
    if isinstance(text, bool) or matched is None:
        raise ValueError(
            f"time = {text!r} is no time limit; give minutes, hours:minutes:seconds or days-hours:minutes:seconds"
        )
    days, *rest = matched.groups()
    numbers = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return 86400 * int(days) + 3600 * hours + 60 * minutes + seconds
    hours, minutes, seconds = {1: [0, *numbers, 0], 2: [0, *numbers], 3: numbers}[len(numbers)]
    return 3600 * hours + 60 * minutes + seconds
