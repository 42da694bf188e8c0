"""Weight and spectral normalization against their formulas and against torch's own."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from odecore import norms
from odecore.config.norm import Spectral, Weight
from odecore.norms.base import output_channels
from odecore.norms.weights import SpectralNorm

LAYERS = {
    "conv": lambda inputs, outputs: nn.Conv2d(inputs, outputs, 3, padding=1),
    "transposed": lambda inputs, outputs: nn.ConvTranspose2d(inputs, outputs, 2, stride=2),
    "linear": nn.Linear,
}
EVERY_LAYER = pytest.mark.parametrize("kind", LAYERS)


def layer_of(kind: str, inputs: int = 3, outputs: int = 5) -> Any:
    torch.manual_seed(0)
    return LAYERS[kind](inputs, outputs).double()


def as_matrix(kind: str, weight: Tensor) -> Tensor:
    """(output channels, everything else): one row for each output channel, written out."""
    channels = weight.unbind(1) if kind == "transposed" else weight.unbind(0)
    return torch.stack([channel.reshape(-1) for channel in channels])


def spectral_norm_of(layer: Any) -> SpectralNorm:
    module = layer.parametrizations.weight[0]
    assert isinstance(module, SpectralNorm)
    return module


def literal_power_iteration(matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One iteration (Miyato et al. 2018, algorithm 1), and W / sigma."""
    v = matrix.T @ u
    v = v / v.norm()
    u = matrix @ v
    u = u / u.norm()
    return u, v, matrix / (u @ matrix @ v)


@settings(max_examples=15)
@given(
    kind=st.sampled_from(list(LAYERS)),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_weight_norm_by_its_formula(
    kind: str, inputs: int, outputs: int, dtype: torch.dtype
) -> None:
    layer = layer_of(kind, inputs, outputs).to(dtype)
    before = layer.weight.detach().clone()
    norms.apply(Weight(), layer)
    torch.testing.assert_close(layer.weight, before)
    g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
    assert (g.numel(), v.shape) == (outputs, before.shape)
    with torch.no_grad():
        g.mul_(2.5)
        v.mul_(-7)
    # The length of v does not matter, and its sign does.
    torch.testing.assert_close(layer.weight, -2.5 * before)
    torch.testing.assert_close(
        as_matrix(kind, layer.weight).norm(dim=1), 2.5 * as_matrix(kind, before).norm(dim=1)
    )


@settings(max_examples=15)
@given(
    kind=st.sampled_from(list(LAYERS)),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_spectral_norm_by_its_formula(
    kind: str, inputs: int, outputs: int, dtype: torch.dtype
) -> None:
    layer = layer_of(kind, inputs, outputs).to(dtype)
    matrix = as_matrix(kind, layer.weight.detach().clone())
    norms.apply(Spectral(), layer)
    module = spectral_norm_of(layer.to(dtype))
    u, expected = module.u.clone(), matrix
    for _ in range(3):
        u, v, expected = literal_power_iteration(matrix, u)
        torch.testing.assert_close(as_matrix(kind, layer.weight), expected)
        torch.testing.assert_close(module.u, u)
        torch.testing.assert_close(module.v, v)
    layer.eval()
    torch.testing.assert_close(as_matrix(kind, layer.weight), expected)
    torch.testing.assert_close(module.u, u)
    layer.train()
    for _ in range(200):
        _ = layer.weight
    assert torch.linalg.matrix_norm(as_matrix(kind, layer.weight), ord=2).item() == pytest.approx(
        1, rel=1e-3
    )


@EVERY_LAYER
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_spectral_norm_is_torch_first_one(kind: str) -> None:
    ours, theirs = layer_of(kind), layer_of(kind)
    norms.apply(Spectral(), ours)
    torch.nn.utils.spectral_norm(theirs)
    spectral_norm_of(ours.double()).load_state_dict({"u": theirs.weight_u, "v": theirs.weight_v})
    x = torch.randn((4, 3) if kind == "linear" else (4, 3, 4, 4), dtype=torch.float64)
    for _ in range(3):
        for layer in (ours, theirs):
            layer.zero_grad()
        here, there = ours(x), theirs(x)
        torch.testing.assert_close(here, there, rtol=1e-13, atol=1e-13)
        here.pow(2).sum().backward()
        there.pow(2).sum().backward()
        torch.testing.assert_close(
            ours.parametrizations.weight.original.grad,
            theirs.weight_orig.grad,
            rtol=1e-11,
            atol=1e-11,
        )
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-13, atol=1e-13)


@EVERY_LAYER
@pytest.mark.parametrize("norm", [Weight(), Spectral()], ids=["weight", "spectral"])
def test_the_weight_can_be_set_and_kept(kind: str, norm: Any) -> None:
    layer, other = layer_of(kind), layer_of(kind)
    for made in (layer, other):
        norms.apply(norm, made)
        made.double()
    values = torch.randn(
        layer.parametrizations.weight[0](*list(layer.parametrizations.weight.parameters())).shape,
        dtype=torch.float64,
    )
    with torch.no_grad():
        layer.weight = values
    layer.eval()
    factor = layer.weight / values
    torch.testing.assert_close(factor, factor.flatten()[0].expand_as(factor))
    assert norm.name == "spectral" or factor.flatten()[0].item() == pytest.approx(1)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.eval().weight, layer.weight)


def test_reading_the_number_of_channels_is_no_power_iteration() -> None:
    layer = layer_of("conv")
    norms.apply(Spectral(), layer)
    before = spectral_norm_of(layer).u.clone()
    assert output_channels(layer) == 5
    assert torch.equal(spectral_norm_of(layer).u, before)
    _ = layer.weight
    assert not torch.equal(spectral_norm_of(layer).u, before)


def test_initial_vectors_come_from_their_stream() -> None:
    module = SpectralNorm(torch.ones(4, 9), dim=0)

    def drawn(seed: int) -> Tensor:
        module.draw_initial_state(torch.Generator().manual_seed(seed))
        return torch.cat([module.u, module.v])

    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))
    assert module.u.norm().item() == pytest.approx(1)
    assert module.v.norm().item() == pytest.approx(1)


def test_the_graph_of_an_earlier_use_survives_later_ones() -> None:
    layer = nn.Linear(3, 3)
    norms.apply(Spectral(), layer)
    in_eval = layer.eval().weight.sum()
    first, second = layer.train().weight.sum(), layer.weight.sum()
    (in_eval + first + second).backward()
    assert torch.isfinite(layer.parametrizations.weight.original.grad).all()  # type: ignore[union-attr]
