"""How many trials side by side make the most steps per second on each device of this machine.

A few seconds with 1, 2, 4 and 8 processes that train the same net. All are started once.
"""

import json
import math
import os
import select
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from odecore.config import TrialSpec
from sweeps.cpus import available_cpus
from sweeps.planning.cost import cost_class
from sweeps.profiles import Profile
from sweeps.spec import parse
from sweeps.worker.gpus import listing, usable
from sweeps.worker.gpus import parse as parse_gpus
from sweeps.worker.tasks import Task

CANDIDATES = (1, 2, 4, 8)
SECONDS = 1.0
WARM_UP_STEPS = 5
# How often a measurement asks whether it should stop.
ASK_SECONDS = 0.2
# Of a CUDA context besides what a trial allocates: 0.3 to 0.6 GB, by the size of torch's kernels.
CONTEXT_BYTES = 600_000_000


@dataclass(frozen=True)
class BestSlots:
    """rates: number of slots on one device -> steps per second of all together. devices: in use."""

    rates: Mapping[int, float]
    devices: int = 1

    @property
    def on_each(self) -> int:
        """The best number on each device."""
        return max(self.rates, key=lambda n: self.rates[n])

    @property
    def count(self) -> int:
        """The best number on all devices together."""
        return self.on_each * self.devices

    def __str__(self) -> str:
        numbers = ", ".join(f"{n}: {rate:.3g}" for n, rate in self.rates.items())
        compared = len(self.rates) > 1
        why = f"steps per second with {numbers}" if compared else "there is nothing to compare"
        place = f" on each of {self.devices} GPUs" if self.devices > 1 else ""
        return f"slots = auto: {self.on_each}{place} ({why})"


def with_measured_slots(
    profile: Profile, tasks: Sequence[Task], data_root: Path | None, *, eager: bool
) -> tuple[Profile, str]:
    """The profile with the best number of slots for `tasks`, and a line that says why.

    Cores and GPUs of this machine are divided among the slots.
    """
    visible, cores = visible_gpus(), available_cpus()
    devices, spec = max(1, len(visible)), heaviest(tasks)
    candidates = worth_measuring(len(tasks) if spec else 1, cores, devices)
    rates: Mapping[int, float] = {1: math.nan}
    if spec and len(candidates) > 1:
        rates = measure(
            spec, data_root, candidates, cores // devices, eager=eager, gpu=(*visible, None)[0]
        )
    best = BestSlots(rates, devices)
    chosen = {"slots": best.count, "cpus": max(1, cores // best.count)}
    chosen |= {"gpus": 1 / best.on_each} if visible else {}
    return profile.model_copy(update=chosen), str(best)


def visible_gpus() -> list[str]:
    """CUDA_VISIBLE_DEVICES of each GPU or MIG slice that this process may use."""
    return usable(parse_gpus(listing()), os.environ.get("CUDA_VISIBLE_DEVICES"))


def worth_measuring(trials: int, cores: int, devices: int) -> list[int]:
    """Numbers of slots on each device: a core for each, and no more than there are trials."""
    most = min(cores // devices, math.ceil(trials / devices))
    return [n for n in CANDIDATES if n <= most] or [1]


def most_slots(cores: int, devices: int) -> int:
    """The most slots that `slots = "auto"` may choose with so many cores and GPUs."""
    return devices * max(worth_measuring(sys.maxsize, cores, devices))


def measure(
    spec: TrialSpec,
    data_root: Path | None,
    candidates: Sequence[int],
    cores: int,
    *,
    eager: bool = False,
    gpu: str | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[int, float]:
    """Number of processes -> steps per second of all together; the cores are divided among them.

    Numbers for which the GPU's memory is too small are left out. gpu: CUDA_VISIBLE_DEVICES, if not
    that of this process. If a process fails, or once `stop` says so, the larger numbers are left
    out; one is always there.
    """
    trainings: list[_Training] = []
    rates: dict[int, float] = {1: 0.0}
    try:
        for n in candidates:
            while len(trainings) < n:
                trainings.append(_Training(spec, data_root, eager, gpu, stop))
            room = [one.ready() for one in trainings]
            if n > min(room):
                break
            for one in trainings:
                one.start(max(1, cores // n))
            rates[n] = sum(one.rate() for one in trainings)
    except _Failed:
        pass
    finally:
        for one in trainings:
            one.close()
    return rates


class _Failed(Exception):
    """A process ended, such as for lack of memory, or nobody wants its answer any more."""


class _Training:
    """A process that trains `spec` for a moment whenever it is told to."""

    def __init__(
        self,
        spec: TrialSpec,
        data_root: Path | None,
        eager: bool,
        gpu: str | None,
        stop: Callable[[], bool],
    ) -> None:
        what = {"spec": spec.model_dump(mode="json"), "eager": eager}
        what["data_root"] = str(data_root) if data_root else None
        self._room, self._stop = 0, stop
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from sweeps.execute.auto_slots import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}),
        )
        self._tell(what)

    def _tell(self, what: object) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise _Failed from None

    def _answer(self) -> float:
        answers = self._process.stdout
        assert answers
        # Each question has one line for an answer, so that none waits in a buffer.
        while not select.select([answers], [], [], ASK_SECONDS)[0]:
            if self._stop():
                raise _Failed
        line = answers.readline()
        if not line:
            raise _Failed
        return json.loads(line)

    def ready(self) -> int:
        """Wait until it has warmed up; how many such processes the device has memory for."""
        self._room = self._room or int(self._answer())
        return self._room

    def start(self, threads: int) -> None:
        """Train for SECONDS."""
        self._tell(threads)

    def rate(self) -> float:
        """Its steps per second since `start`."""
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """The process: a spec on the first line of standard input, then numbers of threads."""
    sys.stdout, answers = sys.stderr, sys.stdout
    what = json.loads(sys.stdin.readline())
    _serve(parse(what["spec"]), what["data_root"], what["eager"], answers)


def _serve(spec: TrialSpec, data_root: str | None, eager: bool, answers: TextIO) -> None:
    import torch

    from odecore import data
    from odecore.training.fit import Training

    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loaded = data.load(spec.data, Path(data_root) if data_root else None)

    def begun() -> Training:
        training = Training(spec, loaded, device, eager=eager)
        for _ in range(WARM_UP_STEPS):
            training.step()
        return training

    training, room = begun(), max(CANDIDATES)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        taken = torch.cuda.max_memory_reserved(device) + CONTEXT_BYTES
        room = 1 + int(free // taken)
    print(room, file=answers, flush=True)
    for line in sys.stdin:
        torch.set_num_threads(int(line))
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS:
            training = begun() if training.outcome else training
            training.step()
            steps += 1
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        print(steps / (time.perf_counter() - start), file=answers, flush=True)


def heaviest(tasks: Sequence[Task]) -> TrialSpec | None:
    """A long training of the net and solver that take most of the time; None if none is trained."""
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    of: dict[tuple[str, str], TrialSpec] = {}
    for task in tasks:
        if task.train:
            key = cost_class(task.spec.model_dump(mode="json"))
            seconds[key] += task.predicted_seconds
            of.setdefault(key, task.spec)
    if not seconds:
        return None
    values = of[max(seconds, key=lambda key: seconds[key])].model_dump(mode="json")
    endless = {"iterations": 10**9, "epochs": None, "record_every": 10**9, "schedule": None}
    values["train"] |= endless
    return parse(values)
