"""The training loop: one object that can be cut after any step and resumed bit for bit."""

import math
import resource
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.nn.utils import get_total_norm

from odecore.config import TrialSpec
from odecore.data import Dataset
from odecore.models import build_model
from odecore.models.ode_block import SolveFailed, count_evaluations, reset_evaluations
from odecore.training import optim
from odecore.training.evaluate import Score, failure_outcome, score
from odecore.training.precision import numerics
from odecore.training.streams import generator

# Called after every step and every evaluated batch; a true answer to a step asks the loop to stop there.
AfterStep = Callable[["Training"], bool]


def batches_per_epoch(samples: int, batch_size: int, drop_last: bool) -> int:
    """Batches in one pass over the data."""
    return samples // batch_size if drop_last else math.ceil(samples / batch_size)


class Training:
    """One run of `spec` on `data`: model, optimizer, position, and the metrics so far.

    outcome is None while running, then completed, diverged (non-finite loss or state) or solver_failed, with a detail.
    records: one dict per recorded row; see `_record` for its keys. Raises ValueError when an epoch would have no batch.
    """

    def __init__(self, spec: TrialSpec, data: Dataset, device: torch.device) -> None:
        self.spec, self.data, self.device = spec, data.to(device), device
        self.model = build_model(spec).to(device)
        self.optimizer = optim.build(spec.train.optimizer, self.model)
        self.batches = batches_per_epoch(len(data.train_y), spec.train.batch_size, spec.train.drop_last)
        if not self.batches:
            raise ValueError(f"train.batch_size = {spec.train.batch_size} with drop_last leaves no batch of {len(data.train_y)} samples")
        self.iterations = spec.train.iterations or (spec.train.epochs or 0) * self.batches
        self.iteration = 0
        self.outcome: str | None = None
        self.detail: str | None = None
        self.records: list[dict[str, Any]] = []
        self.train_seconds = 0.0
        self.evaluate_seconds = 0.0
        self.evaluations_forward = 0
        self.evaluations_backward = 0
        self.last_loss = float("nan")
        self._sums = self._fresh_sums()
        self._order: tuple[int, torch.Tensor] = (-1, torch.empty(0))
        self._step_seconds: deque[float] = deque(maxlen=51)

    @property
    def epoch(self) -> int:
        """Passes over the training data begun so far, counted from 0."""
        return self.iteration // self.batches

    @property
    def seconds_per_step(self) -> float:
        """Median of the last steps; 0 before the first."""
        return statistics.median(self._step_seconds) if self._step_seconds else 0.0

    def _fresh_sums(self) -> dict[str, Any]:
        zeros = {name: torch.zeros((), dtype=torch.float64, device=self.device) for name in ("loss", "correct", "gradient_norm_max")}
        return zeros | {"samples": 0, "steps": 0, "evaluations_forward": 0, "evaluations_backward": 0, "train_seconds": 0.0}

    def state(self) -> dict[str, Any]:
        """All that a resume needs, as tensors and plain data. Random streams are keyed by epoch, so the position is their state."""
        return {
            "iteration": self.iteration,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "records": self.records,
            "sums": self._sums,
            "train_seconds": self.train_seconds,
            "evaluate_seconds": self.evaluate_seconds,
            "evaluations_forward": self.evaluations_forward,
            "evaluations_backward": self.evaluations_backward,
            "last_loss": self.last_loss,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("iteration", "records", "train_seconds", "evaluate_seconds", "evaluations_forward", "evaluations_backward", "last_loss"):
            setattr(self, name, state[name])
        self._sums = {name: value.to(self.device) if isinstance(value, torch.Tensor) else value for name, value in state["sums"].items()}

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, index = divmod(self.iteration, self.batches)
        if self._order[0] != epoch:
            order = torch.randperm(len(self.data.train_y), generator=generator(self.spec.seed, "order", epoch))
            self._order = (epoch, order.to(self.device))
        chosen = self._order[1][index * self.spec.train.batch_size : (index + 1) * self.spec.train.batch_size]
        return self.data.inputs(self.data.train_x[chosen]), self.data.train_y[chosen]

    def step(self) -> None:
        """One optimizer step; sets the outcome instead when the loss or the state is not finite or the solver fails."""
        start = time.perf_counter()
        self.model.train()
        reset_evaluations(self.model)
        x, labels = self._batch()
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with numerics(self.spec.precision, self.device):
                logits = self.model(x).float()
                loss = functional.cross_entropy(logits, labels)
            self.last_loss = loss.item()
            if not math.isfinite(self.last_loss):
                self.outcome, self.detail = "diverged", f"the training loss is {self.last_loss}"
                return
            loss.backward()
        except SolveFailed as failure:
            self.outcome, self.detail = failure_outcome(failure), str(failure)
            return
        finally:
            forward, backward = count_evaluations(self.model)
            self.evaluations_forward += forward
            self.evaluations_backward += backward
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = get_total_norm(gradients)
        self.optimizer.step()
        sums = self._sums
        sums["loss"] += loss.detach().double() * len(labels)
        sums["correct"] += (logits.detach().argmax(1) == labels).sum()
        sums["gradient_norm_max"] = torch.maximum(sums["gradient_norm_max"], norm.double())
        sums["samples"] += len(labels)
        sums["steps"] += 1
        sums["evaluations_forward"] += forward
        sums["evaluations_backward"] += backward
        self.iteration += 1
        seconds = time.perf_counter() - start
        sums["train_seconds"] += seconds
        self.train_seconds += seconds
        self._step_seconds.append(seconds)

    def _due(self) -> bool:
        every = self.spec.train.record_every or self.batches
        return self.iteration == self.iterations or self.iteration % every == 0

    def _record(self, on_batch: Callable[[], None]) -> None:
        """Evaluate the test split under the training solver and close the row of the steps since the last one."""
        test = self.score_split("test", on_batch)
        if test.outcome != "completed" and self.iteration == self.iterations:
            # On the way there the row just has no test score; a model that cannot be tested at its end has not completed.
            self.outcome, self.detail = test.outcome, f"on the test split: {test.detail}"
        sums = self._sums
        self.records.append(
            {
                "iteration": self.iteration,
                "epoch": self.iteration // self.batches,
                "loss_train": sums["loss"].item() / sums["samples"],
                "accuracy_train": sums["correct"].item() / self._divisor(sums),
                "loss_test": test.loss,
                "accuracy_test": test.accuracy,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "gradient_norm_max": sums["gradient_norm_max"].item(),
                "evaluations_forward": sums["evaluations_forward"],
                "evaluations_backward": sums["evaluations_backward"],
                "train_seconds": sums["train_seconds"],
                "evaluate_seconds": test.seconds,
                "peak_memory_bytes": peak_memory_bytes(self.device),
            }
        )
        self._sums = self._fresh_sums()

    def _divisor(self, sums: dict[str, Any]) -> int:
        return sums["samples"] if self.spec.fidelity.accuracy_divisor == "count" else sums["steps"] * self.spec.train.batch_size

    def score_split(self, split: Any, on_batch: Callable[[], None] = lambda: None) -> Score:
        """The split's score under the training solver, in the training batch size as the papers do."""
        scored = score(
            self.model,
            self.data,
            split,
            batch_size=self.spec.train.batch_size,
            precision=self.spec.precision,
            accuracy_divisor=self.spec.fidelity.accuracy_divisor,
            on_batch=on_batch,
        )
        self.evaluate_seconds += scored.seconds
        return scored

    def run(self, after_step: AfterStep, on_batch: Callable[[], None] = lambda: None) -> str | None:
        """Train to the end; the outcome, or None when `after_step` asked to stop (its checkpoint is its own business)."""
        while self.outcome is None and self.iteration < self.iterations:
            self.step()
            if self.outcome is None and self._due():
                self._record(on_batch)
            if self.outcome is None and self.iteration < self.iterations and after_step(self):
                return None
        if self.outcome is None:
            self.outcome = "completed"
        return self.outcome


def peak_memory_bytes(device: torch.device) -> int:
    """Peak of the device's allocator, or of this process's resident memory on a CPU (which earlier trials of the process raise too)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
