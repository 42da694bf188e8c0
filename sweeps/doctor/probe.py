"""A separate program that doctor runs in a new Python, here or on a compute node.

It uses only the standard library, so that it can say what is missing. `probe.py torch` prints what
torch sees. `probe.py FOLDER` exchanges files with doctor through FOLDER: first it writes
`began.json`, then doctor writes `answer.json`, then it writes `report.json`.
"""

import contextlib
import importlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

# A file that another machine sees only after this time counts as never seen.
LAG_SECONDS = 60.0
POLL_SECONDS = 0.1


def publish(folder: Path, name: str, values: dict[str, Any]) -> None:
    """Write values so that the other side sees all of them or nothing."""
    beside = folder / f".{name}.tmp"
    with beside.open("w") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(folder / name)


def published(folder: Path, name: str) -> dict[str, Any] | None:
    """The values that the other side wrote; None until they are seen."""
    # Listed, because a network file system may remember for a while that a name did not exist.
    return json.loads((folder / name).read_text()) if name in listed(folder) else None


def listed(folder: Path) -> set[str]:
    """Names in a folder."""
    return {path.name for path in folder.iterdir()}


def driver_gpus() -> list[str] | str | None:
    """One "name, driver version" for each GPU that nvidia-smi lists.

    If nvidia-smi fails, the result is its error message; without nvidia-smi it is None.
    """
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        done = subprocess.run(
            [command, "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except subprocess.TimeoutExpired:
        return "no answer within 30 s"
    lines = (
        (done.stdout if done.returncode == 0 else done.stdout + done.stderr).strip().splitlines()
    )
    return lines if done.returncode == 0 else (lines or [f"exit code {done.returncode}"])[-1]


def mounted(path: Path, table: Path = Path("/proc/self/mounts")) -> tuple[str, str]:
    """Type and mount point of the file system of `path`.

    table: as in /proc/mounts, where later lines hide earlier ones.
    """
    _, mount, kind = _mount(path, table)
    return kind, mount


def source(path: Path, table: Path = Path("/proc/self/mounts")) -> str:
    """The device or server of the file system of `path`, as the table of mounts names it."""
    return _mount(path, table)[0]


def _mount(path: Path, table: Path) -> tuple[str, str, str]:
    real, best = path.resolve(), ("unknown", "/", "unknown")
    # Without such a table, as on a Mac, nothing is known.
    for line in table.read_text().splitlines() if table.exists() else ():
        device, mount, kind = line.split()[:3]
        # Spaces and similar characters are written as octal escapes.
        mount = re.sub(r"\\([0-7]{3})", lambda escape: chr(int(escape[1], 8)), mount)
        if real.is_relative_to(mount) and len(mount) >= len(best[1]):
            best = (device, mount, kind)
    return best


def trouble_with(command: list[str]) -> str | None:
    """Why a command does not work on this node; None if it does.

    Variables of the environment, such as $HOME, are replaced in its words.
    """
    path = shutil.which(command[0])
    if path is None:
        return f"there is no {command[0]}"
    try:
        done = subprocess.run(
            [path, *map(os.path.expandvars, command[1:])],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} does not answer within 30 s"
    lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
    return None if done.returncode == 0 else f"{command[0]} fails: {lines[-1]}"


def listing() -> str:
    """What `nvidia-smi -L` says; empty if it is missing or fails."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=30)
        return done.stdout if done.returncode == 0 else ""
    return ""


def mps() -> str | None:
    """How processes here share a GPU through NVIDIA's MPS; None if they do not.

    Its control daemon runs, or the job was given a share of it.
    """
    share = os.environ.get("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE")
    if share:
        return f"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE = {share}"
    pipe = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))
    return f"its control daemon is in {pipe}" if (pipe / "control").exists() else None


def torch_report() -> dict[str, Any]:
    """What torch sees, or only `error`.

    Why torch, torchvision and torchdiffeq do not import together.

    version; cuda: the version for which it is built, None for none; devices: names; why: torch's
    own words if it sees none; trouble: why a sum on the first device fails, None if it works;
    seconds: of the import.
    """
    began = time.monotonic()
    try:
        torch = importlib.import_module("torch")
        importlib.import_module("torchvision")
        importlib.import_module("torchdiffeq")
    except Exception as error:  # broken installations can raise anything
        return {"error": said(error)}
    took = time.monotonic() - began
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        devices = (
            [torch.cuda.get_device_name(device) for device in range(torch.cuda.device_count())]
            if torch.cuda.is_available()
            else []
        )
    trouble = None
    if devices:
        try:
            torch.ones(8, device="cuda").sum().item()
        except RuntimeError as error:
            trouble = said(error)
    why = next(
        (
            str(one.message).partition(" (Triggered")[0]
            for one in caught
            if "CUDA" in str(one.message)
        ),
        "",
    )
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "devices": devices,
        "why": why,
        "trouble": trouble,
        "seconds": took,
    }


def said(error: Exception) -> str:
    """Kind and message of an exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def talk(folder: Path) -> None:
    """Say that the job began, wait for the answer, look around, report."""
    began_at = time.time()
    publish(folder, "began.json", {"host": socket.gethostname(), "at": began_at})
    answer = None
    while answer is None and time.time() - began_at < LAG_SECONDS:
        time.sleep(POLL_SECONDS)
        answer = published(folder, "answer.json")
    report = {
        "began_at": began_at,
        "answered_at": time.time(),
        "answer": answer,
        "python": platform.python_version(),
    }
    asked = json.loads((folder / "asked.json").read_text())
    report["imports"] = imports(asked["module"])
    if asked["data"] is not None:
        report["data"] = unseen(Path(asked["data"]["folder"]), asked["data"]["names"])
    report |= {
        "trouble": trouble_with(asked["command"]),
        "environment": mounted(Path(sys.prefix)),
        "driver": driver_gpus(),
        "listing": listing(),
        "mps": mps(),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "torch": torch_report(),
    }
    publish(folder, "report.json", report)


def imports(module: str) -> str | None:
    """The reason why a module cannot be imported; None if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # broken installations can raise anything
        return said(error)
    return None


def unseen(folder: Path, names: list[str]) -> list[str] | None:
    """Which of these names are not in the folder; None if there is no such folder."""
    with contextlib.suppress(OSError):
        return sorted(set(names) - listed(folder))
    return None


if __name__ == "__main__":
    if sys.argv[1] == "torch":
        print(json.dumps(torch_report()))
    else:
        talk(Path(sys.argv[1]))
