"""The ODE block: counts, failure, and solving with another solver for a while."""

import pytest
import torch
from torch import Tensor, nn

from odecore import gradients, solvers
from odecore.config.gradient import Adjoint, Backprop, Checkpoint, GradientConfig
from odecore.config.solver import Adaptive, FixedStep
from odecore.models.fields import ConvField1d, FieldModule
from odecore.models.ode_block import (
    ODEBlock,
    SolveFailed,
    count_nfe,
    reset_nfe,
    use_solver,
)
from odecore.solvers.base import SolveStatus, VectorField

EULER = FixedStep(name="euler", steps=3)


def two_blocks(gradient: GradientConfig = Backprop()) -> nn.Sequential:  # noqa: B008 - configs are immutable
    torch.manual_seed(0)
    return nn.Sequential(
        *(
            ODEBlock(ConvField1d(2, 4), solvers.build(EULER), gradients.build(gradient))
            for _ in range(2)
        )
    )


def test_counts_are_summed_over_blocks_until_reset() -> None:
    model = two_blocks(Checkpoint())
    x = torch.randn(5, 2)
    model(x).sum().backward()
    assert count_nfe(model) == (6, 6)
    model(x)
    assert count_nfe(model) == (12, 6)
    reset_nfe(model)
    assert count_nfe(model) == (0, 0)


def test_another_solver_for_a_while() -> None:
    model = two_blocks(Adjoint())
    x = torch.randn(5, 2)
    before = model(x)
    reset_nfe(model)
    with use_solver(model, FixedStep(name="rk4", steps=2)), torch.no_grad():
        inside = model(x)
    assert count_nfe(model) == (16, 0)
    assert not torch.equal(inside, before)
    assert torch.equal(model(x), before)


def test_the_solver_comes_back_after_an_error() -> None:
    model = two_blocks()
    kept = [(block.solver, block.gradient) for block in model]
    with (
        pytest.raises(RuntimeError, match="stop"),
        use_solver(model, Adaptive(name="dopri5", tolerance=1e-3)),
    ):
        raise RuntimeError("stop")
    assert [(block.solver, block.gradient) for block in model] == kept


class Clock(FieldModule):
    """dx/dt = 1, so that x(t) = x(0) + t."""

    def bind(self) -> VectorField:
        return lambda _t, x: torch.ones_like(x)


@pytest.mark.parametrize(
    "gradient", [Backprop(), Checkpoint(), Checkpoint(every="step"), Adjoint()]
)
def test_the_end_time_of_a_block(gradient: GradientConfig) -> None:
    block = ODEBlock(Clock(), solvers.build(EULER), gradients.build(gradient))
    x = torch.zeros(2, 1, requires_grad=True)
    for end_time in (0.5, 1.5, 1.0):
        block.end_time = end_time
        torch.testing.assert_close(block(x), torch.full((2, 1), end_time))


class Explosion(FieldModule):
    def bind(self) -> VectorField:
        def f(_t: float, x: Tensor) -> Tensor:
            return x**2

        return f


def test_a_failed_solve_raises_its_status_and_still_counts() -> None:
    block = ODEBlock(
        Explosion(),
        solvers.build(Adaptive(name="dopri5", tolerance=1e-3, max_evaluations=20)),
        gradients.build(Backprop()),
    )
    with pytest.raises(SolveFailed) as raised:
        block(torch.tensor([[100.0, 1.0]]))
    assert raised.value.status is SolveStatus.MAX_EVALUATIONS
    assert 0 < block.nfe_forward <= 20
    with pytest.raises(SolveFailed) as raised, use_solver(block, FixedStep(name="euler", steps=50)):
        block(torch.tensor([[100.0, 1.0]]))
    assert raised.value.status is SolveStatus.NON_FINITE


@pytest.mark.parametrize(
    "gradient", [Backprop(), Checkpoint(), Checkpoint(every="step"), Adjoint()]
)
def test_training_steps_can_follow_each_other(gradient: GradientConfig) -> None:
    model = two_blocks(gradient)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x = torch.randn(16, 2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
