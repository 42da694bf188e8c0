"""Which GPU, or which MIG slice of one, each slot of a task gets.

A CUDA process sees at most one MIG slice, the first. So each slot's process is told its own by
CUDA_VISIBLE_DEVICES. Source: NVIDIA Multi-Instance GPU User Guide, "Device Enumeration",
https://docs.nvidia.com/datacenter/tesla/mig-user-guide/mig-device-names.html
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Slice:
    """A MIG slice. profile: such as 1g.10gb. uuid: begins with MIG-."""

    profile: str
    uuid: str


@dataclass(frozen=True)
class Gpu:
    """A GPU that nvidia-smi lists. slices: empty without MIG."""

    index: str
    name: str
    uuid: str
    slices: tuple[Slice, ...] = ()


def parse(listing: str) -> list[Gpu]:
    """The output of `nvidia-smi -L`; other lines are skipped."""
    found: list[Gpu] = []
    for line in listing.splitlines():
        if whole := re.fullmatch(r"GPU (\d+): (.+) \(UUID: (GPU-\S+)\)", line.strip()):
            found.append(Gpu(whole[1], whole[2], whole[3]))
        elif found and (
            part := re.fullmatch(r"MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-\S+)\)", line.strip())
        ):
            last = found[-1]
            found[-1] = Gpu(
                last.index, last.name, last.uuid, (*last.slices, Slice(part[1], part[2]))
            )
    return found


def listing() -> str:
    """What `nvidia-smi -L` says on this machine; empty if it is missing or fails."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        done = subprocess.run(
            [command, "-L"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def usable(gpus: Sequence[Gpu], visible: str | None) -> list[str]:
    """Values of CUDA_VISIBLE_DEVICES, each of one GPU or slice that a process may use.

    visible: CUDA_VISIBLE_DEVICES, None if it is not set. A GPU with MIG is replaced by its slices.
    """
    if visible is None:
        entries = [gpu.index for gpu in gpus]
    else:
        entries = [entry.strip() for entry in visible.split(",") if entry.strip()]
    found: list[str] = []
    for entry in entries:
        if entry == "-1":
            break  # CUDA ignores this entry and all after it
        of = next((g for g in gpus if entry == g.index or _names(entry, g.uuid)), None)
        found += [one.uuid for one in of.slices] if of and of.slices else [entry]
    return list(dict.fromkeys(found))


def of_slots(slots: int, environment: Mapping[str, str] = os.environ) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES of each slot of a task: its own GPU or slice, or one that it shares.

    None for a slot that sees what the task sees, where there is nothing to divide.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    entries = usable(parse(listing()), visible)
    if not entries and visible is None and slots > 1:
        # GPUs of another make, or without nvidia-smi.
        import torch

        entries = [str(number) for number in range(torch.cuda.device_count())]
    if not entries or (len(entries) == 1 and not entries[0].startswith("MIG-")):
        return [None] * slots
    if slots == 1:
        # One slot may use any of several GPUs; of slices it would only see the first.
        return [entries[0] if entries[0].startswith("MIG-") else None]
    return [entries[number * len(entries) // slots] for number in range(slots)]


def misplaced(wanted: str, count: int, uuid: str | None) -> str | None:
    """Why a process is not where its slot should be; None if it is.

    wanted: its CUDA_VISIBLE_DEVICES. count, uuid: how many devices torch sees, and the first one's
    id where torch knows it. Only names that nvidia-smi gave are sure to be real GPUs.
    """
    if not wanted.startswith(("GPU-", "MIG-")):
        return f"it sees {count} GPUs, not only {wanted}" if count > 1 else None
    if count != 1:
        return f"it sees {count} GPUs, not only {wanted}"
    if wanted.startswith("GPU-") and uuid and not _names(wanted, f"GPU-{uuid}"):
        return f"it is on GPU-{uuid}, not on {wanted}"
    return None


def _names(entry: str, uuid: str) -> bool:
    """Whether an entry of CUDA_VISIBLE_DEVICES is this id, or its beginning."""
    return entry.startswith("GPU-") and uuid.startswith(entry)
