"""anode_side_effects against a literal ANODE: what two passes per training step leave in batch and
spectral norms.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from norm_blocks import EULER, NORMS, trained, two_blocks
from pydantic import ValidationError
from torch import Tensor, nn

from odecore.config import TrialSpec
from odecore.config.data import Images
from odecore.config.gradient import Backprop, Checkpoint, GradientConfig
from odecore.config.models.stacked_odenet import StackedOdenet
from odecore.config.norm import Batch, NormConfig, Spectral
from odecore.config.train import Fidelity, Train


class PlainField(nn.Module):
    """The same layers made of torch's own modules."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        self.first, self.last = (
            nn.Conv2d(2, 3, 3, padding=1),
            nn.ConvTranspose2d(3, 2, 3, padding=1),
        )
        batch = norm == "batch"
        self.first_norm, self.last_norm = (
            (nn.BatchNorm2d(3), nn.BatchNorm2d(2)) if batch else (nn.Identity(), nn.Identity())
        )
        if norm == "spectral":
            for layer in (self.first, self.last):
                torch.nn.utils.spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.last_norm(self.last(torch.tanh(self.first_norm(self.first(x)))))


class Anode(torch.autograd.Function):
    """Gholami et al. 2019: Euler's steps without a graph, and on the way back once more with it, in
    train mode all the same.
    """

    @staticmethod
    def forward(ctx: Any, field: PlainField, x0: Tensor, *parameters: Tensor) -> Tensor:
        ctx.field, ctx.parameters = field, parameters
        ctx.save_for_backward(x0)
        return euler(field, x0)

    @staticmethod
    def backward(ctx: Any, *outputs: Any) -> Any:
        x0 = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            x1 = euler(ctx.field, x0)
        return (None, *torch.autograd.grad(x1, (x0, *ctx.parameters), outputs[0]))


def euler(field: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    for _ in range(4):
        x = x + field(x) / 4
    return x


class AnodeNet(nn.Module):
    def __init__(self, norm: str, model: nn.Sequential) -> None:
        super().__init__()
        self.fields = nn.ModuleList(PlainField(norm) for _ in range(2)).double()
        for plain, block in zip(self.fields, model, strict=True):
            for name in ("first", "last"):
                there, here = (getattr(field, name) for field in (plain, block.field))
                there.bias.data.copy_(here.bias)
                if norm == "batch":
                    there.weight.data.copy_(here.weight)
                else:
                    there.weight_orig.data.copy_(here.parametrizations.weight.original)
                    there.weight_u.copy_(here.parametrizations.weight[0].u)

    def forward(self, x: Tensor) -> Tensor:
        for field in self.fields:
            result = Anode.apply(field, x, *field.parameters())
            assert isinstance(result, Tensor)
            x = result
        return x


def states(model: nn.Module, *names: str) -> list[Tensor]:
    """The buffers of these names, in order of the modules."""
    return [
        buffer.clone() for name, buffer in model.named_buffers() if name.rpartition(".")[2] in names
    ]


@pytest.mark.parametrize("gradient", [Backprop(), Checkpoint()], ids=["backprop", "checkpoint"])
def test_batch_statistics_as_anode_leaves_them(gradient: GradientConfig) -> None:
    model = two_blocks(Batch(), EULER, gradient, anode=True)
    reference, once = AnodeNet("batch", model), two_blocks(Batch())
    for _ in range(3):
        for net in (model, reference, once):
            trained(net, steps=1, lr=1e-3)
        expected = states(reference, "running_mean", "running_var")
        torch.testing.assert_close(
            states(model, "running_mean", "running_var"), expected, rtol=1e-12, atol=1e-12
        )
        assert not any(
            torch.allclose(*pair, rtol=1e-3)
            for pair in zip(
                states(once, "running_var"), states(reference, "running_var"), strict=True
            )
        )
    torch.testing.assert_close(
        sum(map(torch.norm, model.parameters())),
        sum(map(torch.norm, reference.parameters())),
        rtol=1e-12,
        atol=0,
    )


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_spectral_norm_trains_as_under_anode() -> None:
    model = two_blocks(Spectral(), EULER, Checkpoint(), anode=True)
    reference = AnodeNet("spectral", model)
    for _ in range(3):
        for net in (model, reference):
            trained(net, steps=1, lr=1e-3)
        torch.testing.assert_close(
            states(model, "u"), states(reference, "weight_u"), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS.keys())
def test_plain_gradients_are_anodes_unless_the_spec_refuses_them(norm: NormConfig) -> None:
    plain, recomputed, by_step = (
        trained(two_blocks(norm, EULER, gradient, anode=True), steps=1)[0]
        for gradient in (Backprop(), Checkpoint(), Checkpoint(every="step"))
    )
    is_other = [
        ((gradient - recomputed).norm() > 1e-3 * recomputed.norm()).item()
        for gradient in (plain, by_step)
    ]
    assert is_other == [norm.state_enters_training] * 2

    def spec(gradient: GradientConfig) -> TrialSpec:
        return TrialSpec(
            data=Images(name="cifar10"),
            model=StackedOdenet(ode_norm=norm),
            solver=EULER,
            gradient=gradient,
            train=Train(epochs=1),
            fidelity=Fidelity(anode_side_effects=True),
        )

    spec(Checkpoint())
    for gradient in (Backprop(), Checkpoint(every="step")):
        if norm.state_enters_training:
            with pytest.raises(ValidationError, match=r"needs gradient\.name = checkpoint"):
                spec(gradient)
        else:
            spec(gradient)
