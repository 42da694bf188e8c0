"""Accuracy and loss of a model on a split, under the solver it has or another one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from odecore.config import Evaluation
from odecore.config.train import Precision
from odecore.data import Dataset
from odecore.models.ode_block import SolveFailed, count_evaluations, reset_evaluations, use_solver
from odecore.solvers.base import SolveStatus
from odecore.training.precision import numerics


@dataclass(frozen=True)
class Score:
    """outcome: completed, diverged or solver_failed; accuracy and loss are NaN unless completed. evaluations: calls of f over all batches."""

    outcome: str
    detail: str | None
    samples: int
    correct: int
    accuracy: float
    loss: float
    batches: int
    evaluations: int
    seconds: float


def failure_outcome(failure: SolveFailed) -> str:
    """A non-finite state is `diverged`; step underflow and the evaluation cap are `solver_failed`."""
    return "diverged" if failure.status is SolveStatus.NON_FINITE else "solver_failed"


def score(
    model: nn.Module,
    data: Dataset,
    split: Literal["test", "train"],
    *,
    batch_size: int,
    precision: Precision = "float32",
    limit: int | None = None,
    accuracy_divisor: Literal["count", "batch_size"] = "count",
    on_batch: Callable[[], None] = lambda: None,
) -> Score:
    """Evaluate `model` in eval mode on the first `limit` samples of `split`, in their stored order. Leaves the mode as it was.

    accuracy_divisor: see `odecore.config.train.Fidelity`. on_batch is called after every batch (a sign of life).
    """
    x, y = (data.test_x, data.test_y) if split == "test" else (data.train_x, data.train_y)
    x, y = x[:limit], y[:limit]
    was_training = model.training
    model.eval()
    reset_evaluations(model)
    start = time.perf_counter()
    correct = torch.zeros((), dtype=torch.int64, device=y.device)
    loss = torch.zeros((), dtype=torch.float64, device=y.device)
    outcome, detail, batches = "completed", None, 0
    try:
        with torch.no_grad(), numerics(precision, y.device):
            for first in range(0, len(y), batch_size):
                logits = model(data.inputs(x[first : first + batch_size])).float()
                labels = y[first : first + batch_size]
                correct += (logits.argmax(1) == labels).sum()
                loss += functional.cross_entropy(logits, labels, reduction="sum").double()
                batches += 1
                on_batch()
    except SolveFailed as failure:
        outcome, detail = failure_outcome(failure), str(failure)
    finally:
        model.train(was_training)
    samples = len(y)
    mean_loss = loss.item() / samples
    if outcome == "completed" and mean_loss != mean_loss:
        outcome, detail = "diverged", "the loss is not finite"
    divisor = samples if accuracy_divisor == "count" else batches * batch_size
    good = outcome == "completed"
    return Score(
        outcome=outcome,
        detail=detail,
        samples=samples,
        correct=int(correct) if good else 0,
        accuracy=int(correct) / divisor if good else float("nan"),
        loss=mean_loss if good else float("nan"),
        batches=batches,
        evaluations=count_evaluations(model)[0],
        seconds=time.perf_counter() - start,
    )


def evaluate(model: nn.Module, data: Dataset, evaluation: Evaluation, on_batch: Callable[[], None] = lambda: None) -> Score:
    """One evaluation of the kept weights, under the evaluation's own solver."""
    with use_solver(model, evaluation.solver):
        return score(
            model,
            data,
            evaluation.split,
            batch_size=evaluation.batch_size,
            precision=evaluation.precision,
            limit=evaluation.limit,
            on_batch=on_batch,
        )
