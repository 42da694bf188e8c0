"""What this machine offers a sweep: GPUs, CPUs and threads, open files, shared memory."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sweeps.doctor.finding import Finding, Level, Situation, version

# Below these, Ray warns or gets slow; the second is twice what executor ray asks for its object store.
LEAST_OPEN_FILES = 4096
LEAST_SHARED_MEMORY_BYTES = 200 * 2**20


def gpu(situation: Situation) -> Iterator[Finding]:
    """What the driver sees against what torch sees."""
    seen, _ = situation.torch.answer()
    yield from compare_gpus(driver_gpus(), seen["devices"] if seen else [], seen["cuda"] if seen else None)


def driver_gpus() -> list[str] | str | None:
    """One "name, driver version" for each GPU that nvidia-smi lists; a text when it fails; None where there is no nvidia-smi."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        done = subprocess.run([command, "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return "no answer within 30 s"
    lines = (done.stdout if done.returncode == 0 else done.stdout + done.stderr).strip().splitlines()
    return lines if done.returncode == 0 else (lines or [f"exit code {done.returncode}"])[-1]


def compare_gpus(driver: list[str] | str | None, devices: list[str], cuda: str | None) -> Iterator[Finding]:
    """driver: see `driver_gpus`. devices: names that torch sees. cuda: the version that torch is built for, None for none."""
    if devices:
        by = f", driver {driver[0].rpartition(', ')[2]}" if isinstance(driver, list) and driver else ""
        yield Finding(Level.OK, "gpu", f"torch sees {len(devices)}: {', '.join(sorted(set(devices)))}{by}")
    elif isinstance(driver, str):
        yield Finding(Level.WARNING, "gpu", f"nvidia-smi fails: {driver}", "repair the driver; until then trials run on the CPU")
    elif driver:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = f"CUDA_VISIBLE_DEVICES is {hidden!r}" if hidden is not None else f"torch is built for {'CUDA ' + cuda if cuda else 'no CUDA'}"
        yield Finding(
            Level.WARNING,
            "gpu",
            f"the driver sees {len(driver)} ({driver[0]}), torch none; {why}",
            "unset CUDA_VISIBLE_DEVICES"
            if hidden is not None
            else "install a torch whose CUDA the driver supports; until then trials run on the CPU",
        )
    else:
        yield Finding(Level.OK, "gpu", "no GPU here; trials run on the CPU")


def threads(_situation: Situation) -> Iterator[Finding]:
    """CPUs against OMP_NUM_THREADS, which sets the threads of a slot of executor inline."""
    cpus, asked = len(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS")
    if asked is None:
        yield Finding(Level.OK, "cpus", f"{cpus}, OMP_NUM_THREADS not set: a slot of executor inline uses all of them")
    elif not asked.isdigit() or int(asked) < 1:
        yield Finding(Level.ERROR, "cpus", f"OMP_NUM_THREADS = {asked!r} is not a number of threads", "unset it or set it to a number, such as 1")
    elif int(asked) > cpus:
        remedy = f"set it to at most {cpus}, or unset it"
        yield Finding(Level.WARNING, "cpus", f"OMP_NUM_THREADS = {asked} threads on {cpus} CPUs would wait for each other", remedy)
    else:
        yield Finding(Level.OK, "cpus", f"{cpus}, OMP_NUM_THREADS = {asked}")


def open_files(_situation: Situation) -> Iterator[Finding]:
    """The hard limit: Ray raises the soft one to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < LEAST_OPEN_FILES:
        remedy = "raise it for your user (nofile in /etc/security/limits.conf; LimitNOFILE of slurmd)"
        yield Finding(Level.WARNING, "open files", f"at most {hard} (ulimit -Hn); Ray wants {LEAST_OPEN_FILES}", remedy)
    else:
        yield Finding(Level.OK, "open files", "no limit" if hard == resource.RLIM_INFINITY else f"at most {hard}")


def shared_memory(_situation: Situation, path: Path = Path("/dev/shm")) -> Iterator[Finding]:
    """Free space where Ray keeps its object store. Nothing to say without Ray."""
    if version("ray") is None:
        return
    free = shutil.disk_usage(path).free if path.is_dir() else 0
    text = f"{free / 2**20:,.0f} MiB free in {path}"
    if free < LEAST_SHARED_MEMORY_BYTES:
        wanted = LEAST_SHARED_MEMORY_BYTES // 2**20
        yield Finding(Level.WARNING, "shared memory", f"{text}; executor ray wants {wanted}", "in a container: docker run --shm-size=1g")
    else:
        yield Finding(Level.OK, "shared memory", text)
