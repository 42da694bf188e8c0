"""The training loop: it can stop after any step and resumes with bit-identical results.

Shapes: x is (B, D) or (B, C, H, W), labels (B,), logits (B, K), losses and norms are scalars.
"""

import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from odecore import norms
from odecore.config import TrialSpec
from odecore.config.data import Split
from odecore.config.train import AlsoTest
from odecore.data import Dataset
from odecore.models import build_model, dropout
from odecore.models.ode_block import (
    SolveFailed,
    count_fallbacks,
    count_nfe,
    ode_blocks,
    repeat_side_effects,
    reset_nfe,
)
from odecore.solvers.adaptation import REMEMBERED_ITERATIONS, Measured
from odecore.solvers.base import SolveStatus, checks_postponed
from odecore.training import adapt
from odecore.training.captured import CapturedPass, can_capture
from odecore.training.checks import Checks, Pass, can_wait, steps_until_reading
from odecore.training.evaluate import Score, failure_outcome, fallback_detail, score
from odecore.training.optim import Updates
from odecore.training.precision import numerics
from odecore.training.records import Sums, current_names, peak_memory_bytes, reset_peak_memory
from odecore.training.streams import generator

# Called after every step and every evaluated batch; a true answer to a step asks the loop to stop
# there.
AfterStep = Callable[["Training"], bool]

# What a resume takes over as it is. Random streams are keyed by epoch or iteration, and so is the
# learning rate: the position is their state.
_PLAIN_STATE = (
    *("iteration", "records", "series", "recent_nfe", "last_loss"),
    *("train_seconds", "evaluate_seconds", "nfe_forward", "nfe_backward", "fallbacks"),
    "stacked",
)


class _LossNotFinite(Exception):
    """The step ends before its backward pass."""


def batches_per_epoch(samples: int, batch_size: int, drop_last: bool) -> int:
    """Batches in one pass over the data."""
    return samples // batch_size if drop_last else math.ceil(samples / batch_size)


class Training:
    """One run of `spec` on `data`: model, optimizer, position, and the metrics so far.

    outcome is None while running, then completed, diverged (non-finite loss or state) or
    solver_failed, with a detail. fallbacks: failed solves of training steps that Euler repeated;
    the detail of a completed run says how many, and the series "fallbacks" in which iterations.
    records: one dict per recorded row; see `_record` for its keys. series: other numbers by
    iteration, (steps done, name, value). stacked: how it ran as part of a stack, such as "eager, 5
    stacked" (see `odecore.training.stack`), empty if it never did. Raises ValueError when an epoch
    would have no batch.

    On a GPU, steps that need no answer of the device to go on do not wait for it (`postponed`), and
    those that depend on tensors alone are captured (`captured`); convolutions have their channels
    last. eager: none of it.
    """

    def __init__(
        self, spec: TrialSpec, data: Dataset, device: torch.device, *, eager: bool = False
    ) -> None:
        reset_peak_memory(device)
        self.spec, self.data, self.device = spec, data.to(device), device
        self.model = build_model(spec).to(device)
        self.batches = batches_per_epoch(
            len(data.train_y), spec.train.batch_size, spec.train.drop_last
        )
        if not self.batches:
            raise ValueError(
                f"train.batch_size = {spec.train.batch_size} with drop_last "
                f"leaves no batch of {len(data.train_y)} samples"
            )
        self.updates = Updates(spec, self.model, self.batches)
        self.iterations = (
            spec.train.epochs * self.batches
            if spec.train.epochs is not None
            else spec.train.iterations or 0
        )
        self.iteration = 0
        self.outcome: str | None = None
        self.detail: str | None = None
        self.records: list[dict[str, Any]] = []
        self.series: list[tuple[int, str, float]] = []
        self.train_seconds = 0.0
        self.evaluate_seconds = 0.0
        self.nfe_forward = 0
        self.nfe_backward = 0
        self.fallbacks = 0
        self.stacked = ""
        self.last_loss = float("nan")
        # Of the latest iterations, without the checks of an adaptation, which asks for them.
        self.recent_nfe: list[int] = []
        self.sums = Sums(device)
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))
        self._step_seconds: deque[float] = deque(maxlen=51)
        self._blocks = ode_blocks(self.model)
        for block in self._blocks:
            block.anode_side_effects = spec.fidelity.anode_side_effects
        self._adapted = adapt.adapted_solver(self.model)
        self._balance: Callable[[], int] | None = getattr(self.model, "balance", None)
        self._checks = Checks()
        self._unread_seconds = 0.0
        self.postponed = (
            device.type == "cuda" and not eager and self._balance is None and can_wait(self._blocks)
        )
        # On a GPU, convolutions are fastest where the channels of a pixel lie side by side.
        self.channels_last = (
            device.type == "cuda"
            and not eager
            and any(isinstance(module, nn.Conv2d) for module in self.model.modules())
        )
        if self.channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.captured: CapturedPass | None = None
        if self.postponed and can_capture(self.model, self._blocks):
            self.captured = CapturedPass(self._compute, self.model, spec.precision)

    @property
    def numerics(self) -> str:
        """How steps ran: eager or captured as a CUDA graph, stacked, with channels last."""
        how = "captured" if self.captured and self.captured.refused is None else "eager"
        how = self.stacked or how
        return f"{how}, channels last" if self.channels_last else how

    @property
    def epoch(self) -> int:
        """Passes over the training data begun so far, counted from 0."""
        return self.iteration // self.batches

    @property
    def seconds_per_step(self) -> float:
        """Median of the last steps; 0 before the first."""
        return statistics.median(self._step_seconds) if self._step_seconds else 0.0

    def state(self) -> dict[str, Any]:
        """All that a resume needs, as tensors and plain data."""
        state = {name: getattr(self, name) for name in _PLAIN_STATE}
        return state | {
            "model": self.model.state_dict(),
            "optimizer": self.updates.state(),
            "sums": self.sums.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        state = current_names(state)
        state["records"] = [current_names(record) for record in state["records"]]
        self.model.load_state_dict(state["model"])
        self.updates.load_state(state["optimizer"])
        for name in _PLAIN_STATE:
            # Older checkpoints lack what was added later.
            setattr(self, name, state.get(name, getattr(self, name)))
        self.sums.load_state(state["sums"])

    def order(self, epoch: int) -> Tensor:
        """The training samples in the order of one epoch: their numbers, (N,)."""
        order = torch.randperm(
            len(self.data.train_y), generator=generator(self.spec.seed, "order", epoch)
        )
        return order.to(self.device)

    def _batch(self) -> tuple[Tensor, Tensor]:
        epoch, index = divmod(self.iteration, self.batches)
        if self._order[0] != epoch:
            self._order = (epoch, self.order(epoch))
        chosen = self._order[1][
            index * self.spec.train.batch_size : (index + 1) * self.spec.train.batch_size
        ]
        x = self.data.training_inputs(
            self.data.train_x.index_select(0, chosen),
            generator(self.spec.seed, "augment", self.iteration),
        )
        return x, self.data.train_y[chosen]

    def step(self) -> None:
        """One optimizer step; a non-finite loss or state or a failed solve sets the outcome.

        Where checks are postponed, the outcome comes with the next reading, and `iteration` then
        goes back to the bad step.
        """
        start = time.perf_counter()
        self.model.train()
        x, labels = self._batch()
        self._set_end_times()
        dropout.set_streams(self.model, self.spec.seed, self.iteration)
        norms.set_epoch(self.model, self.epoch)
        passed = self._pass(x, labels)
        if passed is None:
            return
        norm, bias_norm = self.updates.step(self.iteration)
        self.sums.add_batch(passed.loss, passed.logits, labels, norm, bias_norm)
        self.iteration += 1
        self._balance_weights()
        steps = 1
        if self.postponed:
            self._checks.add(passed)
            steps = len(self._checks.pending)
            if self.due() or steps >= steps_until_reading(self.seconds_per_step):
                self._read_checks()
        seconds = time.perf_counter() - start
        self.sums.nfe_forward += passed.nfe_forward
        self.sums.nfe_backward += passed.nfe_backward
        self.sums.train_seconds += seconds
        self.train_seconds += seconds
        self._unread_seconds += seconds
        if not self._checks.pending:
            self._step_seconds.append(self._unread_seconds / steps)
            self._unread_seconds = 0.0

    def _pass(self, x: Tensor, labels: Tensor) -> Pass | None:
        """Forward and backward pass, counted; None if it set the outcome."""
        passed = None
        try:
            passed = (self.captured or self._compute)(x, labels)
        except SolveFailed as failure:
            self.fail(failure)
        except _LossNotFinite:
            self.diverge(self.last_loss)
        finally:
            for block in self._blocks:
                block.end_time = 1.0
            nfe = (passed.nfe_forward, passed.nfe_backward) if passed else count_nfe(self.model)
            self.nfe_forward += nfe[0]
            self.nfe_backward += nfe[1]
            if fallbacks := count_fallbacks(self.model):
                self.fallbacks += fallbacks
                self._note(self.iteration + 1, {"fallbacks": fallbacks})
        return passed

    def _compute(self, x: Tensor, labels: Tensor) -> Pass:
        """The pass itself: all that a step does between its batch and the optimizer.

        Raises SolveFailed, and _LossNotFinite before the backward pass.
        """
        reset_nfe(self.model)
        self.updates.start()
        largest: list[Tensor] = []
        nfe_at: list[int] = []

        def postpone(value: Tensor) -> None:
            largest.append(value)
            nfe_at.append(count_nfe(self.model)[0])

        with checks_postponed(postpone) if self.postponed else nullcontext():
            logits, loss = self._forward(x, labels)
        if not self.postponed:
            self.last_loss = loss.item()
            if not math.isfinite(self.last_loss):
                raise _LossNotFinite
        penalty = norms.penalty(self.model)
        (loss if penalty is None else loss + penalty).backward()
        repeat_side_effects(self.model)
        self._adapt(x, labels, logits.detach())
        return Pass(logits.detach(), loss, tuple(largest), tuple(nfe_at), *count_nfe(self.model))

    def _read_checks(self) -> None:
        """Wait for the device, and go back to the first step that was not finite, if one was."""
        bad = self._checks.read()
        self.last_loss = self._checks.last_loss
        if bad is None:
            return
        self.iteration -= bad.back
        self.nfe_forward -= bad.nfe_forward
        self.nfe_backward -= bad.nfe_backward
        if bad.loss is not None:
            self.diverge(bad.loss)
        else:
            self.fail(SolveFailed(SolveStatus.NON_FINITE))

    def diverge(self, loss: float) -> None:
        """End with a loss that is not finite."""
        self.outcome, self.detail = "diverged", f"the training loss is {loss}"

    def fail(self, failure: SolveFailed) -> None:
        """End with a failed solve."""
        self.outcome, self.detail = failure_outcome(failure), str(failure)

    def complete(self) -> None:
        """End after the last step, unless the last test has ended it otherwise."""
        if self.outcome is None:
            self.outcome = "completed"
            self.detail = fallback_detail(self.fallbacks, self.iteration)

    def _set_end_times(self) -> None:
        """STEER: one T ~ U(1 - b, 1 + b) for this iteration (Ghosh et al. 2020, section 3)."""
        for block in self._blocks:
            if block.steer is not None:
                uniform = torch.rand(
                    (),
                    generator=generator(self.spec.seed, "steer", self.iteration),
                    dtype=torch.float64,
                ).item()
                block.end_time = 1 + block.steer * (2 * uniform - 1)

    def _forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K) and loss, without the norms' penalty."""
        if self.channels_last and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with numerics(self.spec.precision, self.device):
            logits = self.model(x).float()
            return logits, functional.cross_entropy(logits, labels)

    def _adapt(self, x: Tensor, labels: Tensor, logits: Tensor) -> None:
        solver = self._adapted
        if solver is None:
            return
        nfe = count_nfe(self.model)[0]
        if self.iteration == 0:
            self._note(0, solver.numbers())
        if adapt.is_due(self.iteration):
            divisor = (
                len(labels)
                if self.spec.fidelity.accuracy_divisor == "count"
                else self.spec.train.batch_size
            )

            def logits_again() -> Tensor:
                with numerics(self.spec.precision, self.device):
                    return self.model(x)

            train = Measured(adapt.accuracy(logits, labels, divisor), nfe)
            measure = adapt.measure_on(self.model, logits_again, labels, divisor)
            self._note(self.iteration + 1, solver.adapt(train, self.recent_nfe, measure))
        self.recent_nfe = [*self.recent_nfe, nfe][-REMEMBERED_ITERATIONS:]

    def _balance_weights(self) -> None:
        """ENorm, in models that have it."""
        if self._balance and (dead_units := self._balance()):
            self._note(self.iteration, {"dead_units": dead_units})

    def _note(self, iteration: int, numbers: dict[str, float]) -> None:
        self.series.extend((iteration, name, float(value)) for name, value in numbers.items())

    def due(self, iteration: int | None = None) -> bool:
        """Whether a row ends after so many steps, or after those taken so far."""
        taken = self.iteration if iteration is None else iteration
        every = self.spec.train.record_every or self.batches
        return taken == self.iterations or taken % every == 0

    def record(self, on_batch: Callable[[], None]) -> None:
        """Close the row of the steps since the last one with the test score.

        It is scored under the training solver; `also_test` goes to the series.
        """
        before = self.evaluate_seconds
        test = self.score_split("test", on_batch)
        if test.outcome != "completed" and self.iteration == self.iterations:
            # On the way there the row just has no test score; a model that cannot be tested at its
            # end has not completed.
            self.outcome, self.detail = test.outcome, f"on the test split: {test.detail}"
        if test.fallbacks:
            self._note(self.iteration, {"fallbacks.test": test.fallbacks})
        for also in self.spec.train.also_test:
            scored = self.score_split(also.split, on_batch, also)
            numbers = {
                "accuracy": scored.accuracy,
                "loss": scored.loss,
                "evaluate_seconds": scored.seconds,
            }
            self._note(
                self.iteration, {f"{name}.{also.label}": number for name, number in numbers.items()}
            )
        row = self.sums.row(self.spec.train.batch_size, self.spec.fidelity.accuracy_divisor)
        row |= {
            "iteration": self.iteration,
            "epoch": self.epoch,
            "loss_test": test.loss,
            "accuracy_test": test.accuracy,
            "learning_rate": self.updates.learning_rate,
            "evaluate_seconds": self.evaluate_seconds - before,
            "peak_memory_bytes": peak_memory_bytes(self.device),
        }
        self.records.append(row | ({} if self.updates.biases else {"bias_gradient_norm_max": None}))
        self.sums = Sums(self.device)

    def score_split(
        self,
        split: Split,
        on_batch: Callable[[], None] = lambda: None,
        also: AlsoTest | None = None,
    ) -> Score:
        """The split's score under the training solver; batch size of the training or of `also`."""
        scored = score(
            self.model,
            self.data,
            split,
            batch_size=(also and also.batch_size) or self.spec.train.batch_size,
            precision=self.spec.precision,
            limit=also.limit if also else None,
            noise=also.noise if also else "none",
            accuracy_divisor=self.spec.fidelity.accuracy_divisor,
            on_batch=on_batch,
        )
        self.evaluate_seconds += scored.seconds
        return scored

    def run(self, after_step: AfterStep, on_batch: Callable[[], None] = lambda: None) -> str | None:
        """Train to the end; the outcome, or None when `after_step` stopped it."""
        if not self.iterations and not self.records:
            self.record(on_batch)
        while self.outcome is None and self.iteration < self.iterations:
            self.step()
            if self.outcome is None and self.due():
                self.record(on_batch)
            between = self.outcome is None and self.iteration < self.iterations
            if between and not self._checks.pending and after_step(self):
                return None
        self.complete()
        return self.outcome
