"""Our solvers against torchdiffeq: fixed-step results, accepted steps of the adaptive ones, and
torchdiffeq behind our interface.
"""

from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor

from odecore import solvers
from odecore.config.solver import Adaptive, FixedStep, SolverConfig
from odecore.models.fields import ConvField1d
from odecore.solvers.base import SolveStatus, VectorField

SHARED_FIXED = {
    "euler": "euler",
    "midpoint": "midpoint",
    "heun": "heun2",
    "heun3": "heun3",
    "rk4_38": "rk4",
}
PAIRS = ("bosh3", "fehlberg2", "dopri5")


def van_der_pol(t: float, x: Tensor) -> Tensor:
    """Stiff enough in places that steps are rejected, with a force that depends on t."""
    position, speed = x[..., 0], x[..., 1]
    force = torch.sin(torch.as_tensor(12 * t, dtype=x.dtype))
    return 4 * torch.stack([speed, 2 * (1 - position**2) * speed - position + force], dim=-1)


START = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.5, -3.0]], dtype=torch.float64)


class Recorded:
    """A field as torchdiffeq takes it, with its callbacks."""

    def __init__(self, f: VectorField) -> None:
        self.f = f
        self.evaluations = 0
        self.accepted: list[float] = []
        self.rejected = 0

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        self.evaluations += 1
        return self.f(float(t), x)

    def callback_accept_step(self, t: Tensor, _x: Tensor, h: Tensor) -> None:
        self.accepted.append(float(t + h))

    def callback_reject_step(self, _t: Tensor, _x: Tensor, _h: Tensor) -> None:
        self.rejected += 1


@pytest.fixture
def sphere_field() -> ConvField1d:
    torch.manual_seed(0)
    field = ConvField1d(2, 32).requires_grad_(False)
    for parameter in field.parameters():
        parameter.normal_(std=0.3)
    return field


@pytest.mark.parametrize(("ours", "theirs"), SHARED_FIXED.items())
@pytest.mark.parametrize("steps", [1, 7, 49])
def test_fixed_step_result_is_torchdiffeqs(
    ours: Any, theirs: str, steps: int, sphere_field: ConvField1d
) -> None:
    x0 = torch.randn(16, 2, generator=torch.Generator().manual_seed(1))
    # Their own grid from step_size has a step too many at 49: the number of steps is given as times
    # instead.
    times = torch.linspace(0, 1, steps + 1)
    expected = torchdiffeq.odeint(lambda t, x: sphere_field(float(t), x), x0, times, method=theirs)[
        -1
    ]
    solution = solvers.build(FixedStep(name=ours, steps=steps))(sphere_field.bind(), x0)
    torch.testing.assert_close(solution.x1, expected, rtol=1e-6, atol=1e-6)
    assert solution.status is SolveStatus.OK


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("tolerance", [1e-3, 1e-5])
def test_adaptive_steps_are_torchdiffeqs(name: Any, tolerance: float) -> None:
    assert_same_steps(name, tolerance, van_der_pol, START, within=1e-11)


@pytest.mark.parametrize("name", PAIRS)
def test_adaptive_steps_are_torchdiffeqs_in_float32(name: Any, sphere_field: ConvField1d) -> None:
    x0 = torch.randn(128, 2, generator=torch.Generator().manual_seed(1))
    assert_same_steps(name, 1e-4, sphere_field, x0, within=1e-4)


def assert_same_steps(
    name: Any, tolerance: float, f: VectorField, x0: Tensor, within: float
) -> None:
    recorded = Recorded(f)
    times = torch.tensor([0.0, 1.0], dtype=x0.dtype)
    onto_end = {
        "step_t": torch.tensor([1.0], dtype=torch.float64)
    }  # so that it ends on t = 1 too, instead of passing it and interpolating
    expected = torchdiffeq.odeint(
        recorded, x0, times, rtol=tolerance, atol=tolerance, method=name, options=onto_end
    )[-1]
    accepted: list[float] = []
    solution = solvers.build(Adaptive(name=name, tolerance=tolerance))(
        f, x0, on_step=lambda t, _x: accepted.append(t)
    )
    assert accepted == pytest.approx(recorded.accepted, abs=within)
    assert accepted[-1] == 1.0
    counts = (solution.nfe, solution.steps_accepted, solution.steps_rejected)
    assert counts == (recorded.evaluations, len(recorded.accepted), recorded.rejected)
    torch.testing.assert_close(solution.x1, expected, rtol=within, atol=within)


def test_these_problems_do_reject_steps() -> None:
    assert all(
        solvers.build(Adaptive(name=name, tolerance=1e-3))(van_der_pol, START).steps_rejected > 3
        for name in PAIRS
    )


@pytest.mark.parametrize("ours", SHARED_FIXED)
@pytest.mark.parametrize("steps", [1, 49, 103])
def test_backend_takes_exactly_the_steps_asked_for(ours: Any, steps: int) -> None:
    config = FixedStep(name=ours, steps=steps)
    mine = solvers.build(config)(van_der_pol, START)
    reference = solvers.build(config.model_copy(update={"backend": "torchdiffeq"}))(
        van_der_pol, START
    )
    assert (reference.nfe, reference.steps_accepted) == (mine.nfe, steps)
    torch.testing.assert_close(reference.x1, mine.x1, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert reference.status is mine.status


@pytest.mark.parametrize("name", PAIRS)
def test_adaptive_backend_agrees_within_the_tolerance(name: Any) -> None:
    mine, reference = (
        solvers.build(Adaptive(name=name, tolerance=1e-6, backend=backend))(van_der_pol, START)
        for backend in ("odecore", "torchdiffeq")
    )
    torch.testing.assert_close(reference.x1, mine.x1, rtol=1e-3, atol=1e-3)
    # The last step may differ: they pass t1 where we stop on it.
    assert (
        abs(
            reference.steps_accepted
            + reference.steps_rejected
            - mine.steps_accepted
            - mine.steps_rejected
        )
        <= 2
    )
    assert reference.status is SolveStatus.OK


@pytest.mark.parametrize(
    "config",
    [
        FixedStep(name="heun", steps=5, backend="torchdiffeq"),
        Adaptive(name="dopri5", tolerance=1e-3, backend="torchdiffeq"),
    ],
)
def test_backend_reports_the_end_of_every_step(config: SolverConfig) -> None:
    seen: list[tuple[float, Tensor]] = []
    solution = solvers.build(config)(van_der_pol, START, on_step=lambda t, x: seen.append((t, x)))
    times = [t for t, _ in seen]
    assert len(times) == solution.steps_accepted
    assert times == sorted(times)
    assert times[-1] == 1.0
    assert torch.equal(seen[-1][1], solution.x1)


def test_classical_rk4_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"torchdiffeq has no 'rk4'.*solver.name = .*rk4_38"):
        FixedStep(name="rk4", steps=4, backend="torchdiffeq")
