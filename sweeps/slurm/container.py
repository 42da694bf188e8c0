"""The command that starts Python in a task: directly, or inside an Apptainer container."""

import sys
from collections.abc import Iterable
from pathlib import Path

from sweeps.errors import UserError
from sweeps.profiles import Profile

# Apptainer gives containers names such as docker://ghcr.io/me/image too.
_ELSEWHERE = "://"


def python_command(profile: Profile, folders: Iterable[Path], *, gpus: bool) -> list[str]:
    """The words before Python's own arguments.

    folders: what the task reads and writes, at the same place inside. gpus: whether the task has
    some. Raises UserError for a folder that Apptainer cannot bind.
    """
    if profile.container is None:
        return [profile.python or sys.executable]
    words = ["apptainer", "exec", *(["--nv"] if gpus else [])]
    # Packages in the user's home would come before those of the container.
    words += ["--env", "PYTHONNOUSERSITE=1"]
    for folder in dict.fromkeys(one.absolute() for one in folders):
        if {",", ":"} & set(str(folder)):
            raise UserError(
                f"Apptainer cannot bind {folder}: a path with a comma or a colon; give another "
                "folder, or a profile without container"
            )
        words += ["--bind", str(folder)]
    return [*words, image(profile.container), profile.python or "python3"]


def image(container: str) -> str:
    """The image as Apptainer takes it: an absolute path, or an address."""
    if _ELSEWHERE in container:
        return container
    return str(Path(container).expanduser().absolute())
