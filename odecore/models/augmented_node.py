"""Neural ODEs on the image with zero channels appended: Aug-NODE, NODE, and STEER.

Dupont et al. 2019; Ghosh et al. 2020.
"""

from torch import Tensor, nn
from torch.nn import functional

from odecore.config.models.augmented_node import AugmentedNode as Config
from odecore.gradients.base import Gradient
from odecore.models.conv_stack import backbone
from odecore.models.initial_values import Scheme
from odecore.models.ode_block import ODEBlock
from odecore.solvers.base import Solver


def append_zeros(x: Tensor, channels: int) -> Tensor:
    """x: (B, C, H, W) with `channels` zero channels after its own."""
    return functional.pad(x, (0, 0, 0, 0, 0, channels))


class AugmentedNode(nn.Module):
    """head(flatten(z(1))), z(0) = [x; 0], x: (B, C, H, W). Logits: (B, K).

    The head sees all C + config.channels channels.

    Without appended channels the plain neural ODE; `block.steer` makes it STEER. depth_layers: of
    the field, and the head.
    """

    blocks = 1
    initial_values: Scheme = "torch"

    def __init__(
        self,
        config: Config,
        shape: tuple[int, ...],
        classes: int,
        solver: Solver,
        gradient: Gradient,
    ) -> None:
        super().__init__()
        image_channels, height, width = shape
        channels = image_channels + config.channels
        field = backbone(config, channels, channels, shape, time=config.time)
        self.channels = config.channels
        self.depth_layers = len(field.table) + 1
        self.block = ODEBlock(field, solver, gradient)
        self.block.steer = config.steer
        self.head = nn.Linear(channels * height * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        return self.head(self.block(append_zeros(x, self.channels)).flatten(1))


build = AugmentedNode
