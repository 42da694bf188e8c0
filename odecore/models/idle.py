"""For tests: a model that sleeps and fails in a named way at a given training step."""

import ctypes
import os
import resource
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from odecore.config.models.idle import Idle as Config
from odecore.gradients.base import Gradient
from odecore.solvers.base import Solver

ALLOWANCE_BYTES = 256 * 2**20
ALLOCATION_BYTES = 2 * 2**30


class Idle(nn.Module):
    """Logits that depend on one parameter only. Every training step sleeps config.seconds.

    `training_steps` is part of the state, so that a resumed run meets the fault at the step where
    an uncut one would.
    """

    depth_layers = 1
    blocks = 0

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.offset = nn.Parameter(torch.zeros(1))
        self.training_steps: Tensor
        self.register_buffer("training_steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, ...). Logits (B, K): the parameter for class 0, zero for the others."""
        if self.training:
            self.training_steps += 1
            time.sleep(self.config.seconds)
            if int(self.training_steps) == self.config.at_step:
                show(self.config.fault)
        first = self.offset.expand(len(x), 1)
        return torch.cat([first, first.new_zeros(len(x), self.classes - 1)], dim=1)


def show(fault: str) -> None:
    """Fail as named; returns for "none" only."""
    match fault:
        case "none":
            return
        case "raise":
            raise RuntimeError("planted fault: raise")
        case "segfault":
            ctypes.string_at(0)
        case "kill_self":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            while True:
                time.sleep(3600)
        case "allocate":
            _allocate()
        case _:
            raise ValueError(f"no fault {fault!r}")


def _allocate() -> None:
    """Set a memory limit and exceed it: allocation fails and the machine keeps its memory.

    Where the system does not tell the size of the process, only the error is raised.
    """
    size = Path("/proc/self/statm")
    if not size.exists():
        raise MemoryError("planted fault: allocate")
    pages = int(size.read_text().split()[0])
    limit = pages * resource.getpagesize() + ALLOWANCE_BYTES
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        torch.empty(ALLOCATION_BYTES, dtype=torch.uint8).fill_(1)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def build(
    config: Config, _shape: tuple[int, ...], classes: int, _solver: Solver, _gradient: Gradient
) -> Idle:
    """It has no ODE block, so solver and gradient are not used."""
    return Idle(config, classes)
