"""Where a row comes from: code, versions, machine. Identities do not depend on it."""

import hashlib
import importlib.metadata
import platform
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

PACKAGES = ("odecore", "sweeps")


@cache
def code_hash() -> str:
    """Hash of all source code that affects rows (odecore, sweeps), 16 hex digits."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", "-C", str(Path(__file__).parent), *arguments),
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return (
            None  # installed from a wheel, or no git here; the code hash still identifies the code
        )
    return done.stdout.strip()


@cache
def collect() -> dict[str, Any]:
    """The provenance columns, which are the same for all rows of this process.

    It does not import torch: the version comes from the package's metadata.
    """
    dirty = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "code_commit": _git("rev-parse", "HEAD"),
        "code_dirty": None if dirty is None else bool(dirty),
        "code_hash": code_hash(),
        "odesweep_version": importlib.metadata.version("odesweep"),
        "python_version": platform.python_version(),
        "torch_version": importlib.metadata.version("torch"),
        "host": socket.gethostname(),
    }
