"""Zheng's backbones against the paper's arrows written out in torch.nn, with the time channel
really concatenated.
"""

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from odecore import gradients, solvers
from odecore.config import norm as norm_config
from odecore.config.backbone import STACKS, Stack
from odecore.config.gradient import Adjoint, Backprop, Checkpoint, GradientConfig
from odecore.config.norm import NormConfig
from odecore.config.solver import FixedStep
from odecore.models.conv_stack import ConvStack, conv3
from odecore.models.fields import FieldModule
from odecore.models.ode_block import ODEBlock
from odecore.norms.weights import SpectralNorm
from odecore.solvers.base import VectorField

NAMES: tuple[Stack, ...] = get_args(Stack)
NONE, BATCH = norm_config.NoNorm(), norm_config.Batch()

# Zheng 2024, appendix: d down, u up; c is the number of image channels.
ARROWS = {
    "cnn4": "32d 64d 32u cu",
    "cnn6": "32d 64d 128d 64u 32u cu",
    "cnn8": "32d 64d 128d 256 128 64u 32u cu",
    "cnn10": "32d 64d 128d 256 256 256 128 64u 32u cu",
    "cnn12": "32d 64d 128d 256 256 256 256 256 128 64u 32u cu",
    "unet18": "32d 32 64d 64 128d 128 256 256 128u 128 128 64u 64 64 32u 32 32 c",
}
# U-Net: what its up layers see besides their predecessor's channels.
SKIPPED = {8: 128, 11: 64, 14: 32}


class Arrows(nn.Module):
    """The arrows as modules of torch's own."""

    def __init__(self, name: Stack, channels: int, batch_norm: bool, time: int = 1) -> None:
        super().__init__()
        self.name, self.time = name, time
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs = channels
        arrows = ARROWS[name].split()
        for number, arrow in enumerate(arrows):
            outputs = channels if arrow[0] == "c" else int(arrow.strip("ud"))
            into = inputs + time + (SKIPPED.get(number, 0) if name == "unet18" else 0)
            kind = nn.ConvTranspose2d if arrow.endswith("u") else nn.Conv2d
            self.convolutions.append(
                kind(into, outputs, 3, stride=2 if arrow[-1] in "ud" else 1, padding=1)
            )
            if number < len(arrows) - 1:
                self.norms.append(nn.BatchNorm2d(outputs) if batch_norm else nn.Identity())
            inputs = outputs

    def layer(self, number: int, t: float, x: Tensor, size: torch.Size | None = None) -> Tensor:
        """Convolution `number`, norm and ReLU. size: which an up layer restores."""
        if self.time:
            x = torch.cat([torch.full_like(x[:, :1], t), x], dim=1)
        convolution = self.convolutions[number]
        x = convolution(x) if size is None else convolution(x, output_size=size)
        return x if number == len(self.convolutions) - 1 else torch.relu(self.norms[number](x))

    def forward(self, t: float, x: Tensor) -> Tensor:
        if self.name == "unet18":
            return self.unet(t, x)
        sizes = []
        for number, arrow in enumerate(ARROWS[self.name].split()):
            if arrow.endswith("d"):
                sizes.append(x.shape[2:])
            x = self.layer(number, t, x, sizes.pop() if arrow.endswith("u") else None)
        return x

    def unet(self, t: float, x: Tensor) -> Tensor:
        half = self.layer(1, t, self.layer(0, t, x))
        quarter = self.layer(3, t, self.layer(2, t, half))
        eighth = self.layer(5, t, self.layer(4, t, quarter))
        deep = self.layer(7, t, self.layer(6, t, eighth))
        up = self.layer(8, t, torch.cat([deep, eighth], 1), quarter.shape[2:])
        up = self.layer(10, t, self.layer(9, t, up))
        up = self.layer(11, t, torch.cat([up, quarter], 1), half.shape[2:])
        up = self.layer(13, t, self.layer(12, t, up))
        up = self.layer(14, t, torch.cat([up, half], 1), x.shape[2:])
        return self.layer(17, t, self.layer(16, t, self.layer(15, t, up)))


def stack(
    name: Stack,
    norm: NormConfig = NONE,
    size: tuple[int, int] = (14, 12),
    channels: int = 2,
    time: bool = True,
) -> ConvStack:
    torch.manual_seed(0)
    return ConvStack(STACKS[name], channels, channels, size, norm, time=time).double()


def convolutions(stack: ConvStack) -> list[Any]:
    return [normed.layer for normed in stack.layers]


def copied(ours: ConvStack, theirs: Arrows) -> Arrows:
    """`theirs` with the weights of `ours`; the layers are in the same order."""
    theirs.double()
    for mine, other in zip(convolutions(ours), theirs.convolutions, strict=True):
        other.load_state_dict(mine.state_dict())
    return theirs


def derivatives(f: Callable[[Tensor], Tensor], x: Tensor, module: nn.Module) -> list[Tensor]:
    x = x.clone().requires_grad_()
    out = f(x)
    return [out.detach(), *torch.autograd.grad(out.square().sum(), [x, *module.parameters()])]


@pytest.mark.parametrize("norm", [NONE, BATCH], ids=["none", "batch"])
@pytest.mark.parametrize("name", NAMES)
def test_backbone_is_the_papers_arrows(name: Stack, norm: NormConfig) -> None:
    ours = stack(name, norm)
    theirs = copied(ours, Arrows(name, 2, batch_norm=norm is BATCH))
    x = torch.randn(3, 2, 14, 12, dtype=torch.float64)
    for t in (0.25, 1.0):
        torch.testing.assert_close(ours(t, x), theirs(t, x), rtol=1e-12, atol=1e-12)
    mine = [buffer for name, buffer in ours.named_buffers() if "running" in name]
    expected = [buffer for name, buffer in theirs.named_buffers() if "running" in name]
    assert len(mine) == (2 * (len(ours.layers) - 1) if norm is BATCH else 0)
    for one, other in zip(mine, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.eval()(0.5, x), theirs.eval()(0.5, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["cnn6", "unet18"])
def test_gradients_are_those_of_the_arrows(name: Stack) -> None:
    ours = stack(name)
    theirs = copied(ours, Arrows(name, 2, batch_norm=False))
    x = torch.randn(2, 2, 14, 12, dtype=torch.float64)
    mine, expected = (
        derivatives(lambda x: ours(0.3, x), x, ours),
        derivatives(lambda x: theirs(0.3, x), x, theirs),
    )
    for one, other in zip(mine, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_without_time_nothing_is_concatenated() -> None:
    ours = stack("cnn6", time=False)
    theirs = copied(ours, Arrows("cnn6", 2, batch_norm=False, time=0))
    x = torch.randn(2, 2, 14, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(0.3, x), theirs(0.3, x), rtol=1e-12, atol=1e-12)
    assert torch.equal(ours(0.3, x), ours(0.7, x))


def test_the_three_convolutions_are_those_of_the_augmented_neural_ode() -> None:
    torch.manual_seed(0)
    ours = ConvStack(conv3(16), 3, 3, (6, 5), NONE).double()
    first, second, third = convolutions(ours)
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)

    def with_t(x: Tensor) -> Tensor:
        return torch.cat([torch.full_like(x[:, :1], 0.4), x], 1)

    expected = third(with_t(torch.relu(second(with_t(torch.relu(first(with_t(x))))))))
    torch.testing.assert_close(ours(0.4, x), expected, rtol=1e-12, atol=1e-12)
    assert [layer.kernel_size for layer in (first, second, third)] == [(1, 1), (3, 3), (1, 1)]


@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("name", NAMES)
def test_the_state_has_its_size_again(name: Stack, size: int) -> None:
    field = stack(name, size=(size, size), channels=1).float()
    with torch.no_grad():
        assert field(0.5, torch.randn(1, 1, size, size)).shape == (1, 1, size, size)


@pytest.mark.parametrize(
    "config", [norm_config.Weight(), norm_config.Spectral()], ids=["weight", "spectral"]
)
def test_weight_norms_count_output_channels_also_of_transposed_convolutions(
    config: NormConfig,
) -> None:
    field = stack("cnn4", config)
    *normed, last = convolutions(field)
    for layer in normed:
        parts = layer.parametrizations.weight
        length = parts.original0.numel() if config.name == "weight" else parts[0].u.numel()
        assert length == layer.out_channels
    assert not hasattr(last, "parametrizations")
    # The plain layer, concatenation and all, by its present weight; sigma is far from the largest
    # singular value until it has been iterated.
    x = torch.randn(2, 2, 14, 12, dtype=torch.float64)
    for _ in range(20):
        field(0.5, x)
    field.eval()
    theirs = Arrows("cnn4", 2, batch_norm=False).double()
    for mine, other in zip((*normed, last), theirs.convolutions, strict=True):
        other.load_state_dict({"weight": mine.weight, "bias": mine.bias})
    torch.testing.assert_close(field(0.5, x), theirs(0.5, x), rtol=1e-12, atol=1e-12)


def test_spectral_norm_iterates_once_per_evaluation_not_per_solve() -> None:
    field = stack("cnn4", norm_config.Spectral())
    up = convolutions(field)[2]
    spectral = up.parametrizations.weight[0]
    assert isinstance(spectral, SpectralNorm)
    u, matrix = (
        spectral.u.clone(),
        up.parametrizations.weight.original.detach().transpose(0, 1).flatten(1),
    )
    f = field.bind()
    assert torch.equal(spectral.u, u)
    x = torch.randn(2, 2, 14, 12, dtype=torch.float64)
    for evaluation in range(3):
        f(evaluation / 3, x)
        u = F.normalize(matrix @ F.normalize(matrix.T @ u, dim=0), dim=0)
        torch.testing.assert_close(spectral.u, u, rtol=1e-10, atol=1e-12)


def gradients_of(norm: NormConfig, gradient: GradientConfig) -> list[Tensor]:
    field = stack("cnn4", norm, size=(8, 8)).float()
    generator = torch.Generator().manual_seed(1)
    for module in field.modules():
        if isinstance(module, SpectralNorm):
            module.draw_initial_state(generator)
    block = ODEBlock(
        field, solvers.build(FixedStep(name="midpoint", steps=3)), gradients.build(gradient)
    )
    x = torch.randn(4, 2, 8, 8, generator=generator)
    return derivatives(block, x, block)


@pytest.mark.parametrize("every", ["block", "step"])
@pytest.mark.parametrize(
    "norm",
    [NONE, BATCH, norm_config.Weight(), norm_config.Spectral(), norm_config.TemporalBatch()],
    ids=lambda norm: norm.name,
)
def test_checkpoint_gives_the_bits_of_backprop(norm: NormConfig, every: Any) -> None:
    plain, recomputed = gradients_of(norm, Backprop()), gradients_of(norm, Checkpoint(every=every))
    assert all(torch.equal(one, other) for one, other in zip(plain, recomputed, strict=True))


class ArrowField(FieldModule):
    def __init__(self, arrows: Arrows) -> None:
        super().__init__()
        self.arrows = arrows

    def bind(self) -> VectorField:
        return self.arrows


def test_adjoint_goes_through_what_was_computed_once_per_solve() -> None:
    ours = stack("cnn4")
    theirs = ArrowField(copied(ours, Arrows("cnn4", 2, batch_norm=False)))
    solver, adjoint = solvers.build(FixedStep(name="heun", steps=3)), gradients.build(Adjoint())
    x = torch.randn(2, 2, 14, 12, dtype=torch.float64)
    mine, expected = (
        derivatives(ODEBlock(field, solver, adjoint), x, field) for field in (ours, theirs)
    )
    for one, other in zip(mine, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_slopes_keep_the_type_of_the_state_under_autocast() -> None:
    field = stack("unet18", BATCH, size=(16, 16)).float().eval()
    x = torch.randn(2, 2, 16, 16)
    exact = field(0.5, x)
    with torch.autocast("cpu", torch.bfloat16):
        slope = field(0.5, x)
    assert slope.dtype == torch.float32
    assert not torch.equal(slope, exact)  # bfloat16 was used inside
    torch.testing.assert_close(slope, exact, rtol=0, atol=0.05 * exact.abs().max().item())
