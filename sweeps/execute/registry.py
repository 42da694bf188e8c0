"""The registry of executors. Nothing of an executor is imported before it is used.

A new executor is a subclass of `sweeps.execute.scheduler.Scheduler` and an entry of EXECUTORS.
Another package adds its entry as an entry point of the group "odesweep.executors".
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from sweeps.errors import UserError, did_you_mean

ENTRY_POINTS = "odesweep.executors"


@dataclass(frozen=True)
class Executor:
    """What is known of an executor without importing it; functions and classes as "module:name".

    scheduler: its subclass of Scheduler. words: for the help of `--executor`. options: of
    `odesweep run`, those that not every executor has; "container" stands for the profile's keys
    container and python, "then" for a --then that needs no --wait, "slots there" for jobs that
    measure `slots = "auto"` themselves. An executor with "wait" has a queue: its trials outlive the
    command that sends them. package: the library it needs, installed
    by the extra of the executor's name. submits_with: the program that a machine has from which its
    jobs are submitted.
    profile_check: checks a profile's own keys of the executor (see `sweeps.profiles`).
    profiles: folder of the profiles that odesweep ships. doctor: a check of `odesweep doctor`.
    gpus: kind -> how many GPUs a profile's own keys of the executor ask for; the kind may be empty.
    """

    scheduler: str
    words: str
    options: frozenset[str] = frozenset()
    package: str | None = None
    submits_with: str | None = None
    profile_check: str | None = None
    profiles: str | None = None
    doctor: str | None = None
    gpus: str | None = None

    @property
    def queues(self) -> bool:
        """Whether its scheduler is a `QueueScheduler`."""
        return "wait" in self.options


EXECUTORS = {
    "inline": Executor(
        "sweeps.execute.inline:Inline",
        "one trial at a time here, or --slots",
        options=frozenset({"pdb", "slots"}),
    ),
    "ray": Executor(
        "sweeps.execute.ray_tune:Ray",
        "one trial per CPU, here or on a Ray cluster",
        options=frozenset({"address", "profile", "slots"}),
        package="ray",
    ),
    "slurm": Executor(
        "sweeps.slurm.scheduler:Slurm",
        "job arrays",
        options=frozenset(
            {"container", "profile", "resubmit", "slots", "slots there", "then", "wait"}
        ),
        package="submitit",
        submits_with="sbatch",
        profile_check="sweeps.slurm.profile:check_options",
        profiles="slurm/profiles",
        doctor="sweeps.slurm.doctor.cluster:slurm",
        gpus="sweeps.slurm.gres:asked_kinds",
    ),
}


@cache
def executors() -> dict[str, Executor]:
    """Executor's name -> what is known of it; those of odesweep, then those of other packages."""
    return EXECUTORS | {point.name: point.load() for point in entry_points(group=ENTRY_POINTS)}


def executor(name: str) -> Executor:
    """The executor of that name. Raises UserError if there is none."""
    if name not in executors():
        raise UserError(
            f"unknown executor {name!r}{did_you_mean(name, executors())}; "
            f"choose from {', '.join(executors())}"
        )
    return executors()[name]


def having(option: str) -> str:
    """The executors that have an option of `odesweep run`, for messages and help."""
    names = [name for name, one in executors().items() if option in one.options]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"executor{'s' if len(names) > 1 else ''} {listed}"


def load_object(reference: str) -> Any:
    """What "module:name" refers to."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def require(name: str) -> None:
    """Raise UserError unless the library that an executor needs is installed."""
    package = executor(name).package
    if package and find_spec(package) is None:
        raise UserError(
            f"executor {name} needs {package}, which is not installed: "
            f"pip install 'odesweep[{name}]'"
        )
