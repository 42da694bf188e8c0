"""Accuracy and loss of a model on a split, under the solver it has or another one."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from odecore.config import Evaluation
from odecore.config.data import Split
from odecore.config.evaluation import EvaluationPrecision
from odecore.config.train import Noise
from odecore.data import Dataset
from odecore.models.ode_block import (
    SolveFailed,
    count_fallbacks,
    count_nfe,
    reset_nfe,
    use_solver,
)
from odecore.norms.base import BatchTooSmall
from odecore.solvers.base import SolveStatus
from odecore.training.precision import in_float64, numerics
from odecore.training.streams import generator

# Noise has this many times the data's deviation (Zheng 2024, Figure 3 middle), measured on so many
# samples of the split.
NOISE_DEVIATIONS = 10
NOISE_SAMPLES = 1024


@dataclass(frozen=True)
class Score:
    """outcome: completed, diverged or solver_failed; accuracy and loss are NaN unless completed.

    nfe: calls of f over all batches. fallbacks: solves that failed and were repeated by Euler; a
    completed score has them in its detail too.

    A batch too small for a norm by its own statistics is solver_failed too: nothing is wrong with
    the weights, and they have no score.
    """

    outcome: str
    detail: str | None
    samples: int
    correct: int
    accuracy: float
    loss: float
    batches: int
    nfe: int
    seconds: float
    fallbacks: int = 0


def failure_outcome(failure: SolveFailed) -> str:
    """`diverged` for a non-finite state; `solver_failed` for step underflow and the NFE cap."""
    return "diverged" if failure.status is SolveStatus.NON_FINITE else "solver_failed"


def score(
    model: nn.Module,
    data: Dataset,
    split: Split,
    *,
    batch_size: int,
    precision: EvaluationPrecision = "float32",
    limit: int | None = None,
    noise: Noise = "none",
    accuracy_divisor: Literal["count", "batch_size"] = "count",
    on_batch: Callable[[], None] = lambda: None,
) -> Score:
    """Evaluate `model` in eval mode on the first `limit` samples of `split`, in stored order.

    The mode and all weights stay as they were.

    noise: see `one_image_of_noise`. accuracy_divisor: see `odecore.config.train.Fidelity`. on_batch
    is called after every batch (a sign of life).
    Labels of noise images count as any other.
    """
    x, y = (data.test_x, data.test_y) if split == "test" else (data.train_x, data.train_y)
    x, y = x[:limit], y[:limit]
    was_training = model.training
    model.eval()
    reset_nfe(model)
    start = time.perf_counter()
    correct = torch.zeros((), dtype=torch.int64, device=y.device)
    loss = torch.zeros((), dtype=torch.float64, device=y.device)
    outcome, detail, batches = "completed", None, 0
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            stack.enter_context(numerics(precision, y.device))
            if precision == "float64":
                stack.enter_context(in_float64(model))
            inputs = _inputs(data, x, batch_size, noise)
            for labels in y.split(batch_size):
                x_batch = next(inputs)
                logits = (
                    model(x_batch.double()) if precision == "float64" else model(x_batch).float()
                )
                correct += (logits.argmax(1) == labels).sum()
                loss += functional.cross_entropy(logits, labels, reduction="sum").double()
                batches += 1
                on_batch()
    except SolveFailed as failure:
        outcome, detail = failure_outcome(failure), str(failure)
    except BatchTooSmall as failure:
        outcome, detail = "solver_failed", str(failure)
    finally:
        model.train(was_training)
    samples = len(y)
    mean_loss = loss.item() / samples
    if outcome == "completed" and not math.isfinite(mean_loss):
        outcome, detail = "diverged", "the loss is not finite"
    fallbacks = count_fallbacks(model)
    detail = detail or fallback_detail(fallbacks, batches)
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
        nfe=count_nfe(model)[0],
        seconds=time.perf_counter() - start,
        fallbacks=fallbacks,
    )


def fallback_detail(fallbacks: int, passes: int) -> str | None:
    """One line about solves that Euler repeated in so many forward passes, None without any."""
    if not fallbacks:
        return None
    return f"{fallbacks} failed solves in {passes} forward passes were repeated with Euler steps"


def _inputs(data: Dataset, x: Tensor, batch_size: int, noise: Noise) -> Iterator[Tensor]:
    """The model's inputs, batch by batch: (B, ...) each."""
    if noise == "none":
        yield from map(data.inputs, x.split(batch_size))
        return
    sample = data.inputs(x[:NOISE_SAMPLES])
    mean, deviation = sample.mean(), sample.std(correction=0)
    for index, x_batch in enumerate(x.split(batch_size)):
        yield one_image_of_noise(data.inputs(x_batch), mean, deviation, index)


def one_image_of_noise(x_batch: Tensor, mean: Tensor, deviation: Tensor, index: int) -> Tensor:
    """The batch with one image replaced by uniform noise. x_batch: (B, C, H, W).

    It is around `mean` with ten times `deviation`, both scalars of the model's inputs:

    U(mean - sqrt(3) 10 deviation, mean + sqrt(3) 10 deviation). Which image and the noise depend on
    the batch's `index` alone, so that every model meets the same ones. Zheng 2024, Figure 3, says
    no more than "noisy data, on average one in every test batch".
    """
    stream = generator(0, "noise", index)
    place = int(torch.randint(len(x_batch), (), generator=stream))
    uniform = (2 * torch.rand(x_batch.shape[1:], generator=stream) - 1).to(x_batch)
    noisy = x_batch.clone()
    noisy[place] = mean + math.sqrt(3) * NOISE_DEVIATIONS * deviation * uniform
    return noisy


def evaluate(
    model: nn.Module,
    data: Dataset,
    evaluation: Evaluation,
    on_batch: Callable[[], None] = lambda: None,
) -> Score:
    """Evaluate the kept weights under the evaluation's solver, or None for the training's."""
    with ExitStack() as stack:
        if evaluation.solver is not None:
            stack.enter_context(use_solver(model, evaluation.solver))
        return score(
            model,
            data,
            evaluation.split,
            batch_size=evaluation.batch_size,
            precision=evaluation.precision,
            limit=evaluation.limit,
            noise=evaluation.noise,
            on_batch=on_batch,
        )
