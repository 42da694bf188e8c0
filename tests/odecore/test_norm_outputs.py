"""Norms of a layer's output against torch's own modules and against means and variances written
out.
"""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from odecore import norms
from odecore.config import norm as config
from odecore.config.norm import NormConfig
from odecore.norms import Norm

EPS = 1e-5
CHANNELS = 6
CONFIGS: dict[str, NormConfig] = {
    "none": config.NoNorm(),
    "batch": config.Batch(),
    "mini_batch": config.MiniBatch(),
    "layer": config.Layer(),
    "group": config.Group(groups=3),
    "instance": config.Instance(),
    "weight": config.Weight(),
    "spectral": config.Spectral(),
    "ta_bn": config.TemporalBatch(grid_size=7),
}
# In units of the last place of each type, for sums over some hundred values.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 1.6e-2}
DTYPES = st.sampled_from(list(TOLERANCE))


def made(
    norm_config: NormConfig, channels: int = CHANNELS, dtype: torch.dtype = torch.float64
) -> Norm:
    """The norm after a convolution, its scales and shifts moved away from 1 and 0, with float32
    parameters for bfloat16 input.
    """
    _, norm = norms.apply(norm_config, nn.Conv2d(1, channels, 1))
    norm.to(torch.float32 if dtype is torch.bfloat16 else dtype)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.add_(
                torch.linspace(-0.4, 0.4, parameter.numel(), dtype=parameter.dtype).view(
                    parameter.shape
                )
            )
    return norm


def features(shape: tuple[int, ...], dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return (
        2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        + 1
    ).to(dtype)


def standardized(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """(x - mean) / sqrt(biased variance + eps) over `dims`, in float64."""
    x = x.double()
    mean = x.mean(dims, keepdim=True)
    return (x - mean) / torch.sqrt((x - mean).square().mean(dims, keepdim=True) + EPS)


def scaled(x: Tensor, norm: Any) -> Tensor:
    per_channel = (1, -1, *[1] * (x.dim() - 2))
    return x * norm.weight.double().view(per_channel) + norm.bias.double().view(per_channel)


@settings(max_examples=20)
@given(
    batch=st.integers(2, 5),
    groups=st.integers(1, 4),
    of_each=st.integers(1, 4),
    space=st.sampled_from([(), (1, 3), (4, 5)]),
    dtype=DTYPES,
    t=st.floats(-1, 2),
)
def test_every_norm_by_its_formula(
    batch: int, groups: int, of_each: int, space: tuple[int, ...], dtype: torch.dtype, t: float
) -> None:
    channels = groups * of_each
    x = features((batch, channels, *space), dtype)
    within = tuple(range(1, x.dim()))
    over_batch = (0, *range(2, x.dim()))
    grouped = standardized(
        x.view(batch, groups, of_each, *space), tuple(range(2, x.dim() + 1))
    ).view(x.shape)
    expected = {
        "none": x.double(),
        "batch": standardized(x, over_batch),
        "mini_batch": standardized(x, over_batch),
        "layer": standardized(x, within),
        "group": grouped,
        "instance": standardized(x, within[1:])
        if space
        else torch.zeros(x.shape, dtype=torch.float64),
    }
    for name, standard in expected.items():
        norm = made(
            config.Group(groups=groups) if name == "group" else CONFIGS[name], channels, dtype
        )
        result = norm(x, t)
        assert (result.shape, result.dtype) == (x.shape, dtype)
        literal = standard if name == "none" else scaled(standard, norm)
        torch.testing.assert_close(
            result.double(),
            literal,
            rtol=TOLERANCE[dtype],
            atol=4 * TOLERANCE[dtype],
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d, nn.Linear])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_norm_follows_every_layer(name: str, kind: Any, dtype: torch.dtype) -> None:
    if (name, kind) == ("instance", nn.Linear):
        pytest.skip("instance norm of vectors is refused")
    layer = kind(4, CHANNELS) if kind is nn.Linear else kind(4, CHANNELS, 3)
    result_layer, norm = norms.apply(CONFIGS[name], layer)
    x = features((3, 4) if kind is nn.Linear else (3, 4, 5, 5), dtype)
    assert result_layer is layer
    layer.to(dtype)
    norm.to(dtype)
    result = norm(layer(x), 0.3)
    assert result.dtype == dtype
    assert result.shape[:2] == (3, CHANNELS)
    result.square().sum().backward()
    assert all(
        parameter.grad is not None for module in (layer, norm) for parameter in module.parameters()
    )


def test_no_norm_is_the_input_itself() -> None:
    x = features((2, CHANNELS))
    assert made(CONFIGS["none"])(x, 0.0) is x


@pytest.mark.parametrize(("name", "groups"), [("layer", 1), ("group", 3), ("instance", CHANNELS)])
def test_groups_as_torch_has_them(name: str, groups: int) -> None:
    norm, reference = made(CONFIGS[name]), nn.GroupNorm(groups, CHANNELS).double()
    reference.load_state_dict(norm.state_dict())
    x = features((3, CHANNELS, 4, 4))
    assert torch.equal(norm(x, 0.5), reference(x))


@pytest.mark.parametrize("space", [(), (4, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_is_torch_batch_norm_over_several_updates(
    space: tuple[int, ...], dtype: torch.dtype
) -> None:
    norm: Any = made(CONFIGS["batch"], dtype=dtype)
    reference = (nn.BatchNorm2d if space else nn.BatchNorm1d)(CHANNELS).to(dtype)
    reference.load_state_dict(norm.state_dict() | {"num_batches_tracked": torch.tensor(0)})
    for seed in range(5):
        x, y = (features((7, CHANNELS, *space), dtype, seed).requires_grad_() for _ in range(2))
        here, there = norm(x, 0.1 * seed), reference(y)
        torch.testing.assert_close(here, there, rtol=0, atol=0)
        here.pow(3).sum().backward()
        there.pow(3).sum().backward()
        assert torch.equal(
            x.grad if x.grad is not None else here, y.grad if y.grad is not None else there
        )
    assert norm.running_mean.norm() > 0.5
    torch.testing.assert_close(norm.running_mean, reference.running_mean)
    torch.testing.assert_close(norm.running_var, reference.running_var)
    x = features((2, CHANNELS, *space), dtype, seed=9)
    torch.testing.assert_close(norm.eval()(x, 0.0), reference.eval()(x))


def test_mini_batch_depends_on_the_batch_at_test_and_batch_does_not() -> None:
    x = features((8, CHANNELS, 3, 3))
    for name, depends in (("mini_batch", True), ("batch", False)):
        norm = made(CONFIGS[name]).eval()
        alone, together = torch.cat([norm(x[:4], 0.0), norm(x[4:], 0.0)]), norm(x, 0.0)
        assert torch.allclose(alone, together, atol=1e-12) != depends


def test_eval_changes_no_statistics() -> None:
    for name in ("batch", "ta_bn", "mini_batch"):
        norm = made(CONFIGS[name]).eval()
        before = [buffer.clone() for buffer in norm.buffers()]
        norm(features((4, CHANNELS, 2, 2)), 0.4)
        assert all(torch.equal(*pair) for pair in zip(before, norm.buffers(), strict=True))


@pytest.mark.parametrize("name", ["batch", "mini_batch", "ta_bn"])
def test_one_value_per_channel_has_no_batch_statistics(name: str) -> None:
    norm = made(CONFIGS[name])
    for shape in ((1, CHANNELS), (1, CHANNELS, 1, 1)):
        with pytest.raises(
            ValueError, match="batch statistics need more than one value per channel"
        ):
            norm(features(shape), 0.0)
    assert torch.isfinite(norm(features((1, CHANNELS, 2, 1)), 0.0)).all()


def test_groups_that_cannot_work_say_what_would() -> None:
    with pytest.raises(
        ValueError, match="4 groups do not divide 6 channels; choose groups from 1, 2, 3, 6"
    ):
        norms.apply(config.Group(groups=4), nn.Conv2d(1, 6, 1))
    for erased in (config.Instance(), config.Group(groups=6)):
        with pytest.raises(ValueError, match="one value in each of 6 groups"):
            norms.apply(erased, nn.Linear(2, 6))
