"""The idle model: trainable, counts across a resume, and each fault does what it is called."""

import multiprocessing
import resource
import signal
import time
from typing import Any

import pytest
import torch

from odecore.config import TrialSpec
from odecore.models import build_model
from odecore.models.idle import Idle, show


def build(**fields: Any) -> Idle:
    values = {
        "data": {"name": "spheres"},
        "model": {"name": "idle", **fields},
        "solver": {"name": "euler", "steps": 1},
        "train": {"iterations": 1},
    }
    model = build_model(TrialSpec.model_validate(values))
    assert isinstance(model, Idle)
    return model


def test_it_trains() -> None:
    model = build()
    logits = model(torch.rand(6, 2))
    assert logits.shape == (6, 2)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0, 0, 0, 1, 1])).backward()
    assert model.offset.grad is not None
    # softmax(0, 0) = 1/2 against a share of 4/6.
    assert model.offset.grad.item() == pytest.approx(0.5 - 4 / 6)
    assert (model.blocks, model.depth_layers) == (0, 1)


def test_a_resumed_run_meets_the_fault_where_an_uncut_one_would() -> None:
    first = build(fault="raise", at_step=3)
    for _ in range(2):
        first(torch.rand(2, 2))
    resumed = build(fault="raise", at_step=3)
    resumed.load_state_dict(first.state_dict())
    resumed.eval()
    resumed(torch.rand(2, 2))  # an evaluation is no training step
    resumed.train()
    with pytest.raises(RuntimeError, match="planted"):
        resumed(torch.rand(2, 2))
    resumed(torch.rand(2, 2))  # only that step


def test_it_sleeps_in_training_only() -> None:
    model = build(seconds=0.05)
    start = time.perf_counter()
    model(torch.rand(2, 2))
    assert time.perf_counter() - start > 0.05
    start = time.perf_counter()
    model.eval()(torch.rand(2, 2))
    assert time.perf_counter() - start < 0.05


@pytest.mark.parametrize(
    ("fault", "died_of"), [("segfault", signal.SIGSEGV), ("kill_self", signal.SIGKILL)]
)
def test_deadly_faults(fault: str, died_of: int) -> None:
    child = multiprocessing.get_context("spawn").Process(target=show, args=(fault,))
    child.start()
    child.join(60)
    assert child.exitcode == -died_of


def test_hang_never_returns() -> None:
    child = multiprocessing.get_context("spawn").Process(target=show, args=("hang",))
    child.start()
    try:
        child.join(4)
        assert child.is_alive()
    finally:
        child.kill()
        child.join()


def test_allocate_fails_and_restores_the_limit() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(RuntimeError, match=r"(?i)memory"):
        show("allocate")
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert torch.empty(2**20).fill_(1).sum() == 2**20


def test_an_unknown_fault_is_an_error() -> None:
    with pytest.raises(ValueError, match="no fault 'sneeze'"):
        show("sneeze")
