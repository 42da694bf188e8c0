"""Weight normalization and spectral normalization, as parametrizations of torch's.

Shapes: O outputs, I inputs; a weight is (O, I) or (O, I, k, k), or (I, O, k, k) if transposed;
as a matrix (O, I k k); u is (O,), v is (I k k,).

The layer's weight stays settable: `layer.weight = values` sets what the norm starts from. Reading
it computes it anew, so read it once per call.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from odecore.config import norm as norm_config
from odecore.norms import side_effects
from odecore.norms.base import Layer, Norm
from odecore.norms.outputs import NoNorm

# Of torch.nn.utils.spectral_norm.
SPECTRAL_EPS = 1e-12


def output_dim(layer: Layer) -> int:
    """Which dimension of the layer's weight counts its output channels."""
    return 1 if isinstance(layer, nn.ConvTranspose2d) else 0


def weight(_config: norm_config.Weight, layer: Layer) -> tuple[Layer, Norm]:
    """Weight w = g v / |v| with one g per output channel (Salimans & Kingma 2016).

    v starts as the weight and g as its norm, so w starts unchanged.
    """
    parametrizations.weight_norm(layer, "weight", dim=output_dim(layer))
    return layer, NoNorm()


def spectral(_config: norm_config.Spectral, layer: Layer) -> tuple[Layer, Norm]:
    """Weight w = v / sigma(v), see `SpectralNorm`."""
    # unsafe: the check would run the parametrization, and with it a power iteration.
    parametrize.register_parametrization(
        layer, "weight", SpectralNorm(layer.weight, output_dim(layer)), unsafe=True
    )
    return layer, NoNorm()


class SpectralNorm(nn.Module):
    """W / sigma, sigma = u^T W v, W a matrix (O, rest) (Miyato et al. 2018).

    Each use in training does one power iteration first, v = W^T u / |W^T u|, u = W v / |W v|; in
    eval mode u and v stay.
    torch.nn.utils.parametrizations.spectral_norm is not used: it iterates 15 times at the start,
    and its recomputation could not be replayed.
    """

    def __init__(self, weight: Tensor, dim: int) -> None:
        super().__init__()
        self.dim = dim
        rows, columns = _matrix(weight, dim).shape
        self.u: Tensor
        self.v: Tensor
        self.register_buffer("u", weight.detach().new_empty(rows))
        self.register_buffer("v", weight.detach().new_empty(columns))
        self.draw_initial_state(None)

    @torch.no_grad()
    def draw_initial_state(self, generator: torch.Generator | None) -> None:
        """Draw u and v from the unit sphere. generator: on the CPU, None for torch's global one."""
        for vector in (self.u, self.v):
            vector.copy_(
                F.normalize(
                    torch.randn(vector.shape, generator=generator, dtype=vector.dtype),
                    dim=0,
                    eps=SPECTRAL_EPS,
                )
            )

    def forward(self, weight: Tensor) -> Tensor:
        """The normalized weight. Gradients pass through sigma with u and v as constants."""
        # On CUDA autocast would compute these products in half precision and spoil sigma.
        with torch.autocast(weight.device.type, enabled=False):
            matrix = _matrix(weight, self.dim)
            if self.training:
                u, v = side_effects.once(
                    lambda: self._power_iteration(matrix.detach()), self._vectors
                )
            else:
                u, v = self._vectors()
            return weight / torch.dot(u, torch.mv(matrix, v))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What the layer starts from when its weight is set: that weight."""
        return weight

    @torch.no_grad()
    def _power_iteration(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        v = F.normalize(torch.mv(matrix.t(), self.u), dim=0, eps=SPECTRAL_EPS)
        u = F.normalize(torch.mv(matrix, v), dim=0, eps=SPECTRAL_EPS)
        # Copied, not replaced and not written in place: the graph keeps u and v of this use, and
        # later uses move on.
        self.u.copy_(u)
        self.v.copy_(v)
        return u, v

    def _vectors(self) -> tuple[Tensor, Tensor]:
        return self.u.clone(), self.v.clone()


def _matrix(weight: Tensor, dim: int) -> Tensor:
    return weight.transpose(0, dim).flatten(1)
