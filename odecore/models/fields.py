"""Right-hand sides f(t, x) with parameters, and how each is made ready for one solve.

Slopes have the state's own type, also where autocast makes the products inside coarser: step
control rests on differences of slopes.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from odecore import norms
from odecore.config.models.flat_node import LONGEST_DENSE
from odecore.config.norm import NormConfig
from odecore.solvers.base import VectorField


class FieldModule(nn.Module):
    """A module that is a vector field."""

    def bind(self) -> VectorField:
        """f(t, x) for one solve; see `odecore.gradients.Field`."""
        raise NotImplementedError

    def bind_stacked(self, parameters: Mapping[str, Tensor]) -> VectorField:
        """f(t, x) of E fields of this shape side by side: x and dx/dt are (E, B, ...).

        parameters: by this module's own names, (E, ...) each.
        """
        raise NotImplementedError

    def forward(self, t: float, x: Tensor) -> Tensor:
        """One evaluation: dx/dt at (t, x), of the shape of x."""
        return self.bind()(t, x)


class ConvField1d(FieldModule):
    """Three convolutions along x: (B, D) (Ott 2021, code). Autonomous.

    conv(1, width, 1) - ReLU - conv(width, width, 3) - ReLU - conv(width, 1, 1); length is D.

    On a short length the three convolutions are three matrix products with (length, width length),
    (width length, width length) and (width length, length) matrices, which are built once per solve
    from the convolutions' own parameters.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.length = length
        self.conv_in = nn.Conv1d(1, width, 1)
        self.conv_mid = nn.Conv1d(width, width, 3, padding=1)
        self.conv_out = nn.Conv1d(width, 1, 1)
        # shifts[k, x, y] = 1 where output position y reads input position x through tap k: x = y +
        # k - 1.
        shifts = torch.stack(
            [torch.diag(torch.ones(length - abs(offset)), offset) for offset in (1, 0, -1)]
        )
        self.register_buffer("shifts", shifts, persistent=False)

    def bind(self) -> VectorField:
        """Dense on short lengths, convolutions on long ones."""
        return self.bind_dense() if self.length <= LONGEST_DENSE else self.bind_convolutions()

    def bind_dense(self) -> VectorField:
        """The three matrix products."""
        return self.bind_stacked(dict(self.named_parameters()))

    def bind_stacked(self, parameters: Mapping[str, Tensor]) -> VectorField:
        """See `FieldModule`; in the dense form. Features are ordered (channel, position)."""
        assert isinstance(self.shifts, Tensor)
        here = self.shifts[1:2]
        layers = (("conv_in", here), ("conv_mid", self.shifts), ("conv_out", here))
        into, middle, out = (_dense(parameters[f"{name}.weight"], taps) for name, taps in layers)
        b_into, b_middle, b_out = (
            _repeat(parameters[f"{name}.bias"], self.length) for name, _ in layers
        )

        def f(_t: float, x: Tensor) -> Tensor:
            hidden = F.relu_(affine(b_into, x, into))
            hidden = F.relu_(affine(b_middle, hidden, middle))
            return affine(b_out, hidden, out).to(x.dtype)

        return f

    def bind_convolutions(self) -> VectorField:
        """The layers as they are."""

        def f(_t: float, x: Tensor) -> Tensor:
            return (
                self.conv_out(F.relu_(self.conv_mid(F.relu_(self.conv_in(x.unsqueeze(1))))))
                .squeeze(1)
                .to(x.dtype)
            )

        return f


def affine(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Product x @ weight + bias, of one net or of E nets side by side.

    bias: (O,) or (E, O), x: (B, I) or (E, B, I), weight: (I, O) or (E, I, O). Result: (B, O) or (E,
    B, O).
    """
    if x.dim() == 2:
        return torch.addmm(bias, x, weight)
    return torch.baddbmm(bias.unsqueeze(1), x, weight)


def _dense(weight: Tensor, shifts: Tensor) -> Tensor:
    """Convolution weights (O, I, k) as matrices (I length, O length), or E of them.

    shifts: (k, length, length).
    """
    *nets, outputs, inputs, taps = weight.shape
    length = shifts.shape[-1]
    blocks = weight.reshape(*nets, outputs * inputs, taps) @ shifts.reshape(taps, length * length)
    return (
        blocks.view(*nets, outputs, inputs, length, length)
        .movedim(-4, -2)
        .reshape(*nets, inputs * length, outputs * length)
    )


def _repeat(bias: Tensor, length: int) -> Tensor:
    """Biases (O,) or (E, O) for every position: (O length,) or (E, O length)."""
    return bias.unsqueeze(-1).expand(*bias.shape, length).flatten(-2)


class ConvField2d(FieldModule):
    """conv(C, width, 1) - ReLU - conv(width, width, 3) - ReLU - conv(width, C, 1).

    x: (B, C, H, W) (Ott 2021, code). Autonomous.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, width, 1)
        self.conv_mid = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, channels, 1)

    def bind(self) -> VectorField:
        """The layers as they are."""

        def f(_t: float, x: Tensor) -> Tensor:
            return self.conv_out(F.relu_(self.conv_mid(F.relu_(self.conv_in(x))))).to(x.dtype)

        return f


class LinearField(FieldModule):
    """linear(D, width) - ReLU - linear(width, width) - ReLU - linear(width, D).

    x: (B, ...) with D entries per sample (Ott 2021, code). Autonomous.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.linear_in = nn.Linear(features, width)
        self.linear_mid = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, features)

    def bind(self) -> VectorField:
        """The layers as they are."""

        def f(_t: float, x: Tensor) -> Tensor:
            hidden = F.relu_(self.linear_mid(F.relu_(self.linear_in(x.flatten(1)))))
            return self.linear_out(hidden).view_as(x).to(x.dtype)

        return f

    def bind_stacked(self, parameters: Mapping[str, Tensor]) -> VectorField:
        """See `FieldModule`; x: (E, B, D)."""

        def layer(name: str, x: Tensor) -> Tensor:
            weight = parameters[f"{name}.weight"].transpose(1, 2)
            return affine(parameters[f"{name}.bias"], x, weight)

        def f(_t: float, x: Tensor) -> Tensor:
            hidden = F.relu_(layer("linear_mid", F.relu_(layer("linear_in", x))))
            return layer("linear_out", hidden).to(x.dtype)

        return f


class Normed(nn.Module):
    """norm(layer(x), t); a weight norm acts on the layer's weight instead. x: (B, ...)."""

    def __init__(self, config: NormConfig, layer: norms.Layer) -> None:
        super().__init__()
        self.layer, self.norm = norms.apply(config, layer)

    def forward(self, x: Tensor, t: float = 0.0) -> Tensor:
        """x: (B, channels, ...) as the layer takes it. t: time, 0 outside an ODE."""
        return self.norm(self.layer(x), t)


def with_time(t: float, x: Tensor) -> Tensor:
    """x: (B, C, ...) with the time as a constant channel before all others: (B, 1 + C, ...)."""
    # Unlike a concatenation, padding keeps the layout of x.
    return F.pad(x, [0, 0] * (x.dim() - 2) + [1, 0], value=t)
