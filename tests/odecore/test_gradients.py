"""Gradient methods against closed forms and against each other, and the NFE of each."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from odecore import gradients, solvers
from odecore.config.gradient import Adjoint, Backprop, Checkpoint, GradientConfig
from odecore.config.solver import Adaptive, FixedStep, SolverConfig
from odecore.models.fields import ConvField1d, FieldModule
from odecore.models.ode_block import ODEBlock, SolveFailed
from odecore.solvers.base import SolveStatus, VectorField

METHODS = {
    "backprop": Backprop(),
    "checkpoint_block": Checkpoint(every="block"),
    "checkpoint_step": Checkpoint(every="step"),
    "adjoint": Adjoint(),
}
EVERY_METHOD = pytest.mark.parametrize("gradient", METHODS.values(), ids=METHODS.keys())
SOLVERS = {
    "euler": FixedStep(name="euler", steps=6),
    "rk4_38": FixedStep(name="rk4_38", steps=3),
    "dopri5": Adaptive(name="dopri5", tolerance=1e-4),
}
EVERY_SOLVER = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())


class Growth(FieldModule):
    """dx/dt = a x."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def bind(self) -> VectorField:
        return lambda _t, x: self.a * x


def growth_derivatives(
    config: SolverConfig, gradient: GradientConfig, a: float, t1: float = 1.0
) -> tuple[float, float, float]:
    """(x1, dx1/da, dx1/dx0) for x0 = 2 over [0, t1]."""
    field, x0 = Growth(a), torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    solution = gradients.build(gradient)(field, x0, solvers.build(config), t1)
    assert solution.status is SolveStatus.OK
    solution.x1.sum().backward()
    assert field.a.grad is not None
    assert x0.grad is not None
    return solution.x1.item(), field.a.grad.item(), x0.grad.item()


@EVERY_METHOD
@pytest.mark.parametrize(
    "config",
    [Adaptive(name="dopri5", tolerance=1e-10), FixedStep(name="rk4_38", steps=100)],
    ids=["dopri5", "rk4_38"],
)
def test_gradient_of_exponential_growth(gradient: GradientConfig, config: SolverConfig) -> None:
    expected = (2 * math.exp(-0.5), 2 * math.exp(-0.5), math.exp(-0.5))
    assert growth_derivatives(config, gradient, a=-0.5) == pytest.approx(expected, rel=1e-8)


@EVERY_METHOD
@pytest.mark.parametrize(
    "config",
    [Adaptive(name="dopri5", tolerance=1e-10), FixedStep(name="rk4_38", steps=100)],
    ids=["dopri5", "rk4_38"],
)
def test_the_end_time_is_any(gradient: GradientConfig, config: SolverConfig) -> None:
    for t1 in (0.4, 1.3):
        growth = math.exp(-0.5 * t1)
        assert growth_derivatives(config, gradient, a=-0.5, t1=t1) == pytest.approx(
            (2 * growth, 2 * t1 * growth, growth), rel=1e-8
        )


@pytest.mark.parametrize("name", ["backprop", "checkpoint_block", "checkpoint_step"])
def test_these_gradients_are_those_of_the_discrete_solve(name: str) -> None:
    # Euler: x1 = x0 (1 + a/K)^K, far from the exponential at K = 4.
    base = 1 - 0.5 / 4
    expected = (2 * base**4, 2 * base**3, base**4)
    assert growth_derivatives(
        FixedStep(name="euler", steps=4), METHODS[name], a=-0.5
    ) == pytest.approx(expected, rel=1e-14)


class Smooth(FieldModule):
    """A net without kinks: at those, gradients of the discrete solve and of the equation differ by
    more than the tolerance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)).double()

    def bind(self) -> VectorField:
        return lambda _t, x: self.layers(x)


def block_gradients(
    config: SolverConfig,
    gradient: GradientConfig,
    make_field: Callable[[], FieldModule] = lambda: ConvField1d(2, 8),
) -> tuple[Tensor, tuple[int, int]]:
    """All gradients of a small net's block in one vector, and its NFE (forward, backward)."""
    torch.manual_seed(0)
    field = make_field().double()
    x0 = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    block = ODEBlock(field, solvers.build(config), gradients.build(gradient))
    block(x0).square().sum().backward()
    parts = [x0.grad, *(parameter.grad for parameter in field.parameters())]
    return torch.cat([part.flatten() for part in parts if part is not None]), (
        block.nfe_forward,
        block.nfe_backward,
    )


@EVERY_SOLVER
@pytest.mark.parametrize("name", ["checkpoint_block", "checkpoint_step"])
def test_recomputation_changes_no_bit(name: str, solver: Any) -> None:
    plain, _ = block_gradients(solver, Backprop())
    recomputed, _ = block_gradients(solver, METHODS[name])
    assert torch.equal(recomputed, plain)
    assert plain.norm() > 0.1


def adjoint_difference(config: SolverConfig) -> float:
    plain, adjoint = (
        block_gradients(config, gradient, Smooth)[0] for gradient in (Backprop(), Adjoint())
    )
    return ((adjoint - plain).norm() / plain.norm()).item()


def test_adjoint_differs_by_the_solver_error_only() -> None:
    coarse, fine = (adjoint_difference(FixedStep(name="euler", steps=steps)) for steps in (32, 64))
    assert coarse > 1e-3
    assert coarse / fine == pytest.approx(2, abs=0.1)
    assert adjoint_difference(Adaptive(name="dopri5", tolerance=1e-9)) < 1e-7


@pytest.mark.parametrize(
    ("solver", "stages"),
    [("euler", 1), ("midpoint", 2), ("heun", 2), ("heun3", 3), ("rk4_38", 4)],
)
@pytest.mark.parametrize(
    ("gradient", "backward_factor"),
    [("backprop", 0), ("checkpoint_block", 1), ("checkpoint_step", 1), ("adjoint", 1)],
)
def test_evaluations_of_fixed_step_solvers(
    solver: Any, stages: int, gradient: str, backward_factor: int
) -> None:
    _, counts = block_gradients(FixedStep(name=solver, steps=5), METHODS[gradient])
    assert counts == (5 * stages, 5 * stages * backward_factor)


@pytest.mark.parametrize(("name", "stages"), [("bosh3", 4), ("fehlberg2", 3), ("dopri5", 7)])
def test_evaluations_of_adaptive_solvers(name: Any, stages: int) -> None:
    config = Adaptive(name=name, tolerance=1e-4)
    torch.manual_seed(0)
    field = ConvField1d(2, 8).double()
    solution = solvers.build(config)(field.bind(), torch.randn(5, 2, dtype=torch.float64))
    # First slope, initial step, and all stages but the reused one in every step tried.
    forward = 2 + (stages - 1) * (solution.steps_accepted + solution.steps_rejected)
    assert solution.nfe == forward
    assert block_gradients(config, Backprop())[1] == (forward, 0)
    assert block_gradients(config, METHODS["checkpoint_block"])[1] == (forward, forward)
    assert block_gradients(config, METHODS["checkpoint_step"])[1] == (
        forward,
        (stages - 1) * solution.steps_accepted,
    )


def test_evaluations_of_the_adjoint_follow_its_tolerance() -> None:
    config = Adaptive(name="dopri5", tolerance=1e-4)
    tight, same, loose = (
        block_gradients(config, Adjoint(tolerance=tolerance))[1] for tolerance in (1e-6, None, 1e-1)
    )
    assert tight[0] == same[0] == loose[0]
    assert tight[1] > same[1] > loose[1] > 0


@EVERY_METHOD
@EVERY_SOLVER
def test_nothing_is_recomputed_or_kept_without_gradients(
    gradient: GradientConfig, solver: Any
) -> None:
    block = ODEBlock(ConvField1d(2, 8), solvers.build(solver), gradients.build(gradient))
    with torch.no_grad():
        x1 = block(torch.randn(5, 2))
    assert not x1.requires_grad
    assert block.nfe_forward > 0
    assert block.nfe_backward == 0


def stored_bytes(run: Callable[[], object]) -> int:
    """What autograd keeps for the backward pass, each storage once."""
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = run()
    assert kept is not None
    return sum(seen.values())


def test_recomputing_stores_less() -> None:
    x0 = torch.randn(64, 2, requires_grad=True)

    def stored(gradient: GradientConfig) -> int:
        torch.manual_seed(0)
        block = ODEBlock(
            ConvField1d(2, 32),
            solvers.build(FixedStep(name="euler", steps=16)),
            gradients.build(gradient),
        )
        return stored_bytes(lambda: block(x0))

    by_method = {name: stored(gradient) for name, gradient in METHODS.items()}
    assert by_method["backprop"] > 5 * by_method["checkpoint_step"]
    assert by_method["checkpoint_step"] >= by_method["checkpoint_block"]
    assert by_method["backprop"] > 5 * by_method["adjoint"]


@pytest.mark.parametrize("name", METHODS)
def test_a_failed_solve_keeps_its_status(name: str) -> None:
    config = Adaptive(name="dopri5", tolerance=1e-8, max_evaluations=10)
    solution = gradients.build(METHODS[name])(
        Growth(50.0),
        torch.tensor([2.0], dtype=torch.float64, requires_grad=True),
        solvers.build(config),
    )
    assert solution.status is SolveStatus.MAX_EVALUATIONS


def test_a_failure_on_the_way_back_is_a_failed_solve() -> None:
    # The forward solve fits the cap, the much tighter backward one does not.
    config = Adaptive(name="dopri5", tolerance=1e-3, max_evaluations=40)
    solution = gradients.build(Adjoint(tolerance=1e-12))(
        Growth(1.0), torch.tensor([2.0], dtype=torch.float64), solvers.build(config)
    )
    assert solution.status is SolveStatus.OK
    with pytest.raises(SolveFailed) as raised:
        solution.x1.sum().backward()
    assert raised.value.status is SolveStatus.MAX_EVALUATIONS


def test_an_underflow_on_the_way_back_is_a_failed_solve() -> None:
    solution = gradients.build(Adjoint())(
        Growth(1.0),
        torch.tensor([2.0], dtype=torch.float64),
        solvers.build(Adaptive(name="dopri5", tolerance=1e-3)),
    )
    with pytest.raises(SolveFailed) as raised:
        (solution.x1 * math.nan).sum().backward()
    assert raised.value.status in (SolveStatus.NON_FINITE, SolveStatus.STEP_UNDERFLOW)


def test_combinations_that_cannot_work_say_what_would() -> None:
    x0 = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    reference = solvers.build(FixedStep(name="euler", steps=4, backend="torchdiffeq"))
    with pytest.raises(ValueError, match="every = 'step' needs a solver with backend 'odecore'"):
        gradients.build(Checkpoint(every="step"))(Growth(1.0), x0, reference)
    with pytest.raises(ValueError, match="torchdiffeq has no 'rk4'"):
        gradients.build(Adjoint())(Growth(1.0), x0, solvers.build(FixedStep(name="rk4", steps=4)))
    with pytest.raises(
        ValueError, match="tolerance has no meaning for the fixed-step solver 'euler'"
    ):
        gradients.build(Adjoint(tolerance=1e-3))(Growth(1.0), x0, reference)
