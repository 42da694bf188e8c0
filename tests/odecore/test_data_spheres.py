"""Concentric spheres: radii, classes, shares, the law of the radius, and the random streams."""

import pytest
import torch

from odecore import data
from odecore.config.data import Spheres


@pytest.mark.parametrize("dimension", [1, 2, 3, 10, 900])
def test_shells_classes_and_shares(dimension: int) -> None:
    loaded = data.load(Spheres(dimension=dimension), None)
    for x, y, size in (
        (loaded.train_x, loaded.train_y, 2000),
        (loaded.test_x, loaded.test_y, 1000),
    ):
        assert (x.shape, x.dtype, y.dtype) == ((size, dimension), torch.float32, torch.int64)
        radius = x.double().norm(dim=1)
        rounding = 1e-6
        inner = (radius > 0.10 - rounding) & (radius < 0.15 + rounding)
        middle = (radius > 0.25 - rounding) & (radius < 0.30 + rounding)
        outer = (radius > 0.40 - rounding) & (radius < 0.45 + rounding)
        assert (inner.sum(), middle.sum(), outer.sum()) == (size // 4, size // 2, size // 4)
        assert torch.equal(y == 1, middle)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1001])
def test_every_size_is_met(size: int) -> None:
    loaded = data.load(Spheres(train_size=size, test_size=size), None)
    assert len(loaded.train_x) == len(loaded.train_y) == len(loaded.test_x) == size


@pytest.mark.parametrize("dimension", [2, 10])
def test_radius_and_direction_follow_the_papers_law(dimension: int) -> None:
    loaded = data.load(Spheres(dimension=dimension, train_size=40_000), None)
    radius = loaded.train_x.norm(dim=1)
    uniform = ((radius[loaded.train_y == 1] - 0.25) / 0.05).clamp(
        0, 1
    ) ** dimension  # U of r = r_min + (r_max - r_min) U^(1/d)
    grid = torch.linspace(0.1, 0.9, 9)
    cumulative = torch.stack([(uniform < level).float().mean() for level in grid])
    assert (cumulative - grid).abs().max() < 0.02
    direction = loaded.train_x / radius.unsqueeze(1)
    assert direction.mean(dim=0).abs().max() < 0.02
    assert (
        direction.T @ direction / len(direction) - torch.eye(dimension) / dimension
    ).abs().max() < 0.02


def test_the_hash_stays_what_it_was() -> None:
    assert (
        data.load(Spheres(), None).sha256
        == "be13ac3f58d5f09b3b9688b2ae3109a6324f19885351cf2497a6b3236aeaf178"
    )


def test_draws_and_splits_are_streams_of_their_own() -> None:
    base = data.load(Spheres(), None)
    again = data.load(Spheres(), None)
    assert torch.equal(base.train_x, again.train_x)
    assert base.sha256 == again.sha256
    other_size = data.load(Spheres(train_size=400), None)
    assert torch.equal(base.test_x, other_size.test_x)
    assert base.sha256 != other_size.sha256
    assert base.sha256 != data.load(Spheres(draw=1), None).sha256
    assert not torch.equal(base.train_x[:1000], base.test_x)


def test_points_are_shuffled() -> None:
    labels = data.load(Spheres(), None).train_y
    assert 900 < (labels[1:] != labels[:-1]).sum() < 1100


def test_inputs_are_the_points() -> None:
    loaded = data.load(Spheres(), None).to("cpu")
    assert torch.equal(loaded.inputs(loaded.train_x[:5]), loaded.train_x[:5])
