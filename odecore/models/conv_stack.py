"""Tables of convolutions: Zheng's backbones, and the field of the augmented neural ODE.

Shapes: B batch, C channels, H height, W width, O output channels, I input channels.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from odecore.config.backbone import BackboneSection, Row, has_last_norm, has_last_relu, rows_of
from odecore.config.norm import NoNorm, NormConfig
from odecore.models.fields import FieldModule, Normed
from odecore.norms.weights import SpectralNorm
from odecore.solvers.base import VectorField

Conv = nn.Conv2d | nn.ConvTranspose2d
Size = tuple[int, int]


def conv3(width: int) -> tuple[Row, ...]:
    """1x1, 3x3, 1x1 with `width` features between (Dupont et al. 2019, code)."""
    return Row(width, kernel=1), Row(width), Row(None, kernel=1)


class ConvStack(FieldModule):
    """Convolutions with bias; norm and ReLU after each but the last. (B, I, H, W) to (B, O, H, W).

    last_norm, last_relu: after the last one too (Zheng 2024, code).
    time: a constant channel t before the input channels of each convolution. A convolution is
    linear, so that channel adds t times the response to ones, which is computed once per solve: the
    same function, borders included, without concatenation and with 64 channels, not 65.
    Time of Euler steps forward and backward with concatenation over time of this form, one CPU
    thread: cnn6 1.3, conv3 1.2 to 1.3, cnn8 1.2.
    """

    def __init__(
        self,
        table: tuple[Row, ...],
        inputs: int,
        outputs: int,
        size: Size,
        norm: NormConfig,
        *,
        time: bool = True,
        last_norm: bool = False,
        last_relu: bool = False,
    ) -> None:
        super().__init__()
        self.table = table
        self.time = time
        self.last_relu = last_relu
        # Of each layer's input: borders make the response to ones depend on it.
        self.sizes: list[Size] = []
        self.layers = nn.ModuleList()
        larger: list[Size] = []
        kept: list[int] = []
        for number, row in enumerate(table, start=1):
            if row.scale == "pool":
                larger.append(size)
                size = (size[0] // 2, size[1] // 2)
            self.sizes.append(size)
            into = inputs + int(time) + (kept.pop() if row.skip == "in" else 0)
            inputs = outputs if row.channels is None else row.channels
            if row.scale == "up":
                # A transposed convolution makes 2 n - 1 of n pixels, and the encoder made n of 2 n
                # - 1 or of 2 n.
                size, before = larger.pop(), size
                padding = (size[0] - 2 * before[0] + 1, size[1] - 2 * before[1] + 1)
                layer: Conv = nn.ConvTranspose2d(
                    into,
                    inputs,
                    row.kernel,
                    stride=2,
                    padding=row.kernel // 2,
                    output_padding=padding,
                )
            elif row.scale == "down":
                layer = nn.Conv2d(into, inputs, row.kernel, stride=2, padding=row.kernel // 2)
                larger.append(size)
                size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
            else:
                layer = nn.Conv2d(into, inputs, row.kernel, padding=row.kernel // 2)
            if row.skip == "out":
                kept.append(inputs)
            normed = number < len(table) or last_norm
            self.layers.append(Normed(norm if normed else NoNorm(), layer))

    def bind(self) -> VectorField:
        """Each layer's response to the time channel is computed here."""
        normed = [layer for layer in self.layers if isinstance(layer, Normed)]
        convolutions = [
            self._convolution(layer.layer, size)
            for layer, size in zip(normed, self.sizes, strict=True)
        ]
        rows = list(zip(self.table, convolutions, [layer.norm for layer in normed], strict=True))

        def f(t: float, x: Tensor) -> Tensor:
            hidden, kept = x, []
            for number, (row, convolve, norm) in enumerate(rows, start=1):
                if row.scale == "pool":
                    hidden = F.max_pool2d(hidden, 2)
                if row.skip == "in":
                    hidden = torch.cat((hidden, kept.pop()), 1)
                hidden = norm(convolve(t, hidden), t)
                if number < len(rows) or self.last_relu:
                    # In place on a fresh result, which neither convolutions nor norms need on the
                    # way back.
                    hidden = F.relu_(hidden)
                if row.skip == "out":
                    kept.append(hidden)
            return hidden.to(x.dtype)

        return f

    def _convolution(self, layer: nn.Module, size: Size) -> Callable[[float, Tensor], Tensor]:
        assert isinstance(layer, Conv)
        if not self.time:
            return lambda _t, x: layer(x)
        if any(isinstance(module, SpectralNorm) for module in layer.modules()):
            # Its weight changes with each evaluation.
            return lambda t, x: _bind_time(layer, size)(t, x)
        return _bind_time(layer, size)


def _bind_time(layer: Conv, size: Size) -> Callable[[float, Tensor], Tensor]:
    """(t, x) -> layer([t, x]), its weight read now. x: (B, I, H, W) with (H, W) = size."""
    transposed = isinstance(layer, nn.ConvTranspose2d)
    weight, bias = layer.weight, layer.bias
    assert bias is not None
    of_time, of_x = weight.split(
        [1, weight.shape[0 if transposed else 1] - 1], dim=0 if transposed else 1
    )
    of_x = of_x.contiguous()
    bias = bias[:, None, None]

    def convolve(x: Tensor, weight: Tensor) -> Tensor:
        if isinstance(layer, nn.ConvTranspose2d):
            return F.conv_transpose2d(
                x,
                weight,
                None,
                layer.stride,
                layer.padding,  # type: ignore[arg-type]
                layer.output_padding,
            )
        return F.conv2d(x, weight, None, layer.stride, layer.padding)

    response = convolve(weight.new_ones(1, 1, *size), of_time)

    def evaluate(t: float, x: Tensor) -> Tensor:
        return convolve(x, of_x).add_(torch.add(bias, response, alpha=t))

    return evaluate


def backbone(
    config: BackboneSection,
    inputs: int,
    outputs: int,
    image_shape: tuple[int, ...],
    *,
    time: bool = True,
) -> ConvStack:
    """The right-hand side that a section names. image_shape: (C, H, W), H and W of the state."""
    image_channels, *size_of_image = image_shape
    size = (size_of_image[0], size_of_image[1])
    if config.backbone == "conv3":
        # The section's own check has made sure of the width.
        assert config.width is not None
        table = conv3(config.width)
    else:
        table = rows_of(config.backbone, config.layout, image_channels)
    return ConvStack(
        table,
        inputs,
        outputs,
        size,
        config.norm,
        time=time,
        last_norm=has_last_norm(config.last_layer),
        last_relu=has_last_relu(config.backbone, config.last_layer),
    )
