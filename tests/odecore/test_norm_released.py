"""TA-BN as released, against hand-computed tables and literal forms with lists."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

from odecore import gradients, norms, solvers
from odecore.config.gradient import Adjoint
from odecore.config.norm import TemporalBatch
from odecore.config.solver import FixedStep
from odecore.models.fields import FieldModule
from odecore.models.ode_block import ODEBlock
from odecore.norms.interpolation import LENGTH_SCALE, NOISE_VARIANCE, mirrored
from odecore.norms.temporal import TemporalBatchNorm
from odecore.solvers.base import VectorField

RELEASED: dict[str, Any] = {
    "grid": "half_open",
    "mirrored": True,
    "skip_first_visit": True,
}
END = 0.99


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        # By hand on 0, 0.01 .. 0.99: at 0.123 left 0.12 has 0.003 / 0.01, right 0.13 has 0.7.
        (0.123, {12: 0.3, 13: 0.7}),
        (0.5025, {50: 0.25, 51: 0.75}),
        (0.987, {98: 0.7, 99: 0.3}),
        # At a grid point the value jumps to that of the next one.
        (0.5, {50: 0.0, 51: 1.0}),
        (0.29, {29: 0.0, 30: 1.0}),
        (float(np.float32(0.29)), {29: 0.0, 30: 1.0}),
        (0.0, {0: 1.0}),
        (-0.2, {0: 1.0}),
        (0.99, {99: 1.0}),
        (0.995, {99: 1.0}),
        (1.3, {99: 1.0}),
    ],
)
def test_mirrored_weights_by_hand(t: float, expected: dict[int, float]) -> None:
    first, values = mirrored(t, 99, END)
    found = dict(enumerate(values, start=first))
    assert set(found) == set(expected)
    for index, weight in expected.items():
        assert found[index] == pytest.approx(weight, abs=2e-6)


class Literal:
    """The released form in numbers of Python for one channel."""

    def __init__(self, gamma: list[float], alpha: list[float]) -> None:
        self.times = [0.01 * number for number in range(100)]
        self.gamma, self.alpha = gamma, alpha
        self.mean, self.variance = [0.0] * 100, [1.0] * 100
        self.visited = [False] * 100

    def weights(self, t: float) -> dict[int, float]:
        if t <= self.times[0]:
            return {0: 1.0}
        if t >= self.times[-1]:
            return {99: 1.0}
        left = max(number for number in range(100) if self.times[number] <= t)
        t1, t2 = self.times[left], self.times[left + 1]
        return {left: (t - t1) / (t2 - t1), left + 1: (t2 - t) / (t2 - t1)}

    def __call__(self, values: list[float], t: float, training: bool) -> list[float]:
        weights = self.weights(t)

        def at(grid: list[float]) -> float:
            return sum(weight * grid[number] for number, weight in weights.items())

        if not training:
            mean, variance = at(self.mean), at(self.variance)
        else:
            mean = sum(values) / len(values)
            squares = sum((value - mean) ** 2 for value in values)
            variance = squares / len(values)
            for number, weight in weights.items():
                if self.visited[number]:
                    eta = 0.1 * weight
                    self.mean[number] += eta * (mean - self.mean[number])
                    unbiased = squares / (len(values) - 1)
                    self.variance[number] += eta * (unbiased - self.variance[number])
                self.visited[number] = True
        return [
            (value - mean) / (variance + 1e-5) ** 0.5 * at(self.gamma) + at(self.alpha)
            for value in values
        ]


def made(channels: int, **config: Any) -> TemporalBatchNorm:
    norm = TemporalBatchNorm(channels, TemporalBatch(**config)).double()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for grid in (norm.gamma, norm.alpha):
            grid.add_(0.3 * torch.randn(grid.shape, generator=random, dtype=torch.float64))
    return norm


def test_released_form_by_its_description() -> None:
    norm = made(1, **RELEASED)
    literal = Literal(norm.gamma.flatten().tolist(), norm.alpha.flatten().tolist())
    times = [0.003, 0.123, 0.0, 0.126, 0.123, 0.003, 0.995, 1.2, 0.987, 0.131]
    for training in (True, True, False):
        norm.train(training)
        for call, t in enumerate(times):
            random = torch.Generator().manual_seed(call)
            x = 1 + 2 * torch.randn(6, 1, generator=random, dtype=torch.float64)
            expected = literal(x.flatten().tolist(), t, training)
            torch.testing.assert_close(
                norm(x, t).flatten(), torch.tensor(expected, dtype=torch.float64)
            )
    for running, grid in (
        (norm.running_mean, literal.mean),
        (norm.running_var, literal.variance),
    ):
        torch.testing.assert_close(running.flatten(), torch.tensor(grid, dtype=torch.float64))


def test_first_visit_is_marked_and_changes_nothing() -> None:
    norm = made(2, skip_first_visit=True, grid_size=4)
    x = torch.randn(5, 2, dtype=torch.float64)
    norm(x, 0.3)
    assert norm.running_mean.eq(0).all()
    assert norm.running_var.eq(1).all()
    norm(x, 0.3)
    assert norm.running_mean.abs().sum(1).nonzero().flatten().tolist() == [1, 2]


def test_kernel_moves_all_points_with_a_momentum_that_grows_with_the_epochs() -> None:
    norm = made(1, interpolation="kernel", statistics="kernel", grid_size=9)
    x, expected = torch.randn(7, 1, dtype=torch.float64), [0.0] * 10
    for epoch, t in ((0, 0.2), (3, 0.55), (200, 0.0), (5, 1.1)):
        norms.set_epoch(norm, epoch)
        norm(x, t)
        kernel = [math.exp(-0.5 * ((t - m / 9) / 0.1) ** 2) for m in range(10)]
        growth = min(1.01**epoch, 2.0)
        for m in range(10):
            if t <= 1:
                eta = min(1.0, growth * kernel[m] / sum(kernel))
                expected[m] += eta * (x.mean().item() - expected[m])
    assert norm.running_mean.flatten().tolist() == pytest.approx(expected, abs=1e-12)


def test_cubic_knots_are_fitted_by_adamw() -> None:
    norm = made(3, interpolation="cubic_spline", statistics="descent", grid_size=9)
    mean = torch.zeros(10, 3, dtype=torch.float64, requires_grad=True)
    variance = torch.ones(10, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([mean, variance], lr=1e-3)
    spline = CubicSpline(np.arange(10) / 9, np.eye(10), bc_type="natural")
    for call, t in enumerate((0.0, 0.37, 0.9, 0.37)):
        random = torch.Generator().manual_seed(call)
        x = 3 + torch.randn(8, 3, generator=random, dtype=torch.float64)
        norm(x, t)
        weights = torch.from_numpy(spline(t))
        for _ in range(4):
            optimizer.zero_grad()
            fitted = weights @ mean, weights @ variance
            batch = x.mean(0), x.var(0, correction=1)
            losses = [nn.functional.mse_loss(*pair) for pair in zip(fitted, batch, strict=True)]
            torch.stack(losses).sum().backward()
            nn.utils.clip_grad_norm_([mean, variance], 0.1)
            optimizer.step()
    torch.testing.assert_close(norm.running_mean, mean.detach(), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(norm.running_var, variance.detach(), rtol=1e-8, atol=1e-10)


def test_gaussian_process_is_refitted_every_100_calls() -> None:
    norm = made(2, interpolation="gaussian_process", statistics="refit", grid_size=9)
    times, means, expected = [], [], torch.zeros(10, 2, dtype=torch.float64)
    for call in range(250):
        random = torch.Generator().manual_seed(call)
        t = torch.rand((), generator=random).item()
        x = t + torch.randn(5, 2, generator=random, dtype=torch.float64)
        before = norm.running_mean.clone()
        norm(x, t)
        times.append(t)
        means.append(x.mean(0))
        if len(times) < 100:
            assert torch.equal(norm.running_mean, before)
            continue
        # Ordinary kriging by its bordered system.
        system = np.ones((101, 101))
        system[100, 100] = 0
        system[:100, :100] = np.exp(-0.5 * (np.subtract.outer(times, times) / LENGTH_SCALE) ** 2)
        system[:100, :100] += NOISE_VARIANCE * np.eye(100)
        right = np.ones((101, 10))
        right[:100] = np.exp(-0.5 * (np.subtract.outer(times, np.arange(10) / 9) / 0.1) ** 2)
        weights = torch.from_numpy(np.linalg.solve(system, right)[:100])
        refits = (call + 1) // 100
        expected = expected + max(0.1, 1 / refits) * (weights.T @ torch.stack(means) - expected)
        torch.testing.assert_close(norm.running_mean, expected, rtol=1e-6, atol=1e-6)
        times, means = [], []


# Call 133 is at t = 0: the exact form resumes between two solves.
@pytest.mark.parametrize("statistics", ["exact", "kernel", "descent", "refit"])
def test_state_of_each_form_resumes(statistics: str) -> None:
    interpolation = {
        "exact": "linear",
        "descent": "cubic_spline",
        "refit": "gaussian_process",
    }.get(statistics, "kernel")
    config = {"interpolation": interpolation, "statistics": statistics, "grid_size": 4}
    whole, resumed = made(2, **config), made(2, **config)
    xs = torch.randn(230, 4, 2, dtype=torch.float64)
    for call in range(230):
        if call == 133:
            resumed.load_state_dict(whole.state_dict())
        for norm in (whole, resumed) if call >= 133 else (whole,):
            norm(xs[call], call % 7 / 7)
    assert torch.equal(whole.running_mean, resumed.running_mean)
    assert torch.equal(whole.running_var, resumed.running_var)


def test_penalty_is_a_mean_over_channels() -> None:
    norm = made(5, grid_size=3, penalty=0.1, penalty_over="channel_mean")
    expected = 0.1 * sum(
        ((norm.gamma[m] - 1) ** 2).mean() + (norm.alpha[m] ** 2).mean() for m in range(4)
    )
    torch.testing.assert_close(norm.penalty(), expected)


class Field(FieldModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = norms.apply(TemporalBatch(**RELEASED), nn.Linear(3, 3))

    def bind(self) -> VectorField:
        return lambda t, x: torch.tanh(self.norm(self.layer(x), t))


@pytest.mark.parametrize("backward", [False, True])
def test_the_backward_solve_of_the_adjoint_updates_when_asked(backward: bool) -> None:
    torch.manual_seed(0)
    block = ODEBlock(
        Field(), solvers.build(FixedStep(name="euler", steps=4)), gradients.build(Adjoint())
    )
    block.anode_side_effects = backward
    assert isinstance(block.field, Field)
    assert isinstance(block.field.norm, TemporalBatchNorm)
    x: Tensor = torch.randn(6, 3)
    block(x)
    solved = block(x)
    before = block.field.norm.running_mean.clone()
    solved.square().sum().backward()
    assert torch.equal(block.field.norm.running_mean, before) != backward


@pytest.mark.parametrize(
    "config",
    [
        {"mirrored": True, "interpolation": "kernel"},
        {"statistics": "kernel"},
        {"statistics": "descent", "interpolation": "kernel"},
        {"grid": "half_open", "grid_size": 1},
        {"skip_first_visit": True, "statistics": "refit", "interpolation": "gaussian_process"},
    ],
)
def test_forms_that_do_not_fit_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ta_bn"):
        TemporalBatch(**config)
