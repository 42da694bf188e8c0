"""The recipe of Zheng 2024 as released: clips, decay, schedule, erasing, fallback, noise."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from trainings import IMAGES, make, run

from odecore import data, gradients, norms, solvers
from odecore.config.data import Images
from odecore.config.gradient import Adjoint, Backprop
from odecore.config.solver import Adaptive, FixedStep
from odecore.config.train import HalfwaySchedule
from odecore.data import augment
from odecore.models.fields import FieldModule
from odecore.models.ode_block import ODEBlock, count_fallbacks
from odecore.solvers.base import VectorField
from odecore.training import schedule
from odecore.training.streams import generator

TA_BN = {
    "name": "unmixed_node",
    "backbone": "cnn4",
    "norm": {"name": "ta_bn", "grid_size": 3},
}


def test_rate_drops_once_in_the_middle() -> None:
    def rates(epochs: int) -> list[float]:
        return [schedule.lr(HalfwaySchedule(), 1e-3, e, 0, epochs) for e in range(epochs)]

    assert rates(128) == [1e-3] * 64 + [1e-4] * 64
    assert rates(5) == [1e-3] * 3 + [1e-4] * 2


@pytest.mark.parametrize("decay_grids", [False, True])
def test_weight_decay_reaches_the_grids_when_asked(decay_grids: bool) -> None:
    optimizer = {"name": "adamw", "lr": 0.1, "weight_decay": 0.5}
    training = make({"optimizer": optimizer, "decay_grids": decay_grids}, data=IMAGES, model=TA_BN)
    gammas, _ = norms.grids(training.model)
    before = gammas[0].clone()
    for value in training.model.parameters():
        value.grad = torch.zeros_like(value)
    training.updates.step(0)
    torch.testing.assert_close(gammas[0], before * (0.95 if decay_grids else 1.0))


def test_three_clips_one_after_another() -> None:
    # Plain descent with rate 1 shows the clipped gradients.
    train = {"optimizer": {"name": "sgd", "lr": 1.0}, "gradient_clip": 10.0, "grid_clip": 1.0}
    training = make(train, data=IMAGES, model=TA_BN)
    named = dict(training.model.named_parameters())
    before = {name: value.detach().clone() for name, value in named.items()}
    random = generator(0, "gradients")
    expected = {
        name: (90 if "norm" in name else 9) * torch.randn(p.shape, generator=random)
        for name, p in named.items()
    }
    for name, value in named.items():
        value.grad = expected[name].clone()
    training.updates.step(0)

    def length(names: list[str]) -> float:
        return math.sqrt(sum(expected[name].square().sum().item() for name in names))

    def shorten(names: list[str], limit: float) -> None:
        factor = min(1.0, limit / length(names))
        for name in names:
            expected[name] *= factor

    shorten(list(named), 10.0)
    for ending in ("gamma", "alpha"):
        grids = [name for name in named if name.endswith(ending)]
        assert len(grids) == 3
        assert length(grids) > 1
        shorten(grids, 1.0)
    for name, value in named.items():
        torch.testing.assert_close(before[name] - value, expected[name], rtol=1e-4, atol=1e-6)


def test_half_of_the_images_lose_one_rectangle() -> None:
    x = 1 + torch.rand(2000, 3, 32, 32, generator=generator(0, "images"))
    erased = augment.random_erase(x, generator(0, "erase"))
    shares, aspects = [], []
    for before, after in zip(x, erased, strict=True):
        zero = after.eq(0)
        assert torch.equal(after[~zero], before[~zero])
        if not zero.any():
            continue
        rows, columns = (zero[0].any(axis).nonzero().flatten().tolist() for axis in (1, 0))
        height, width = len(rows), len(columns)
        assert rows == list(range(rows[0], rows[0] + height))
        assert columns == list(range(columns[0], columns[0] + width))
        assert zero.sum() == 3 * height * width
        shares.append(height * width / 32**2)
        aspects.append(height / width)
    assert 900 < len(shares) < 1100
    # Sides are rounded to pixels.
    assert 0.03 < min(shares) < 0.05 < 0.19 < max(shares) < 0.22
    assert 0.4 < min(aspects) < 0.6 < 1.8 < max(aspects) < 2.4
    assert sum(shares) / len(shares) == pytest.approx(0.12, abs=0.005)


def test_images_are_standardized_erased_and_cropped_with_a_border_of_zeros() -> None:
    config = Images(
        name="cifar10",
        source="generated",
        train_limit=40,
        test_limit=10,
        standardize="imagenet",
        augment="erase_crop8_flip",
    )
    loaded = data.load(config, None)
    plain = loaded.inputs(loaded.train_x)
    mean, deviation = (
        torch.tensor(values)[:, None, None]
        for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    torch.testing.assert_close(plain, (loaded.train_x.float() / 255 - mean) / deviation)
    drawn = loaded.training_inputs(loaded.train_x, generator(0, "augment"))
    again = generator(0, "augment")
    expected = augment.random_crop(
        augment.random_erase(plain, again), 32, again, padding=8, flip=True
    )
    assert torch.equal(drawn, expected)
    assert drawn.eq(0).any(1).float().mean() > 0.1


def test_half_is_for_one_channel_too_and_imagenet_is_not() -> None:
    config = Images(
        name="mnist", source="generated", train_limit=20, test_limit=10, standardize="half"
    )
    loaded = data.load(config, None)
    torch.testing.assert_close(loaded.inputs(loaded.test_x), loaded.test_x.float() / 127.5 - 1)
    with pytest.raises(ValueError, match="imagenet has constants of three channels"):
        Images(name="mnist", standardize="imagenet")


def test_noise_is_in_one_of_ten_images_and_wraps_around() -> None:
    config = {"name": "cifar10", "source": "generated", "train_limit": 200, "test_limit": 50}
    clean = data.load(Images.model_validate(config), None)
    noisy = data.load(Images.model_validate(config | {"noise_level": 60.0}), None)
    again = data.load(Images.model_validate(config | {"noise_level": 60.0}), None)
    for name in ("train_x", "test_x"):
        before, after = getattr(clean, name), getattr(noisy, name)
        changed = (before != after).flatten(1).any(1)
        assert changed.sum() == len(before) // 10
        differences = (after.int() - before.int())[changed]
        # What wrapped around is far away; all the rest has the noise's deviation.
        near = differences[differences.abs() < 128]
        assert 0.01 < 1 - near.numel() / differences.numel() < 0.3
        assert 40 < near.float().std() < 60
        assert torch.equal(after, getattr(again, name))
    assert noisy.sha256 != clean.sha256
    assert torch.equal(clean.train_y, noisy.train_y)


class Growth(FieldModule):
    """x' = rate x."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(3.0))

    def bind(self) -> VectorField:
        return lambda _t, x: self.rate * x


@pytest.mark.parametrize("gradient", [Backprop(), Adjoint()], ids=["backprop", "adjoint"])
def test_a_failed_solve_is_repeated_with_euler_and_counted(gradient: Any) -> None:
    def block(solver: Any) -> ODEBlock:
        return ODEBlock(Growth(), solvers.build(solver), gradients.build(gradient))

    def derivatives(block: ODEBlock) -> list[Tensor]:
        x = torch.tensor([[1.0, 2.0]], requires_grad=True)
        out = block(x)
        return [out, *torch.autograd.grad(out.sum(), [x, *block.parameters()])]

    few = {"name": "dopri5", "tolerance": 1e-6, "max_evaluations": 20}
    fallback = block(Adaptive.model_validate(few | {"fallback_steps": 100}))
    euler = block(FixedStep(name="euler", steps=100))
    for ours, theirs in zip(derivatives(fallback), derivatives(euler), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert count_fallbacks(fallback) == 1
    assert fallback.nfe_forward > 100
    enough = block(Adaptive(name="dopri5", tolerance=1e-3, fallback_steps=100))
    assert enough(torch.ones(1, 1)).item() == pytest.approx(math.exp(3), rel=1e-2)
    assert count_fallbacks(enough) == 0
    fallback.reset_counts()
    assert count_fallbacks(fallback) == 0


def test_fallbacks_stand_in_the_outcome_and_by_iteration() -> None:
    solver = {"name": "dopri5", "tolerance": 1e-9, "max_evaluations": 8, "fallback_steps": 4}
    training = run(make({"iterations": 3, "record_every": 3}, solver=solver))
    assert training.outcome == "completed"
    assert training.fallbacks == 3
    assert training.detail is not None
    assert training.detail.startswith("3 failed solves in 3 forward passes")
    assert [row for row in training.series if row[1] == "fallbacks"] == [
        (1, "fallbacks", 1.0),
        (2, "fallbacks", 1.0),
        (3, "fallbacks", 1.0),
    ]
    # 50 test points in batches of 32.
    assert (3, "fallbacks.test", 2.0) in training.series
    scored = training.score_split("test")
    assert (scored.outcome, scored.fallbacks) == ("completed", 2)
    assert scored.detail is not None
    without = run(make({"iterations": 3}, solver=solver | {"fallback_steps": None}))
    assert without.outcome == "solver_failed"


def test_position_of_a_cut_keeps_count_and_masks() -> None:
    model = TA_BN | {"head": "norm_dropout"}
    solver = {"name": "dopri5", "tolerance": 1e-9, "max_evaluations": 8, "fallback_steps": 2}
    whole = run(make({"iterations": 4}, data=IMAGES, model=model, solver=solver))
    cut = make({"iterations": 4}, data=IMAGES, model=model, solver=solver)
    cut.run(lambda training: training.iteration == 2)
    resumed = make({"iterations": 4}, data=IMAGES, model=model, solver=solver)
    resumed.load_state(cut.state())
    run(resumed)
    assert (whole.fallbacks, whole.detail) == (resumed.fallbacks, resumed.detail)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
