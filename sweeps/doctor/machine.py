"""What this machine has for a sweep: GPUs, CPUs and threads, open files, shared memory."""

import os
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeps.cpus import available_cpus
from sweeps.doctor.finding import Finding, Situation, fail, good, version, warn
from sweeps.doctor.probe import driver_gpus, mps
from sweeps.worker import gpus
from sweeps.worker.gpus import Slice

# Below these values, Ray warns or gets slow. The second is twice what executor ray needs for its
# object store.
LEAST_OPEN_FILES = 4096
LEAST_SHARED_MEMORY_BYTES = 200 * 2**20


def gpu(situation: Situation) -> Iterator[Finding]:
    """Compare what the driver sees with what torch sees. No finding on a login node."""
    if situation.login_node:
        return
    seen, _ = situation.torch.answer()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = compare_gpus(driver_gpus(), seen, visible)
    if slices := mig_slices(gpus.listing(), visible):
        found = replace(found, text=f"{found.text}; MIG slices: {slice_names(slices)}")
    if told := mps():
        found = replace(found, text=f"{found.text}; MPS: {told}")
    yield found


def mig_slices(listing: str, visible: str | None) -> list[Slice]:
    """The MIG slices that CUDA_VISIBLE_DEVICES leaves to use. listing: of `nvidia-smi -L`."""
    found = gpus.parse(listing)
    entries = gpus.usable(found, visible)
    return [one for gpu in found for one in gpu.slices if one.uuid in entries]


def slice_names(slices: Sequence[Slice]) -> str:
    """Such as "2 x 3g.20gb, 1 x 1g.5gb"."""
    return ", ".join(f"{n} x {name}" for name, n in Counter(one.profile for one in slices).items())


def compare_gpus(
    driver: list[str] | str | None, seen: Mapping[str, Any] | None, visible: str | None
) -> Finding:
    """Compare the GPUs of driver and torch.

    driver: see `probe.driver_gpus`. seen: see `probe.torch_report`, None without torch. visible:
    CUDA_VISIBLE_DEVICES.
    """
    devices, cuda = (seen["devices"], seen["cuda"]) if seen else ([], None)
    if seen and seen["trouble"]:
        text = f"torch sees {devices[0]} but cannot compute on it: {seen['trouble']}"
        return fail(
            "gpu",
            text,
            "install a torch that is built for this GPU; CUDA_VISIBLE_DEVICES= keeps trials on the "
            "CPU",
        )
    if devices:
        by = (
            f", driver {driver[0].rpartition(', ')[2]}"
            if isinstance(driver, list) and driver
            else ""
        )
        return good("gpu", f"torch sees {len(devices)}: {', '.join(sorted(set(devices)))}{by}")
    if isinstance(driver, str):
        return warn(
            "gpu",
            f"nvidia-smi fails: {driver}",
            "repair the driver; until then trials run on the CPU",
        )
    if not driver:
        return good("gpu", "no GPU here; trials run on the CPU")
    text = f"the driver sees {len(driver)} ({driver[0]}), torch sees none; "
    if seen and cuda and not seen["why"] and visible is not None:
        return warn(
            "gpu",
            f"{text}CUDA_VISIBLE_DEVICES is {visible!r}",
            "unset CUDA_VISIBLE_DEVICES",
        )
    built = (
        f"torch is built for {'CUDA ' + cuda if cuda else 'no CUDA'}"
        if seen
        else "torch cannot be imported"
    )
    why = f"{built}: {seen['why']}" if seen and seen["why"] else built
    return warn(
        "gpu",
        f"{text}{why}",
        "install a torch whose CUDA the driver supports; until then trials run on the CPU",
    )


def threads(_situation: Situation) -> Iterator[Finding]:
    """CPUs and OMP_NUM_THREADS, which sets the threads of a trial of executor inline."""
    cpus, asked = available_cpus(), os.environ.get("OMP_NUM_THREADS")
    if asked is None:
        yield good(
            "cpus",
            f"{cpus}, OMP_NUM_THREADS not set: a trial of executor inline uses all of them",
        )
    elif not asked.isdigit() or int(asked) < 1:
        yield fail(
            "cpus",
            f"OMP_NUM_THREADS = {asked!r} is not a number of threads",
            "unset it or set it to a number, such as 1",
        )
    elif int(asked) > cpus:
        remedy = f"set it to at most {cpus}, or unset it"
        yield warn(
            "cpus",
            f"OMP_NUM_THREADS = {asked}: more threads than the {cpus} CPUs, so threads wait for "
            "each other",
            remedy,
        )
    else:
        yield good("cpus", f"{cpus}, OMP_NUM_THREADS = {asked}")


def open_files(_situation: Situation) -> Iterator[Finding]:
    """The hard limit on open files. Ray raises the soft limit to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < LEAST_OPEN_FILES:
        remedy = (
            "raise it for your user (nofile in /etc/security/limits.conf, or LimitNOFILE of the "
            "service)"
        )
        yield warn(
            "open files",
            f"at most {hard} (ulimit -Hn); Ray needs {LEAST_OPEN_FILES}",
            remedy,
        )
    else:
        yield good(
            "open files",
            "no limit" if hard == resource.RLIM_INFINITY else f"at most {hard}",
        )


def shared_memory(_situation: Situation, path: Path = Path("/dev/shm")) -> Iterator[Finding]:
    """Free space where Ray keeps its object store. No finding without Ray or on a Mac."""
    if version("ray") is None or sys.platform == "darwin":
        return
    free = shutil.disk_usage(path).free if path.is_dir() else 0
    text = f"{free / 2**20:,.0f} MiB free in {path}"
    if free < LEAST_SHARED_MEMORY_BYTES:
        wanted = LEAST_SHARED_MEMORY_BYTES // 2**20
        yield warn(
            "shared memory",
            f"{text}; executor ray needs {wanted}",
            "in a container: docker run --shm-size=1g",
        )
    else:
        yield good("shared memory", text)
