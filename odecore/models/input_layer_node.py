"""Neural ODEs behind a learned convolution: IL-NODE and 2nd-Ord (Massaroli et al. 2020, code)."""

from torch import Tensor, cat, nn
from torch.nn import functional

from odecore.config.models.input_layer_node import InputLayerNode as Config
from odecore.gradients.base import Gradient
from odecore.models.augmented_node import append_zeros
from odecore.models.fields import FieldModule
from odecore.models.initial_values import Scheme
from odecore.models.ode_block import ODEBlock
from odecore.solvers.base import Solver, VectorField

# Channels and pixels a side of what the head sees.
READOUT_CHANNELS = 6
READOUT_SIZE = 4


class InputLayerField(FieldModule):
    """f(z) = conv1x1 norm s conv s conv norm z, z: (B, C, H, W). Autonomous.

    s is the softplus, norm is GroupNorm with one channel a group.

    order 1: z' = f(z). order 2: z = [x; v] and f gives half as many channels: x' = v, v' = f([x;
    v]).
    """

    def __init__(self, channels: int, order: int) -> None:
        super().__init__()
        self.positions = channels // order
        self.order = order
        self.norm_in = nn.GroupNorm(channels, channels)
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv_mid = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm_out = nn.GroupNorm(channels, channels)
        self.conv_out = nn.Conv2d(channels, self.positions, 1)

    def bind(self) -> VectorField:
        """The layers as they are."""

        def f(_t: float, z: Tensor) -> Tensor:
            hidden = functional.softplus(self.conv_in(self.norm_in(z)))
            hidden = functional.softplus(self.conv_mid(hidden))
            slope = self.conv_out(self.norm_out(hidden)).to(z.dtype)
            return slope if self.order == 1 else cat((z[:, self.positions :], slope), 1)

        return f


class InputLayerNode(nn.Module):
    """head(flatten(pool(readout(z(1))))), z(0) = stem(x), x: (B, C, H, W). Logits: (B, K).

    The stem is a convolution (order 2: of the positions; velocities start at zero) or, as the
    authors' control, appends zero channels.
    depth_layers: stem, three in the field, readout, head. Raises ValueError for fewer state
    channels than the image has, where zeros are appended.
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
        learned = config.stem == "convolution"
        if not learned and config.width < shape[0]:
            raise ValueError(
                f"model.width = {config.width} is less than the image's {shape[0]} channels, "
                "to which model.stem = zeros appends"
            )
        started = config.width // config.order if learned else shape[0]
        self.zeros = config.width - started
        self.depth_layers = 6 if learned else 5
        self.stem = (
            nn.Conv2d(shape[0], started, 3, padding=1, bias=False) if learned else nn.Identity()
        )
        self.block = ODEBlock(InputLayerField(config.width, config.order), solver, gradient)
        self.readout = nn.Conv2d(config.width, READOUT_CHANNELS, 1)
        self.head = nn.Linear(READOUT_CHANNELS * READOUT_SIZE**2, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits. Raises SolveFailed."""
        readout = self.readout(self.block(append_zeros(self.stem(x), self.zeros)))
        return self.head(functional.adaptive_avg_pool2d(readout, READOUT_SIZE).flatten(1))


build = InputLayerNode
