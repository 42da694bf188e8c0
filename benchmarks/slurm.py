"""Trials without training on SLURM: our executor, and plain submitit with one job per trial.

Both run on the devcluster (four hosts on this machine). The peer uses submitit as its documentation
does: `AutoExecutor`, one job per trial, submitted as arrays (`map_array`) or one by one (`submit`),
and `result()` of each. Its function does nothing. In one variant it imports torch, as every
function that trains a net does.
"""

import importlib.util
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.process import Measured, measure, ours
from sweeps.slurm import commands

COMMAND = Path(__file__).parents[1] / "slurm" / "devcluster" / "devcluster"
# The same settings as in slurm/profiles/devcluster.toml, for the peer.
PEER_OPTIONS = {"slurm_partition": "low", "timeout_min": 10, "cpus_per_task": 1}
FORMS = ("array", "array, torch", "one by one")
# In /proc/PID/stat, after the command's name: the parent, and CPU time of the process and of its
# children that have ended.
PARENT, TICKS = 1, slice(11, 15)


@contextmanager
def devcluster() -> Iterator[str | None]:
    """The devcluster, for processes started in this block.

    It is the one that runs already, or one that is started and stopped. Yields the reason if there
    is none.
    """
    if importlib.util.find_spec("submitit") is None:
        yield "submitit is not installed: pip install 'odesweep[slurm]'"
        return
    found_running = _devcluster("status").returncode == 0
    if not found_running and (started := _devcluster("start")).returncode:
        yield _first_line(started)
        return
    before = os.environ.get("SLURM_CONF")
    try:
        os.environ["SLURM_CONF"] = _devcluster("env").stdout.strip().partition("=")[2]
        # A devcluster that somebody else started may not know this user.
        tried = subprocess.run(
            ["sbatch", "--test-only", "--partition=low", "--wrap=true"],
            capture_output=True,
            text=True,
        )
        yield _first_line(tried) if tried.returncode else None
    finally:
        os.environ.pop("SLURM_CONF", None)
        if before is not None:
            os.environ["SLURM_CONF"] = before
        if not found_running:
            _devcluster("stop")


def _devcluster(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, command], capture_output=True, text=True, timeout=120)


def _first_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip().splitlines() or [f"{done.args[0]} ended with {done.returncode}"])[0]


def ours_on_slurm(trials: int) -> Measured:
    """`odesweep run idle --executor slurm --wait` with its default shards."""
    return _with_cpu_time(lambda: ours("slurm", trials, "--profile", "devcluster", "--wait"))


def submitit(form: str, trials: int) -> Measured:
    """Plain submitit, one job per trial.

    Raises RuntimeError if a result is missing. form: one of FORMS.
    """
    arguments = [form, str(trials), str(commands.max_array_size(commands.config())), "FOLDER"]
    command = "from benchmarks.slurm import plain_submitit; plain_submitit()"
    return _with_cpu_time(lambda: measure(trials, command, arguments, f"{trials} results"))


def plain_submitit() -> None:
    """The peer, in a separate process. Arguments: form, number of trials, largest array, folder."""
    from submitit import AutoExecutor

    form, (trials, largest), folder = sys.argv[1], map(int, sys.argv[2:4]), sys.argv[4]

    # Defined here, so that they are sent by value and jobs need not find this module.
    def no_op(x: int) -> int:
        return x

    def no_op_with_torch(x: int) -> int:
        import torch

        return int(torch.tensor(x))

    executor = AutoExecutor(f"{folder}/results")
    executor.update_parameters(**PEER_OPTIONS)
    if form == "one by one":
        jobs = [executor.submit(no_op, x) for x in range(trials)]
    else:
        function = no_op_with_torch if form == "array, torch" else no_op
        arrays = [range(first, min(first + largest, trials)) for first in range(0, trials, largest)]
        jobs = [job for array in arrays for job in executor.map_array(function, array)]
    print(f"{sum(job.result() == x for x, job in enumerate(jobs))} results")


def _with_cpu_time(run: Callable[[], Measured]) -> Measured:
    before = _cpu_seconds()
    measured = run()
    # SLURM still cleans up the last jobs when their results are complete.
    deadline = time.monotonic() + 30
    while any(task.live for task in commands.squeue()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return replace(measured, cpu_seconds=_cpu_seconds() - before)


def _cpu_seconds() -> float:
    """CPU time of this process's children and of everything on the devcluster's hosts.

    This includes daemons and processes that have ended.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime + _ticks_on_hosts() / os.sysconf("SC_CLK_TCK")


def _ticks_on_hosts() -> int:
    folder = os.fsencode(Path(os.environ["SLURM_CONF"]).parent)
    fields: dict[int, list[str]] = {}
    hosts: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields[int(process.name)] = (process / "stat").read_text().rpartition(")")[2].split()
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        # Each host's first process collects orphans and their CPU time.
        if b"devcluster-host" in words and folder in words:
            hosts.add(int(process.name))
    return sum(
        sum(map(int, found[TICKS]))
        for pid, found in fields.items()
        if _descends(pid, hosts, fields)
    )


def _descends(pid: int, hosts: set[int], fields: dict[int, list[str]]) -> bool:
    while pid in fields and pid not in hosts:
        pid = int(fields[pid][PARENT])
    return pid in hosts
