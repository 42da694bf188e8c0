"""Checks of loss and states that many steps share, so that no step waits for the device.

Asking a GPU whether a number is finite waits for all its work. Steps that need no answer to go on
leave their numbers on the device, and one reading finds the first bad step exactly.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from odecore.gradients.backprop import backprop
from odecore.models.ode_block import ODEBlock
from odecore.solvers.explicit_rk import FixedStepRungeKutta

# A signal and a checkpoint wait for the next reading, so it comes about as often as this.
READING_SECONDS = 0.25
MOST_STEPS = 64


@dataclass(frozen=True)
class Pass:
    """Forward and backward pass of one batch; its gradients are in the parameters.

    logits: (B, K), without graph. loss: scalar, without the norms' penalty. largest: max |x| at the
    end of each solve whose check is postponed, scalars. nfe_at: NFE of the pass up to each of them.
    """

    logits: Tensor
    loss: Tensor
    largest: tuple[Tensor, ...]
    nfe_at: tuple[int, ...]
    nfe_forward: int
    nfe_backward: int


@dataclass(frozen=True)
class FirstBad:
    """The first step since the last reading whose state or loss is not finite.

    back: how many steps were taken from it on, itself included. loss: None if a state was bad.
    nfe_forward, nfe_backward: what those steps counted beyond the calls up to the bad number.
    """

    back: int
    loss: float | None
    nfe_forward: int
    nfe_backward: int


class Checks:
    """Numbers of the steps since the last reading."""

    def __init__(self) -> None:
        self.pending: list[tuple[Tensor, Pass]] = []
        self.last_loss = float("nan")

    def add(self, passed: Pass) -> None:
        """One more step. Copies its numbers: a captured step overwrites them with the next."""
        numbers = [passed.loss.detach().float(), *(value.float() for value in passed.largest)]
        self.pending.append((torch.stack(numbers), passed))

    def read(self) -> FirstBad | None:
        """Wait for the device, once; None if all was finite."""
        pending, self.pending = self.pending, []
        if not pending:
            return None
        for index, (loss, *states) in enumerate(torch.stack([row for row, _ in pending]).tolist()):
            bad = next((i for i, value in enumerate(states) if not math.isfinite(value)), None)
            if bad is None and math.isfinite(loss):
                self.last_loss = loss
                continue
            rest = [passed for _, passed in pending[index:]]
            counted = rest[0].nfe_forward if bad is None else rest[0].nfe_at[bad]
            if bad is None:
                self.last_loss = loss
            return FirstBad(
                back=len(rest),
                loss=loss if bad is None else None,
                nfe_forward=sum(passed.nfe_forward for passed in rest) - counted,
                nfe_backward=sum(passed.nfe_backward for passed in rest),
            )
        return None


def steps_until_reading(seconds_per_step: float) -> int:
    """How many steps to take before the next reading; 1 before any was timed."""
    if not seconds_per_step:
        return 1
    return max(1, min(MOST_STEPS, round(READING_SECONDS / seconds_per_step)))


def can_wait(blocks: list[ODEBlock]) -> bool:
    """Whether no solve needs an answer to go on: fixed steps and plain back-propagation."""
    return all(
        isinstance(block.solver, FixedStepRungeKutta) and block.gradient is backprop
        for block in blocks
    )
