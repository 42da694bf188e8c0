"""The caller's environment while a job is sent: nothing of it may change what the profile says.

sbatch takes options from variables such as SBATCH_PARTITION, and they win over the lines of its
script. Variables of a job that the caller sits in, such as SLURM_CPU_BIND, change what srun does in
the new job, because sbatch passes the environment on.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_TIME_FORMAT")
_OF_A_JOB = ("SLURM_", "PMIX_", "PMI_", "OMPI_")
_INPUT = "SBATCH_"
# Where the variable is not called like its option.
_OPTIONS = {
    "timelimit": "time",
    "mem_per_node": "mem",
    "array_inx": "array",
    "no_requeue": "requeue",
}


@dataclass(frozen=True)
class Environment:
    """What becomes of the caller's variables.

    used: those of sbatch for options that the profile leaves open. overruled: those for options
    that it sets. dropped: those of a job.
    """

    used: tuple[str, ...]
    overruled: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def unwanted(self) -> tuple[str, ...]:
        """Those that must not be set while sbatch runs."""
        return (*self.overruled, *self.dropped)

    @property
    def note(self) -> str:
        """What matters to the user, in one line; empty if nothing does."""
        parts = [
            f"{name}={os.environ[name]} of your environment is used, the profile leaves it open"
            for name in self.used
        ]
        parts += [
            f"{name}={os.environ[name]} of your environment is not used, the profile decides"
            for name in self.overruled
        ]
        return "; ".join(parts)


def look(options: Collection[str], environment: Mapping[str, str] = os.environ) -> Environment:
    """Sort the variables. options: those that the batch script sets, with dashes or underscores."""
    script = {option.replace("-", "_") for option in options}
    used: list[str] = []
    overruled: list[str] = []
    for name in sorted(name for name in environment if name.startswith(_INPUT)):
        word = name.removeprefix(_INPUT).lower()
        (overruled if _OPTIONS.get(word, word) in script else used).append(name)
    dropped = [
        name for name in sorted(environment) if name.startswith(_OF_A_JOB) and name not in _KEPT
    ]
    return Environment(tuple(used), tuple(overruled), tuple(dropped))


def options_of(script: str) -> set[str]:
    """Names of the options in a batch script's #SBATCH lines."""
    return set(re.findall(r"^#SBATCH --([a-z-]+)", script, re.MULTILINE))


@contextmanager
def without(names: Collection[str]) -> Iterator[None]:
    """Inside, these variables are not set."""
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


@contextmanager
def set_to(name: str, value: str) -> Iterator[None]:
    """Inside, a variable has this value."""
    with without([name]):
        os.environ[name] = value
        try:
            yield
        finally:
            del os.environ[name]
