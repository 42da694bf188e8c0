"""TA-BN against Algorithm 1 of the paper with loops over channels and grid, and what it is for: no
dependence on the test batch.
"""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from odecore import gradients, norms, solvers
from odecore.config.gradient import Backprop
from odecore.config.norm import Batch, MiniBatch, NormConfig, TemporalBatch
from odecore.config.solver import FixedStep
from odecore.models.fields import FieldModule
from odecore.models.ode_block import ODEBlock
from odecore.norms.temporal import TemporalBatchNorm
from odecore.solvers.base import VectorField

EPS = 1e-5


def made(
    channels: int, config: TemporalBatch, dtype: torch.dtype = torch.float64
) -> TemporalBatchNorm:
    norm = TemporalBatchNorm(channels, config).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=dtype))
    return norm


class Literal:
    """Algorithm 1 (Zheng 2024) in Python numbers: a list per grid point, a number per channel."""

    def __init__(self, norm: TemporalBatchNorm, intervals: int, momentum: float) -> None:
        self.intervals, self.momentum = intervals, momentum
        self.gamma, self.alpha = norm.gamma.tolist(), norm.alpha.tolist()
        self.mean = [[0.0] * len(self.gamma[0]) for _ in range(intervals + 1)]
        self.variance = [[1.0] * len(self.gamma[0]) for _ in range(intervals + 1)]

    def neighbours(self, t: float) -> tuple[int, int, float, float]:
        """The cell [t_l, t_l+1] that contains t, and both weights; the first or the last one for a
        t outside.
        """
        t = min(max(t, 0.0), 1.0)
        for lower in range(self.intervals):
            start, end = lower / self.intervals, (lower + 1) / self.intervals
            if start <= t <= end:
                weight = (end - t) / (end - start)
                return lower, lower + 1, weight, 1 - weight
        raise AssertionError(t)

    def __call__(self, x: Tensor, t: float, training: bool) -> list[list[float]]:
        """x: (B, C, ...). The normalized values of each channel, in the order of x."""
        lower, upper, w1, w2 = self.neighbours(t)
        result = []
        for channel in range(x.shape[1]):
            values = x[:, channel].flatten().tolist()
            gamma = w1 * self.gamma[lower][channel] + w2 * self.gamma[upper][channel]
            alpha = w1 * self.alpha[lower][channel] + w2 * self.alpha[upper][channel]
            if training:
                mean = sum(values) / len(values)
                squares = sum((value - mean) ** 2 for value in values)
                variance = squares / len(values)
                for m, w in ((lower, w1), (upper, w2)):
                    eta = self.momentum * w
                    self.mean[m][channel] = (1 - eta) * self.mean[m][channel] + eta * mean
                    self.variance[m][channel] = (1 - eta) * self.variance[m][
                        channel
                    ] + eta * squares / (len(values) - 1)
            else:
                mean = w1 * self.mean[lower][channel] + w2 * self.mean[upper][channel]
                variance = w1 * self.variance[lower][channel] + w2 * self.variance[upper][channel]
            result.append(
                [(value - mean) / (variance + EPS) ** 0.5 * gamma + alpha for value in values]
            )
        return result


# Grid points, both ends, and what an adaptive solver asks for beyond them.
TIMES = st.one_of(st.floats(0, 1.4), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1.3, -0.1]))


@settings(max_examples=20)
@given(
    times=st.lists(TIMES, min_size=1, max_size=5),
    batch=st.integers(2, 4),
    channels=st.integers(1, 4),
    space=st.sampled_from([(), (2, 3)]),
    intervals=st.sampled_from([1, 4, 7]),
    momentum=st.sampled_from([0.1, 0.5, 1.0]),
    dtype=st.sampled_from([torch.float64, torch.float32]),
)
def test_algorithm_1(
    times: list[float],
    batch: int,
    channels: int,
    space: tuple[int, ...],
    intervals: int,
    momentum: float,
    dtype: torch.dtype,
) -> None:
    norm = made(channels, TemporalBatch(grid_size=intervals, momentum=momentum), dtype)
    literal = Literal(norm, intervals, momentum)
    # Float32 rounds values of size 3, and that is divided by standard deviations as small as 0.1.
    tolerance = 1e-10 if dtype is torch.float64 else 2e-4
    for training in (True, False):
        norm.train(training)
        for call, t in enumerate(times):
            x = 1 + 2 * torch.randn(
                (batch, channels, *space),
                generator=torch.Generator().manual_seed(call),
                dtype=torch.float64,
            )
            x = x.to(dtype)
            expected = literal(x, t, training)
            found = norm(x, t).transpose(0, 1).flatten(1)
            torch.testing.assert_close(
                found.double(),
                torch.tensor(expected, dtype=torch.float64),
                rtol=tolerance,
                atol=tolerance,
            )
            for buffer, grid in (
                (norm.running_mean, literal.mean),
                (norm.running_var, literal.variance),
            ):
                torch.testing.assert_close(
                    buffer.double(),
                    torch.tensor(grid, dtype=torch.float64),
                    rtol=tolerance,
                    atol=tolerance,
                )


@pytest.mark.parametrize("interpolation", ["linear", "cubic_spline", "kernel", "gaussian_process"])
def test_every_interpolation_in_training_and_eval(interpolation: Any) -> None:
    config = TemporalBatch(grid_size=12, interpolation=interpolation)
    norm = made(3, config)
    x, t = torch.randn(5, 3, 2, 2, dtype=torch.float64), 0.37
    first, values = norm.weights(t, 12)
    weights = torch.zeros(13, 1, dtype=torch.float64)
    weights[first : first + len(values), 0] = torch.tensor(values, dtype=torch.float64)
    scale, shift = ((weights * grid).sum(0) for grid in (norm.gamma, norm.alpha))
    reference = nn.functional.batch_norm(x, None, None, scale, shift, training=True)
    torch.testing.assert_close(norm(x, t), reference)
    # The two neighbours' statistics moved, whatever the interpolation.
    assert norm.running_mean.abs().sum(1).nonzero().flatten().tolist() == [4, 5]
    norm.eval()
    mean, variance = (weights * norm.running_mean).sum(0), (weights * norm.running_var).sum(0)
    assert (variance > 0).all()
    torch.testing.assert_close(
        norm(x, t), nn.functional.batch_norm(x, mean, variance, scale, shift)
    )


def test_a_negative_variance_counts_as_zero() -> None:
    norm = (
        TemporalBatchNorm(1, TemporalBatch(grid_size=10, interpolation="cubic_spline"))
        .double()
        .eval()
    )
    norm.running_var[::2] = 100
    norm.running_var[3] = 0
    times = [t / 200 for t in range(201)]
    results = [norm(torch.ones(1, 1, dtype=torch.float64), t).item() for t in times]
    assert all(0 < result < 1.001 * EPS**-0.5 for result in results)
    assert sum(result == pytest.approx(EPS**-0.5) for result in results) > 5


def test_gradients_reach_the_two_neighbours_only() -> None:
    norm = made(2, TemporalBatch(grid_size=10))
    norm(torch.randn(4, 2, dtype=torch.float64), 0.32).pow(2).sum().backward()
    for grid in (norm.gamma.grad, norm.alpha.grad):
        assert grid is not None
        assert grid.abs().sum(1).nonzero().flatten().tolist() == [3, 4]


def test_autocast_does_not_coarsen_what_is_interpolated() -> None:
    for interpolation in ("linear", "kernel"):
        norm = made(3, TemporalBatch(interpolation=interpolation), torch.float32).eval()
        x = torch.randn(4, 3, 5, 5)
        plain = norm(x, 0.123)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(norm(x, 0.123), plain)
            assert norm(x.bfloat16(), 0.123).dtype is torch.bfloat16


class Field(FieldModule):
    def __init__(self, config: NormConfig) -> None:
        super().__init__()
        self.first, self.norm = norms.apply(config, nn.Conv2d(2, 4, 3, padding=1))
        self.last = nn.Conv2d(4, 2, 3, padding=1)

    def bind(self) -> VectorField:
        return lambda t, x: self.last(torch.relu(self.norm(self.first(x), t)))


def worst_difference(config: NormConfig) -> float:
    """Between logits of test batches of 1, 2 and 256 after some training."""
    torch.manual_seed(0)
    solver = solvers.build(FixedStep(name="rk4_38", steps=4))
    model = nn.Sequential(
        ODEBlock(Field(config), solver, gradients.build(Backprop())),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    for _ in range(3):
        model(torch.randn(16, 2, 4, 4))
    model.eval()
    x = torch.randn(256, 2, 4, 4)
    with torch.no_grad():
        together = model(x)
        pairs = torch.cat([model(part) for part in x[:32].split(2)])
        alone = torch.cat([model(part) for part in x[:8].split(1)])
    return max(
        (pairs - together[:32]).abs().max().item(), (alone - together[:8]).abs().max().item()
    )


def test_logits_do_not_depend_on_the_test_batch() -> None:
    assert worst_difference(TemporalBatch()) < 1e-5
    assert worst_difference(Batch()) < 1e-5
    assert worst_difference(MiniBatch()) > 1e-2


def test_few_fixed_steps_leave_most_of_the_grid_as_it_was() -> None:
    # What a finer solver reads between the steps of the training, whatever the dynamics.
    field = Field(TemporalBatch())
    euler = solvers.build(FixedStep(name="euler", steps=2))
    ODEBlock(field, euler, gradients.build(Backprop()))(torch.randn(16, 2, 4, 4))
    norm = field.norm
    assert isinstance(norm, TemporalBatchNorm)
    moved = (norm.running_mean != 0).any(1).nonzero().flatten()
    assert moved.tolist() == [0, 50]
    with torch.no_grad():
        x = torch.randn(8, 4, 3, 3)
        torch.testing.assert_close(norm.eval()(x, 0.25), x / (1 + EPS) ** 0.5)


@pytest.mark.parametrize("times", [[0, 0.5], [0, 0.5, 0.5, 1], [0, 0.2, 0.9, 0.4, 1.2], [0]])
@pytest.mark.parametrize("half_open", [False, True])
def test_exact_statistics_go_through_those_of_each_solve(
    times: list[float], half_open: bool
) -> None:
    form: dict[str, Any] = {"grid": "half_open"} if half_open else {}
    norm = made(3, TemporalBatch(grid_size=8, momentum=0.3, statistics="exact", **form))
    points = np.arange(8 if half_open else 9) / 8
    mean, variance = np.zeros((len(points), 3)), np.ones((len(points), 3))
    for solve in range(3):
        xs = torch.randn(len(times), 6, 3, dtype=torch.float64) * (solve + 1) + solve
        for x, t in zip(xs, times, strict=True):
            norm(x, t)
        seen: dict[float, list[int]] = {}
        for call, t in enumerate(times):
            seen.setdefault(min(t, points[-1]), []).append(call)
        order = sorted(seen)
        for running, observed in ((mean, xs.mean(1).numpy()), (variance, xs.var(1).numpy())):
            for channel in range(3):
                values = [observed[seen[t], channel].mean() for t in order]
                fitted = np.interp(points, order, values)
                running[:, channel] = 0.7 * running[:, channel] + 0.3 * fitted
        for found, expected in ((norm.running_mean, mean), (norm.running_var, variance)):
            torch.testing.assert_close(found, torch.from_numpy(expected))


def test_penalty_and_what_weight_decay_leaves_alone() -> None:
    configs = (
        TemporalBatch(grid_size=3, penalty=0.5),
        TemporalBatch(grid_size=2, penalty=0.0),
        Batch(),
    )
    (_, penalized), (_, free), _ = pairs = [
        norms.apply(config, nn.Linear(2, 4)) for config in configs
    ]
    model = nn.ModuleList(norm for _, norm in pairs)
    assert isinstance(penalized, TemporalBatchNorm)
    assert isinstance(free, TemporalBatchNorm)
    with torch.no_grad():
        penalized.gamma[1, 2] += 2
        penalized.alpha[0, 0] -= 3
        free.alpha.fill_(5)
    penalty = norms.penalty(model)
    assert penalty is not None
    assert penalty.item() == pytest.approx(0.5 * (4 + 9))
    assert norms.undecayed(model) == {penalized.gamma, penalized.alpha, free.gamma, free.alpha}
    assert norms.penalty(model[2]) is None
    assert norms.undecayed(model[2]) == set()
