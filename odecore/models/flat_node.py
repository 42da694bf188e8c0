"""Ott's flat neural ODE: the ODE acts on the input itself, then one linear layer.

Ott 2021, code: simple_odenet, odenet, linear_odenet.
"""

from collections.abc import Mapping
from math import prod

from torch import Tensor, nn

from odecore.config.models.flat_node import FlatNode as Config
from odecore.gradients.base import Gradient
from odecore.models.fields import ConvField1d, ConvField2d, FieldModule, LinearField, affine
from odecore.models.initial_values import Scheme
from odecore.models.ode_block import ODEBlock
from odecore.solvers.base import Solution, Solver


class FlatNode(nn.Module):
    """head(flatten(x(1))), x(0) the input: (B, d) or (B, C, H, W). Logits: (B, K).

    `block` and `head` are public: probes follow the first and draw the second.
    """

    # Layers with weights on the way from input to output, one pass through the field: three in the
    # field and the head.
    depth_layers = 4
    blocks = 1
    initial_values: Scheme = "kaiming_normal"

    def __init__(self, block: ODEBlock, features: int, classes: int) -> None:
        super().__init__()
        self.block = block
        self.head = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        return self.head(self.block(x).flatten(1))

    def stacked(self, parameters: Mapping[str, Tensor], x: Tensor) -> tuple[Solution, Tensor]:
        """Solution x(1): (E, B, d) and logits (E, B, K) of E nets of this shape side by side.

        parameters: by this module's own names, (E, ...) each; x: (E, B, d). NFE are not counted in
        the block, and a state that is not finite raises nothing: the caller looks at each net.
        """
        of_field = {
            name.removeprefix("block.field."): value
            for name, value in parameters.items()
            if name.startswith("block.field.")
        }
        solution = self.block.solver(self.block.field.bind_stacked(of_field), x)
        weight = parameters["head.weight"].transpose(1, 2)
        return solution, affine(parameters["head.bias"], solution.x1, weight)


def build(
    config: Config, shape: tuple[int, ...], classes: int, solver: Solver, gradient: Gradient
) -> FlatNode:
    """shape: of one input, (d,) for points or (C, H, W) for images."""
    return FlatNode(ODEBlock(_field(config, shape), solver, gradient), prod(shape), classes)


def _field(config: Config, shape: tuple[int, ...]) -> FieldModule:
    if config.kind == "linear":
        return LinearField(prod(shape), config.width)
    return (
        ConvField1d(shape[0], config.width)
        if len(shape) == 1
        else ConvField2d(shape[0], config.width)
    )
