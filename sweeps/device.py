"""The device on which a profile's trials compute, and the unit of their cost."""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odecore.config.train import Precision
from sweeps.execute.registry import executors, load_object
from sweeps.planning.operation_count import OPERATIONS_PER_SECOND
from sweeps.profiles import Profile
from sweeps.worker.gpus import listing, parse, usable

# Dense operations per second of bf16, tf32 and float32. Source: NVIDIA's data sheets of the SXM
# modules. Other GPUs are taken for the last.
RATES: dict[str, dict[Precision, float]] = {
    "h200": {"bf16": 989e12, "tf32": 494e12, "float32": 67e12},
    "h100": {"bf16": 989e12, "tf32": 494e12, "float32": 67e12},
    "a100": {"bf16": 312e12, "tf32": 156e12, "float32": 19.5e12},
}
# What good public code reaches of it: https://github.com/KellerJordan/cifar10-airbench, 114 of 312.
REACHED = 0.36


@dataclass(frozen=True)
class Device:
    """What one slot computes on.

    name: part of the device's name in rows, empty for any. threads: of a slot without a GPU, None
    for any number. share: how many GPUs a slot has, or cores where it has no GPU.
    """

    gpu: bool = False
    name: str = ""
    threads: int | None = None
    share: float = 1.0

    def __str__(self) -> str:
        return self.name.removeprefix("cpu: ") or ("any GPU" if self.gpu else "any CPU")

    @property
    def unit(self) -> str:
        """What one hour of its share is counted in."""
        return "GPU" if self.gpu else "core"

    def amount(self, seconds: float) -> str:
        """Seconds of a slot for people: "12 core-minutes" or "3.5 GPU-hours"."""
        seconds *= self.share
        for limit, unit, name in ((120, 1, "second"), (7200, 60, "minute")):
            if seconds < limit:
                many = f"{seconds / unit:.0f}"
                return f"{many} {self.unit}-{name}{'' if many == '1' else 's'}"
        return f"{seconds / 3600:,.1f} {self.unit}-hours"

    def rate(self, precision: Precision) -> float:
        """Operations per second that a training may reach, for the roofline."""
        if not self.gpu:
            return OPERATIONS_PER_SECOND
        known = next((key for key in RATES if key in self.name.lower()), "a100")
        return REACHED * RATES[known][precision]

    def same_kind(self, row: Mapping[str, Any]) -> bool:
        """Whether a row comes from a GPU if this is one, otherwise from a CPU."""
        name = row.get("device") or "cpu"
        return self.gpu == (not name.startswith("cpu"))

    def measured(self, row: Mapping[str, Any]) -> bool:
        """Whether a row comes from such a device, with as many threads."""
        threads = None if self.gpu else self.threads
        return (
            self.same_kind(row)
            and self.name.lower() in (row.get("device") or "").lower()
            and threads in (None, row.get("cpu_threads"))
        )


def of_profile(profile: Profile) -> Device:
    """The device of a slot of `profile`."""
    asking = [load_object(one.gpus) for one in executors().values() if one.gpus]
    kinds: dict[str, int] = next((found for ask in asking if (found := ask(profile.options))), {})
    if not profile.gpus and not kinds:
        return Device(False, profile.device or "", profile.cpus, profile.cpus)
    name = profile.device or next(iter(kinds), "")
    return Device(True, name, share=profile.gpus or sum(kinds.values()) / (profile.slot_count or 1))


def here() -> Device:
    """The device of trials in this process: the first GPU that it may use, otherwise its CPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = parse(listing())
    if gpus and usable(gpus, visible):
        return Device(True, gpus[0].name)
    return Device(False, cpu_name())


def cpu_name() -> str:
    """The processor as rows name it."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:  # not Linux
        found = None
    name = found[1] if found else platform.processor()
    return f"cpu: {name}" if name else "cpu"
