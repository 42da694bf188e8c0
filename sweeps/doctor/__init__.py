"""`odesweep doctor`: checks that the machine, the results folder and the cluster can run a sweep.

A check is a function of the `Situation` that yields findings. A new check is a function and its
place in CHECKS.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from sweeps.doctor import folder, machine, quota, software, studies, writing
from sweeps.doctor.finding import Finding, Level, Needed, Situation
from sweeps.execute.registry import executors, load_object
from sweeps.profiles import Profile

__all__ = ["CHECKS", "Finding", "Level", "Needed", "Situation", "examine"]

CHECKS: tuple[Callable[[Situation], Iterable[Finding]], ...] = (
    software.versions,
    machine.threads,
    machine.open_files,
    machine.shared_memory,
    folder.file_system,
    folder.space,
    quota.quota,
    quota.purged,
    folder.same_file_system,
    writing.works,
    folder.leftovers,
    studies.data_sets,
    # Late: these wait for torch, which is imported while the others run.
    software.torch_imports,
    machine.gpu,
    # Late: a compute node may not be free for minutes.
    *(load_object(one.doctor) for one in executors().values() if one.doctor),
)


def examine(
    results: Path,
    data_root: Path | None,
    profile: Profile | None = None,
    needed: Needed | None = None,
) -> Iterator[Finding]:
    """Every finding as soon as it is known, in the order of CHECKS.

    A check that fails to look is a finding too.
    """
    situation = Situation(results, data_root, profile, needed)
    with closing(situation.torch) as torch:
        if not situation.login_node:
            torch.start()
        for check in CHECKS:
            try:
                yield from check(situation)
            except OSError as error:
                yield Finding(
                    Level.ERROR,
                    check.__name__.replace("_", " "),
                    f"cannot look: {error}",
                    "make it readable, or give another folder",
                )
