"""Norms inside ODE blocks: what a training step changes, and when, and gradients by recomputation,
bit for bit.
"""

import threading
from typing import Any

import pytest
import torch
from norm_blocks import EULER, NORMS, buffers, trained, two_blocks
from torch import Tensor

from odecore.config.gradient import Adjoint, Backprop, Checkpoint
from odecore.config.norm import Batch, NormConfig, Spectral, TemporalBatch
from odecore.config.solver import Adaptive, FixedStep
from odecore.models.ode_block import repeat_side_effects
from odecore.norms import side_effects

STATELESS = ("mini_batch", "layer", "weight")
EVERY_NORM = pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS.keys())
CHECKPOINTS = pytest.mark.parametrize(
    "gradient", [Checkpoint(), Checkpoint(every="step")], ids=["block", "step"]
)
SOLVERS = {
    "euler": EULER,
    "rk4": FixedStep(name="rk4", steps=2),
    "dopri5": Adaptive(name="dopri5", tolerance=1e-3),
}


@EVERY_NORM
@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
def test_recomputation_gives_the_same_bits_and_changes_nothing_more(
    norm: NormConfig, solver: Any
) -> None:
    plain, plain_state = trained(two_blocks(norm, solver), lr=1e-3)
    for every in ("block", "step"):
        recomputed, recomputed_state = trained(
            two_blocks(norm, solver, Checkpoint(every=every)), lr=1e-3
        )
        assert torch.equal(recomputed, plain)
        assert torch.equal(recomputed_state, plain_state)
    assert plain.norm() > 0.1


@CHECKPOINTS
def test_recomputation_in_another_thread(gradient: Checkpoint) -> None:
    # As on a CUDA device, where autograd has threads of its own.
    def backward_there(loss: Tensor) -> None:
        thread = threading.Thread(target=loss.backward)
        thread.start()
        thread.join()

    for norm in (Spectral(), Batch()):
        there, here = (
            trained(two_blocks(norm, EULER, gradient), backward=backward_there),
            trained(two_blocks(norm)),
        )
        assert all(torch.equal(*pair) for pair in zip(there, here, strict=True))


def test_two_backward_passes_through_one_recomputed_graph() -> None:
    model, x = (
        two_blocks(Spectral(), EULER, Checkpoint()),
        torch.randn(3, 2, 4, 4, dtype=torch.float64, requires_grad=True),
    )
    loss = model(x).square().sum()
    first, second = (torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


@EVERY_NORM
def test_the_adjoint_changes_something_on_the_way_back_only_as_anode(norm: NormConfig) -> None:
    for anode in (False, True):
        model = two_blocks(norm, EULER, Adjoint(), anode)
        loss = model(torch.randn(3, 2, 4, 4, dtype=torch.float64)).square().sum()
        before = buffers(model)
        loss.backward()
        assert torch.equal(buffers(model), before) == (not anode or norm.name in STATELESS)


@pytest.mark.parametrize("name", ["batch", "layer", "spectral", "ta_bn"])
def test_the_adjoint_goes_to_the_plain_gradient(name: str) -> None:
    def difference(tolerance: float) -> float:
        found = []
        for gradient in (Backprop(), Adjoint()):
            model = two_blocks(NORMS[name], Adaptive(name="dopri5", tolerance=tolerance), gradient)[
                :1
            ]
            if name == "spectral":
                # In training each evaluation is another function, and no equation has that
                # gradient: freeze vectors that have settled.
                trained(model)
                model.eval()
            found.append(trained(model, steps=1)[0])
        plain, adjoint = found
        return ((adjoint - plain).norm() / plain.norm()).item()

    # TA-BN has a kink in t at each grid point, which costs the solver its order.
    assert difference(1e-5) < min(0.1 * difference(1e-2), 1e-2)


@EVERY_NORM
def test_a_second_time_only_when_asked_and_only_in_training(norm: NormConfig) -> None:
    model = two_blocks(norm, anode=True)
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    model(x).sum().backward()
    after = buffers(model)
    repeat_side_effects(model)
    again = buffers(model)
    assert torch.equal(again, after) == (norm.name in STATELESS)
    repeat_side_effects(model)
    assert torch.equal(buffers(model), again)
    model.eval()(x).sum().backward()
    repeat_side_effects(model)
    with torch.no_grad():
        model.train()(x)
    without_graph = buffers(model)
    repeat_side_effects(model)
    assert torch.equal(buffers(model), without_graph)
    plain = two_blocks(norm)
    plain(x).sum().backward()
    assert torch.equal(buffers(plain), after)
    repeat_side_effects(plain)
    assert torch.equal(buffers(plain), after)


def test_withheld_changes() -> None:
    for norm in (Batch(), Spectral(), TemporalBatch()):
        model = two_blocks(norm)
        before = buffers(model)
        with side_effects.handled_by(side_effects.withhold):
            model(torch.randn(3, 2, 4, 4, dtype=torch.float64))
        assert torch.equal(buffers(model), before)
